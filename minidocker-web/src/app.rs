//! What all requests share.

use jiff::Timestamp;
use minidocker_rt::{Container, Error, Runtime};

use crate::error::ApiError;
use crate::journal::JournalHub;
use crate::live::Live;
use crate::streams::Streams;
use crate::work::Work;

/// One for the whole server.
#[derive(Debug)]
pub(crate) struct App {
    pub runtime: Runtime,
    pub work: Work,
    pub streams: Streams,
    pub live: Live,
    pub journal: JournalHub,
    pub started_at: Timestamp,
}

impl App {
    pub fn new(runtime: Runtime, streams: Streams) -> App {
        App {
            work: Work::new(),
            streams,
            live: Live::new(runtime.clone()),
            journal: JournalHub::new(runtime.clone()),
            started_at: Timestamp::now(),
            runtime,
        }
    }

    /// Looks at a container, which takes a moment.
    pub async fn look<T: Send + 'static>(
        &self,
        name: String,
        look: impl FnOnce(&Container) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ApiError> {
        let runtime = self.runtime.clone();
        let of = name.clone();
        self.work.quick_of(&of, move || Ok(look(&runtime.get(&name)?)?)).await
    }
}
