//! CPU work off the async threads: as many jobs at a time as there are cores, a bounded number
//! waiting, and a refusal for everyone beyond that.
//!
//! Callers with different keys take turns, whatever each of them asks for: each key has a line of its own, and a place in
//! a full queue is taken from the key with the longest one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::auth::Caller;

/// Runs jobs on blocking threads; shared between requests.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Shared>);

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// All workers are busy, and as many callers wait as may, or as may of this key while others wait.
    #[error("all workers are busy and the queue is full")]
    Full,
    /// The job panicked.
    #[error("the job panicked")]
    Panicked,
}

/// Whose line one waits in; without keys all wait in one.
type Line = Option<Caller>;

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Lines {
    /// Workers without work; none while anyone waits.
    free: usize,
    /// Those who wait, in all lines.
    waiting: usize,
    /// Number of the next one who waits.
    next: u64,
    /// None of them is empty.
    of: HashMap<Line, VecDeque<Waiter>>,
    /// Whose turn it is; every line of `of` once.
    turns: VecDeque<Line>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    worker: oneshot::Sender<Worker>,
}

/// A worker in hand; goes to the next in turn when dropped, wherever that is.
#[derive(Debug)]
struct Worker(Option<Arc<Shared>>);

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.pass_on();
        }
    }
}

/// A place among those who wait; given back when dropped, and so also when the caller goes away.
struct Place<'a> {
    shared: &'a Shared,
    line: Line,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.lines().leave(self.line, self.number);
    }
}

impl Lines {
    fn push(&mut self, line: Line, worker: oneshot::Sender<Worker>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting += 1;
        let waiters = self.of.entry(line).or_default();
        if waiters.is_empty() {
            self.turns.push_back(line);
        }
        waiters.push_back(Waiter { number, worker });
        number
    }

