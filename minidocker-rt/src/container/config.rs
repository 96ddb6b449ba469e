//! The configuration of a container, for export.

use jiff::Timestamp;

use super::Container;
use crate::config::ExportedConfig;
use crate::error::Result;

impl Container {
    /// What it was made from, to keep or to give away; its JSON is the file. No data of the
    /// container is in it.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if it was deleted.
    pub fn export(&self) -> Result<ExportedConfig> {
        let (_, file) = self.dir_and_spec()?;
        let now = self.runtime.backend.machine().time_zone.to_datetime(Timestamp::now());
        Ok(ExportedConfig::new(file.spec, now))
    }
}
