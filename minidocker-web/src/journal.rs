//! What happens on the root, told to all who listen: one reader of the journal for the whole
//! server, at work while somebody listens.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use actix_web::web::Bytes;
use minidocker_rt::{Event, EventKind, Events, Next, Runtime};
use tokio::sync::broadcast;

use crate::error::ApiError;
use crate::sse;

/// A client may be so many events behind before it misses some.
const BUFFER: usize = 1024;

/// How soon the reader notices that nobody listens any more.
const LOOK_UP: Duration = Duration::from_secs(1);

/// An event, and the message that tells it: written once, however many listen.
#[derive(Debug)]
pub(crate) struct Told {
    pub event: Event,
    pub message: Bytes,
}

impl From<Event> for Told {
    fn from(event: Event) -> Told {
        let id = event.id.to_string();
        let message = sse::message(None, Some(&id), &event);
        Told { event, message }
    }
}

/// Passes the journal on.
#[derive(Debug)]
pub(crate) struct JournalHub {
    runtime: Runtime,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sender: broadcast::Sender<Arc<Told>>,
    /// Whether there is a reader. Locked while one begins or ends.
    reading: Mutex<bool>,
}

impl JournalHub {
    pub fn new(runtime: Runtime) -> JournalHub {
        let (sender, _) = broadcast::channel(BUFFER);
        JournalHub { runtime, shared: Arc::new(Shared { sender, reading: Mutex::new(false) }) }
    }

    /// What happens from now on.
    pub fn listen(&self) -> Result<broadcast::Receiver<Arc<Told>>, ApiError> {
        let mut reading = self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.shared.sender.subscribe();
        if !*reading {
            let events = self.runtime.events()?;
            let shared = self.shared.clone();
            thread::Builder::new()
                .name("journal".into())
                .spawn(move || shared.read(events))
                .map_err(|error| ApiError::no_thread(&error))?;
            *reading = true;
        }
        Ok(receiver)
    }
}

impl Shared {
    fn read(&self, mut events: Events) {
        loop {
            match events.next_timeout(LOOK_UP) {
                Ok(Next::Item(event)) => self.tell(event),
                Ok(Next::NothingYet) => {}
                // The root folder is gone, or cannot be read: perhaps it can be later.
                Ok(Next::End) | Err(_) => thread::sleep(LOOK_UP),
            }
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            if self.sender.receiver_count() == 0 {
                *reading = false;
                return;
            }
        }
    }

    fn tell(&self, event: Event) {
        // An error means that nobody listens.
        let _ = self.sender.send(Arc::new(event.into()));
    }
}

/// Whether an event is about the container, template or image of this name. That some were
/// missed is about all of them.
pub(crate) fn is_about(event: &Event, name: Option<&str>) -> bool {
    name.is_none_or(|name| event.name == name || event.kind == EventKind::Missed)
}