    /// Who has waited longest in the line whose turn it is.
    fn pop(&mut self) -> Option<Waiter> {
        let line = self.turns.pop_front()?;
        let waiters = self.of.get_mut(&line)?;
        let waiter = waiters.pop_front();
        if waiters.is_empty() {
            self.of.remove(&line);
        } else {
            self.turns.push_back(line);
        }
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// Takes one who waits out of a line, if that one is still in it.
    fn leave(&mut self, line: Line, number: u64) {
        let Some(waiters) = self.of.get_mut(&line) else {
            return;
        };
        let Some(place) = waiters.iter().position(|waiter| waiter.number == number) else {
            return;
        };
        waiters.remove(place);
        self.waiting -= 1;
        if waiters.is_empty() {
            self.of.remove(&line);
            self.turns.retain(|other| *other != line);
        }
    }

    /// Takes the last who came out of the longest line, if that stays the longer one with one more in `line`.
    fn displace(&mut self, line: Line) -> bool {
        let own = self.of.get(&line).map_or(0, VecDeque::len);
        let longest = self.of.iter().max_by_key(|(_, waiters)| waiters.len());
        let Some((&longest, last)) = longest
            .filter(|(_, waiters)| waiters.len() > own + 1)
            .and_then(|(longest, waiters)| Some((longest, waiters.back()?.number)))
        else {
            return false;
        };
        // Dropping its sender tells it.
        self.leave(longest, last);
        true
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a worker that has become free to the next in turn.
    fn pass_on(self: Arc<Self>) {
        loop {
            let waiter = {
                let mut lines = self.lines();
                let Some(waiter) = lines.pop() else {
                    lines.free += 1;
                    return;
                };
                waiter
            };
            match waiter.worker.send(Worker(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It has just gone: not to be passed on from within.
                Err(mut worker) => worker.0 = None,
            }
        }
    }

    /// A worker, waited for in `line`.
    async fn worker(self: &Arc<Self>, line: Line, displaces: bool) -> Result<Worker, QueueError> {
        let (place, worker) = {
            let mut lines = self.lines();
            if lines.free > 0 {
                lines.free -= 1;
                return Ok(Worker(Some(Arc::clone(self))));
            }
            let full = lines.waiting >= self.capacity;
            if full && (!displaces || !lines.displace(line)) {
                return Err(QueueError::Full);
            }
            let (sender, worker) = oneshot::channel();
            let number = lines.push(line, sender);
            let place = Place {
                shared: self,
                line,
                number,
            };
            (place, worker)
        };
        let worker = worker.await;
        drop(place);
        worker.map_err(|_| QueueError::Full)
    }
}

impl Queue {
    /// A queue of `workers` jobs at a time (at least one) and `capacity` callers waiting.
    pub fn new(workers: usize, capacity: usize) -> Self {
        let lines = Lines {
            free: workers.max(1),
            ..Lines::default()
        };
        Self(Arc::new(Shared {
            lines: Mutex::new(lines),
            capacity,
        }))
    }

    /// How many callers wait for a worker.
    pub fn waiting(&self) -> usize {
        self.0.lines().waiting
    }

    /// Waits for a worker, in turn with those who have other keys than `caller`, and runs `job` on it. Dropping the future
    /// while it waits frees its place; a job that has begun runs to its end and frees its worker then.
    ///
    /// # Errors
    /// The queue is full, and no key has more waiting than this one; or the job panicked.
    pub async fn run<T, F>(&self, caller: Option<Caller>, job: F) -> Result<T, QueueError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let worker = self.0.worker(caller, true).await?;
        on_thread(worker, job).await
    }

    /// As [`Queue::run`], but takes nobody's place where the queue is full.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "server")]
    pub async fn run_if_room<T, F>(&self, caller: Option<Caller>, job: F) -> Result<T, QueueError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let worker = self.0.worker(caller, false).await?;
        on_thread(worker, job).await
    }
}

async fn on_thread<T, F>(worker: Worker, job: F) -> Result<T, QueueError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // A stretch of a request's trace; what lies before it is the wait.
    let span = tracing::debug_span!("judge");
    tokio::task::spawn_blocking(move || {
        let _entered = span.entered();
        // The worker is free when the work is done, not when its caller stops waiting.
        let _worker = worker;
        job()
    })
    .await
    .map_err(|_| QueueError::Panicked)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn callers_beyond_the_queue_are_refused_and_a_dropped_one_frees_its_place() {
        let queue = Queue::new(1, 1);
        let (finish, finished) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let queue = queue.clone();
            async move { queue.run(None, move || finished.recv().is_ok()).await }
        });
        while queue.0.lines().free > 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.run(None, || ()).await }
        });
        while queue.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.run(None, || ()).await, Err(QueueError::Full));

        waiting.abort();
        assert!(waiting.await.is_err());
        assert_eq!(queue.waiting(), 0);

        finish.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(true));
        assert_eq!(queue.run(None, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_worker() {
        let queue = Queue::new(1, 0);
        let result = queue.run(None, || panic!("expected by the test")).await;
        assert_eq!(result, Err::<(), _>(QueueError::Panicked));
        assert_eq!(queue.run(None, || 7).await, Ok(7));
    }

    const MANY: Line = Some(Caller([1; 32]));
    const FEW: Line = Some(Caller([2; 32]));

    /// A queue whose only worker is busy until something is sent.
    async fn busy(capacity: usize) -> (Queue, mpsc::Sender<()>) {
        let queue = Queue::new(1, capacity);
        let (finish, finished) = mpsc::channel::<()>();
        tokio::spawn({
            let queue = queue.clone();
            async move { queue.run(None, move || finished.recv().is_ok()).await }
        });
        while queue.0.lines().free > 0 {
            tokio::task::yield_now().await;
        }
        (queue, finish)
    }

    /// Somebody who waits in `line`, says `name` when served, and whose error is what the task gives.
    async fn wait(
        queue: &Queue,
        line: Line,
        name: &'static str,
        said: &mpsc::Sender<&'static str>,
    ) -> tokio::task::JoinHandle<Result<(), QueueError>> {
        let before = queue.0.lines().next;
        let task = tokio::spawn({
            let (queue, said) = (queue.clone(), said.clone());
            async move { queue.run(line, move || said.send(name).unwrap()).await }
        });
        while queue.0.lines().next == before && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn keys_take_turns() {
        let (queue, finish) = busy(9).await;
        let (said, order) = mpsc::channel();
        for (line, name) in [
            (MANY, "m1"),
            (MANY, "m2"),
            (MANY, "m3"),
            (None, "n1"),
            (FEW, "f1"),
            (FEW, "f2"),
        ] {
            wait(&queue, line, name, &said).await;
        }
        assert_eq!(queue.waiting(), 6);
        finish.send(()).unwrap();
        while queue.0.lines().free == 0 {
            tokio::task::yield_now().await;
        }
        let order: Vec<_> = order.try_iter().collect();
        assert_eq!(order, ["m1", "n1", "f1", "m2", "f2", "m3"]);
        assert!(queue.0.lines().of.is_empty() && queue.0.lines().turns.is_empty());
    }

    #[tokio::test]
    async fn a_full_queue_has_room_for_who_waits_less() {
        let (queue, finish) = busy(4).await;
        let (said, order) = mpsc::channel();
        let mut many = Vec::new();
        for name in ["m1", "m2", "m3", "m4"] {
            many.push(wait(&queue, MANY, name, &said).await);
        }
        let refused = wait(&queue, MANY, "m5", &said).await;
        assert_eq!(refused.await.unwrap(), Err(QueueError::Full));
        assert_eq!(queue.run_if_room(FEW, || ()).await, Err(QueueError::Full));

        let few = [
            wait(&queue, FEW, "f1", &said).await,
            wait(&queue, FEW, "f2", &said).await,
        ];
        for name in ["m4", "m3"] {
            let displaced = many.pop().unwrap();
            assert_eq!(displaced.await.unwrap(), Err(QueueError::Full), "{name}");
        }
        // Two of each: nobody has more than the other.
        let refused = wait(&queue, FEW, "f3", &said).await;
        assert_eq!(refused.await.unwrap(), Err(QueueError::Full));
        assert_eq!(queue.waiting(), 4);

        finish.send(()).unwrap();
        for task in few.into_iter().chain(many) {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(
            order.try_iter().collect::<Vec<_>>(),
            ["m1", "f1", "m2", "f2"]
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn callers_who_go_away_at_any_moment_lose_no_worker() {
        let queue = Queue::new(2, 6);
        let tasks: Vec<_> = (0_u8..8)
            .map(|key| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let line = (key > 0).then_some(Caller([key; 32]));
                    for i in 0_u64..400 {
                        let patience = Duration::from_micros(i * u64::from(key) % 97);
                        let job = move || std::thread::sleep(patience / 2);
                        let _ = tokio::time::timeout(patience, queue.run(line, job)).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let idle = async {
            while queue.0.lines().free < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), idle)
            .await
            .unwrap();
        let lines = queue.0.lines();
        assert_eq!((lines.free, lines.waiting), (2, 0));
        assert!(lines.of.is_empty() && lines.turns.is_empty());
    }
}
