//! Containers from exported configurations.

use super::Runtime;
use crate::config::ExportedConfig;
use crate::container::Container;
use crate::error::Result;

impl Runtime {
    /// Makes a container from an exported configuration ([`ExportedConfig`]).
    ///
    /// # Errors
    /// Those of [`ExportedConfig::from_json`] and [`Runtime::create`]: a volume whose folder
    /// is not on this machine is refused too. Nothing is made then.
    pub fn import(&self, json: impl AsRef<[u8]>) -> Result<Container> {
        self.create(ExportedConfig::from_json(json)?.spec().clone())
    }

    /// As [`Runtime::import`], under another name than the exported one.
    ///
    /// # Errors
    /// As [`Runtime::import`].
    pub fn import_as(&self, json: impl AsRef<[u8]>, name: &str) -> Result<Container> {
        self.create(ExportedConfig::from_json_as(json, name)?.spec().clone())
    }
}
