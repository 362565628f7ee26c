//! CPU work off the async threads: as many jobs at a time as there are cores, a bounded number
//! waiting, and a refusal for everyone beyond that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// Runs jobs on blocking threads; shared between requests.
#[derive(Debug, Clone)]
pub struct Queue {
    slots: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    capacity: usize,
}

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// All workers are busy and as many callers wait as may.
    #[error("all workers are busy and the queue is full")]
    Full,
    /// The job panicked.
    #[error("the job panicked")]
    Panicked,
}

/// A place among those who wait; given back when dropped, and so also when the caller goes away.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// A queue of `workers` jobs at a time (at least one) and `capacity` callers waiting.
    pub fn new(workers: usize, capacity: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(workers.max(1))),
            waiting: Arc::default(),
            capacity,
        }
    }

    /// How many callers wait for a worker.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a worker and runs `job` on it. Dropping the future while it waits frees its place;
    /// a job that has begun runs to its end and frees its worker then.
    ///
    /// # Errors
    /// The queue is full, or the job panicked.
    pub async fn run<T, F>(&self, job: F) -> Result<T, QueueError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                let _place = self.place()?;
                // The semaphore is never closed; were it, nobody could be served.
                Arc::clone(&self.slots)
                    .acquire_owned()
                    .await
                    .map_err(|_| QueueError::Full)?
            }
        };
        // A stretch of a request's trace; what lies before it is the wait.
        let span = tracing::debug_span!("judge");
        tokio::task::spawn_blocking(move || {
            let _entered = span.entered();
            // The worker is free when the work is done, not when its caller stops waiting.
            let _slot = slot;
            job()
        })
        .await
        .map_err(|_| QueueError::Panicked)
    }

    fn place(&self) -> Result<Place, QueueError> {
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < self.capacity).then_some(n + 1)
            })
            .map(|_| Place(Arc::clone(&self.waiting)))
            .map_err(|_| QueueError::Full)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn callers_beyond_the_queue_are_refused_and_a_dropped_one_frees_its_place() {
        let queue = Queue::new(1, 1);
        let (finish, finished) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let queue = queue.clone();
            async move { queue.run(move || finished.recv().is_ok()).await }
        });
        while queue.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.run(|| ()).await }
        });
        while queue.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.run(|| ()).await, Err(QueueError::Full));

        waiting.abort();
        assert!(waiting.await.is_err());
        assert_eq!(queue.waiting(), 0);

        finish.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(true));
        assert_eq!(queue.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_worker() {
        let queue = Queue::new(1, 0);
        let result = queue.run(|| panic!("expected by the test")).await;
        assert_eq!(result, Err::<(), _>(QueueError::Panicked));
        assert_eq!(queue.run(|| 7).await, Ok(7));
    }
}
