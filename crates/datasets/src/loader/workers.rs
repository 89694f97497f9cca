//! What a stream's threads share, and what each of them does.
//!
//! Batches stand in a queue in the order of their requests, at most `ahead` of them until the
//! consumer takes the first. A batch is cut into parts; a free worker takes the first part that
//! nobody has begun, and asks for one more batch where all are begun and there is room. So a
//! batch is made by all workers, and the consumer waits for the first as briefly as possible.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::source::{Failure, Part, Source};
use super::stream::{Requests, ask};
use crate::{Batch, BatchRequest, Result};

/// Parts that a full batch is cut into, per worker: pictures take unequal times.
const PARTS_PER_WORKER: usize = 4;

pub(super) struct Shared {
    source: Arc<Source>,
    workers: usize,
    ahead: usize,
    stop: AtomicBool,
    state: Mutex<State>,
    /// There is something for a worker.
    work: Condvar,
    /// There is something for the consumer.
    ready: Condvar,
}

struct State {
    /// Away while a worker asks for the next; `ended` after the last.
    requests: Option<Requests>,
    ended: bool,
    queue: VecDeque<Unfinished>,
    /// How many batches have left the queue.
    taken: u64,
}

/// A batch until it is taken.
struct Unfinished {
    request: Arc<BatchRequest>,
    part_len: usize,
    /// The first place that nobody has begun.
    begun: usize,
    /// The parts that are done, by number.
    parts: Vec<Option<Part>>,
    /// How many are not.
    open: usize,
    failure: Option<Failure>,
    batch: Option<Result<Batch>>,
}

enum Task {
    Ask(Requests),
    Views {
        /// The batch's number in the stream.
        batch: u64,
        request: Arc<BatchRequest>,
        places: Range<usize>,
    },
}

impl Shared {
    pub(super) fn new(
        source: Arc<Source>,
        requests: Requests,
        workers: usize,
        ahead: usize,
    ) -> Self {
        Self {
            source,
            workers,
            ahead,
            stop: AtomicBool::new(false),
            state: Mutex::new(State {
                requests: Some(requests),
                ended: false,
                queue: VecDeque::new(),
                taken: 0,
            }),
            work: Condvar::new(),
            ready: Condvar::new(),
        }
    }

    /// The consumer's next batch.
    pub(super) fn next(&self) -> Option<Result<Batch>> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.queue.front_mut().and_then(|first| first.batch.take()) {
                state.queue.pop_front();
                state.taken += 1;
                self.work.notify_all();
                return Some(batch);
            }
            if state.ended && state.queue.is_empty() {
                return None;
            }
            state = wait(&self.ready, state);
        }
    }

    /// Tells all workers to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // With the lock, so that no worker is between looking and waiting.
        let _state = self.lock();
        self.work.notify_all();
    }

    /// One worker's life.
    pub(super) fn work(&self) {
        while let Some(task) = self.task() {
            match task {
                Task::Ask(requests) => {
                    let mut requests = Some(requests);
                    let request = ask(&mut requests);
                    self.enqueue(request, requests);
                }
                Task::Views {
                    batch,
                    request,
                    places,
                } => {
                    let part = self.source.part(&request, places.clone(), &self.stop);
                    if self.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    self.keep(batch, places, part);
                }
            }
        }
    }

    /// What to do next; `None` if there will be nothing more.
    fn task(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let taken = state.taken;
            if let Some(task) = (taken..)
                .zip(&mut state.queue)
                .find_map(|(number, batch)| batch.begin(number))
            {
                return Some(task);
            }
            if state.ended {
                return None;
            }
            if state.queue.len() < self.ahead
                && let Some(requests) = state.requests.take()
            {
                return Some(Task::Ask(requests));
            }
            state = wait(&self.work, state);
        }
    }

    /// Puts a batch at the queue's end.
    fn enqueue(&self, request: Option<Result<BatchRequest>>, requests: Option<Requests>) {
        let mut state = self.lock();
        state.ended = requests.is_none();
        state.requests = requests;
        if let Some(request) = request {
            state
                .queue
                .push_back(Unfinished::new(request, self.workers));
        }
        self.work.notify_all();
        self.ready.notify_all();
    }

    /// Keeps a part; makes the batch of its parts after the last.
    fn keep(&self, batch: u64, places: Range<usize>, part: std::result::Result<Part, Failure>) {
        let mut state = self.lock();
        let Some(unfinished) = state.find(batch) else {
            return;
        };
        if !unfinished.keep(places, part) {
            return;
        }
        let parts = std::mem::take(&mut unfinished.parts);
        let request = Arc::clone(&unfinished.request);
        let made = match unfinished.failure.take() {
            Some((_, error)) => Err(error),
            None => {
                drop(state);
                let made = self
                    .source
                    .assemble(&request, parts.into_iter().flatten().collect());
                state = self.lock();
                made
            }
        };
        if let Some(unfinished) = state.find(batch) {
            unfinished.batch = Some(made);
        }
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(on: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    on.wait(state).unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// The batch of this number.
    fn find(&mut self, batch: u64) -> Option<&mut Unfinished> {
        let place = batch.checked_sub(self.taken)?;
        self.queue.get_mut(usize::try_from(place).ok()?)
    }
}

impl Unfinished {
    fn new(request: Result<BatchRequest>, workers: usize) -> Self {
        let (request, batch) = match request {
            Ok(request) if request.items.is_empty() => {
                (request, Some(Err(crate::DatasetError::EmptyBatch)))
            }
            Ok(request) => (request, None),
            Err(error) => (BatchRequest::plain(&[]), Some(Err(error))),
        };
        let views = request.items.len();
        let part_len = views.div_ceil(workers * PARTS_PER_WORKER).max(1);
        let open = views.div_ceil(part_len);
        Self {
            request: Arc::new(request),
            part_len,
            begun: 0,
            parts: (0..open).map(|_| None).collect(),
            open,
            failure: None,
            batch,
        }
    }

    /// The next part for a worker, of this batch of the stream.
    fn begin(&mut self, number: u64) -> Option<Task> {
        let views = self.request.items.len();
        if self.begun == views {
            return None;
        }
        let places = self.begun..views.min(self.begun + self.part_len);
        self.begun = places.end;
        Some(Task::Views {
            batch: number,
            request: Arc::clone(&self.request),
            places,
        })
    }

    /// Keeps a part; says whether it was the last. After an error, what nobody has begun is left out: it comes
    /// later in the batch, and the first error counts.
    fn keep(&mut self, places: Range<usize>, part: std::result::Result<Part, Failure>) -> bool {
        self.open -= 1;
        match part {
            Ok(part) => self.parts[places.start / self.part_len] = Some(part),
            Err(failure) => {
                let views = self.request.items.len();
                self.open -= (views - self.begun).div_ceil(self.part_len);
                self.begun = views;
                if self
                    .failure
                    .as_ref()
                    .is_none_or(|first| failure.0 < first.0)
                {
                    self.failure = Some(failure);
                }
            }
        }
        self.open == 0
    }
}
