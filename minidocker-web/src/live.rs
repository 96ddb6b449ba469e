//! The list of all containers and what they use, kept up to date for all who look.
//!
//! To read 500 containers' files for each request would take longer than a page should wait.
//! So what was read is kept, and read again when there is a sign of change:
//! - the kernel tells of every change in the containers' folders ([`store_watch`]);
//! - the journal tells of what changes no file, such as a pause;
//! - a pidfd tells of a command that ended, should nobody have written that down.
//!
//! Signs are looked for at every request, so that an answer is never older than its question.
//! What containers use is measured by one [`sampler`] once a second, while somebody looks.

mod listing;
mod sampler;
mod store_watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use minidocker_rt::Runtime;
use tokio::sync::{broadcast, watch};

pub(crate) use listing::Filter;
use listing::Listing;
pub(crate) use sampler::Sample;
use sampler::Sampler;

use crate::error::ApiError;

/// A client may be so many messages behind before it gets the whole list anew.
const BUFFER: usize = 64;

/// The sampler goes on for so long after a request that it could have served.
const INTEREST: Duration = Duration::from_secs(5);

/// A sample may be so old and still be shown.
const FRESH: Duration = Duration::from_millis(1500);

/// The list, shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runtime: Runtime,
    listing: Mutex<Listing>,
    sampler: Mutex<Sampler>,
    /// Server-sent events, written once, however many listen.
    messages: broadcast::Sender<Bytes>,
    samples: watch::Sender<Arc<Sample>>,
    /// Whether a thread keeps everything up to date. Locked while one begins or ends.
    at_work: Mutex<bool>,
    /// When somebody last asked, in milliseconds since `began`.
    asked: AtomicU64,
    began: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    pub fn new(runtime: Runtime) -> Live {
        let (messages, _) = broadcast::channel(BUFFER);
        let (samples, _) = watch::channel(Arc::new(Sample::default()));
        Live {
            shared: Arc::new(Shared {
                listing: Mutex::new(Listing::new(runtime.clone())),
                runtime,
                sampler: Mutex::default(),
                messages,
                samples,
                at_work: Mutex::new(false),
                asked: AtomicU64::new(0),
                began: Instant::now(),
            }),
        }
    }

    /// The containers that `filter` lets through, as a JSON list. May block for a moment.
    pub fn list(&self, filter: &Filter) -> Result<String, ApiError> {
        let sample = self.sample()?;
        let mut listing = lock(&self.shared.listing);
        listing.refresh(&self.shared.messages)?;
        Ok(listing.to_json(filter, &sample))
    }

    /// The whole list as the first message, and all that follow it. May block for a moment.
    pub fn follow(&self) -> Result<(Bytes, broadcast::Receiver<Bytes>), ApiError> {
        let sample = self.sample()?;
        let mut listing = lock(&self.shared.listing);
        listing.refresh(&self.shared.messages)?;
        // Under the same lock: no change is told twice, none gets lost.
        let receiver = self.shared.messages.subscribe();
        let list = listing.to_json(&Filter::default(), &sample);
        drop(listing);
        // The thread may have ended between the sample and now.
        self.keep_up_to_date()?;
        Ok((Bytes::from(format!("event: list\ndata: {list}\n\n")), receiver))
    }

    /// What containers use, once a second. May block for a moment.
    pub fn follow_samples(&self) -> Result<watch::Receiver<Arc<Sample>>, ApiError> {
        self.sample()?;
        let receiver = self.shared.samples.subscribe();
        self.keep_up_to_date()?;
        Ok(receiver)
    }

    /// Of a sample that is not too old, if there is one.
    pub fn last_cpu_percent(&self, name: &str) -> Option<f64> {
        let sample = self.shared.samples.borrow();
        sample.stats(name).filter(|_| sample.is_fresh())?.cpu.percent
    }

    /// How many containers there are in each state. May block for a moment.
    pub fn count(&self) -> Result<listing::Counts, ApiError> {
        let mut listing = lock(&self.shared.listing);
        listing.refresh(&self.shared.messages)?;
        Ok(listing.count())
    }

    /// A sample that is not too old. From now on there will be one every second, for a while.
    /// May block for a moment.
    pub fn sample(&self) -> Result<Arc<Sample>, ApiError> {
        let shared = &self.shared;
        let now = u64::try_from(shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        shared.asked.store(now, Ordering::Relaxed);
        let sample = shared.samples.borrow().clone();
        if !sample.is_fresh() {
            shared.measure()?;
        }
        self.keep_up_to_date()?;
        Ok(shared.samples.borrow().clone())
    }

    fn keep_up_to_date(&self) -> Result<(), ApiError> {
        let mut at_work = lock(&self.shared.at_work);
        if !*at_work {
            let shared = self.shared.clone();
            std::thread::Builder::new()
                .name("live".into())
                .spawn(move || shared.keep_up_to_date())
                .map_err(|error| ApiError::no_thread(&error))?;
            *at_work = true;
        }
        Ok(())
    }
}

impl Shared {
    fn is_wanted(&self) -> bool {
        let asked = Duration::from_millis(self.asked.load(Ordering::Relaxed));
        self.messages.receiver_count() > 0
            || self.samples.receiver_count() > 0
            || self.began.elapsed().saturating_sub(asked) < INTEREST
    }

    /// The thread: tells of changes at once, and measures every second.
    fn keep_up_to_date(&self) {
        let signs = lock(&self.listing).signs();
        let mut next = Instant::now() + sampler::INTERVAL;
        loop {
            {
                let mut at_work = lock(&self.at_work);
                if !self.is_wanted() {
                    *at_work = false;
                    return;
                }
            }
            signs.wait(next.saturating_duration_since(Instant::now()));
            if let Err(error) = lock(&self.listing).refresh(&self.messages) {
                log::warn!("cannot list the containers: {}", error.message());
            }
            if Instant::now() >= next {
                if let Err(error) = self.measure() {
                    log::warn!("cannot measure the containers: {}", error.message());
                }
                next = Instant::now() + sampler::INTERVAL;
            }
        }
    }

    /// Takes a sample, unless another thread has just done so. The list is not locked
    /// meanwhile: measuring takes longer than reading it.
    fn measure(&self) -> Result<(), ApiError> {
        let mut sampler = lock(&self.sampler);
        if self.samples.borrow().is_younger_than(sampler::INTERVAL / 2) {
            return Ok(());
        }
        let alive = {
            let mut listing = lock(&self.listing);
            listing.refresh(&self.messages)?;
            listing.alive()
        };
        let sample = Arc::new(sampler.take(&self.runtime, &alive));
        {
            let mut listing = lock(&self.listing);
            listing.compare(&sample);
            listing.refresh(&self.messages)?;
        }
        if self.messages.receiver_count() > 0 {
            let _ = self.messages.send(sample.to_message());
        }
        self.samples.send_replace(sample);
        Ok(())
    }
}
