//! The consumer's end of a stream of batches.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::Loader;
use super::source::{Source, message};
use super::workers::Shared;
use crate::{Batch, BatchRequest, DatasetError, Result};

/// The requests of a stream.
pub(super) type Requests = Box<dyn Iterator<Item = BatchRequest> + Send>;

/// Batches in the order of their requests; see [`Loader::stream`].
///
/// Ends after the last request. An error does not end it, unless the requests themselves panic.
pub struct Batches {
    how: How,
}

enum How {
    /// In the consumer's thread, when asked for.
    Here {
        source: Arc<Source>,
        requests: Option<Requests>,
    },
    /// By threads.
    Threads {
        shared: Arc<Shared>,
        threads: Vec<JoinHandle<()>>,
    },
    /// No thread could be started.
    Failed(Option<DatasetError>),
}

impl Batches {
    pub(super) fn new(loader: &Loader, requests: Requests) -> Self {
        let source = Arc::clone(&loader.source);
        let how = match loader.workers {
            0 => How::Here {
                source,
                requests: Some(requests),
            },
            workers => {
                let shared = Arc::new(Shared::new(source, requests, workers, loader.ahead));
                match start(&shared, workers) {
                    Ok(threads) => How::Threads { shared, threads },
                    Err(error) => How::Failed(Some(error)),
                }
            }
        };
        Self { how }
    }
}

fn start(shared: &Arc<Shared>, workers: usize) -> Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::with_capacity(workers);
    for number in 0..workers {
        let worker = Arc::clone(shared);
        let thread = thread::Builder::new()
            .name(format!("loader {number}"))
            .spawn(move || worker.work());
        match thread {
            Ok(thread) => threads.push(thread),
            Err(source) => {
                stop(shared, &mut threads);
                return Err(DatasetError::Threads { workers, source });
            }
        }
    }
    Ok(threads)
}

fn stop(shared: &Shared, threads: &mut Vec<JoinHandle<()>>) {
    shared.stop();
    for thread in threads.drain(..) {
        // A worker catches the panics of the code that it calls.
        let _ = thread.join();
    }
}

/// The next request. After a panic of theirs, which is the error, there are none.
pub(super) fn ask(requests: &mut Option<Requests>) -> Option<Result<BatchRequest>> {
    let asked = catch_unwind(AssertUnwindSafe(|| requests.as_mut()?.next()));
    match asked {
        Ok(Some(request)) => Some(Ok(request)),
        Ok(None) => {
            *requests = None;
            None
        }
        Err(panic) => {
            *requests = None;
            Some(Err(DatasetError::Panic {
                at: "the next batch's request".to_owned(),
                message: message(panic.as_ref()),
            }))
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        match &mut self.how {
            How::Here { source, requests } => {
                let request = ask(requests)?;
                Some(request.and_then(|request| source.batch(&request)))
            }
            How::Threads { shared, .. } => shared.next(),
            How::Failed(error) => error.take().map(Err),
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        if let How::Threads { shared, threads } = &mut self.how {
            stop(shared, threads);
        }
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = match &self.how {
            How::Threads { threads, .. } => threads.len(),
            _ => 0,
        };
        f.debug_struct("Batches")
            .field("workers", &workers)
            .finish_non_exhaustive()
    }
}
