//! The loader: order, bounds, errors and panics in their place, and threads that end.

mod common;

use std::collections::HashSet;
use std::fmt;
use std::iter;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::many;
use spectralkd_datasets::{
    Batch, BatchRequest, Dataset, DatasetError, Geometry, ImageSet, Loader, Pipeline, Result,
    Sample, Sampler,
};

/// Longer than anything takes: a test that waits for so long has failed.
const LONG: Duration = Duration::from_secs(60);

/// A set that watches how it is read, and does something of its own then.
struct Probe {
    set: Arc<ImageSet>,
    act: Box<dyn Fn(usize) -> Result<()> + Send + Sync>,
    /// Images read so far, and those that are being read.
    calls: AtomicUsize,
    inside: AtomicUsize,
    threads: Mutex<HashSet<ThreadId>>,
    names: Mutex<HashSet<String>>,
}

impl Probe {
    fn new(act: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            set: many(60, [1, 4, 5]),
            act: Box::new(act),
            calls: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            threads: Mutex::default(),
            names: Mutex::default(),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    fn loader(self: &Arc<Self>, workers: usize, ahead: usize) -> Loader {
        let pipeline = Pipeline {
            flip: 0.5,
            ..Pipeline::new([4, 5], 1, Geometry::AsIs)
        };
        Loader::new(self.clone(), Arc::new(pipeline), workers, ahead).unwrap()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Dataset for Probe {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn classes(&self) -> &[String] {
        Dataset::classes(self.set.as_ref())
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.set.label(index)
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inside.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(&self.inside);
        self.threads.lock().unwrap().insert(thread::current().id());
        let name = thread::current().name().unwrap_or_default().to_owned();
        self.names.lock().unwrap().insert(name);
        (self.act)(index)?;
        self.set.sample(index)
    }

    fn name(&self, index: usize) -> String {
        assert!(index != 13, "no name for 13");
        format!("number {index}")
    }

    fn digest(&self) -> Result<String> {
        self.set.digest()
    }
}

/// The first `count` requests of 6 images each; image i stands in request i / 6.
fn requests(count: usize) -> impl Iterator<Item = BatchRequest> + Send + 'static {
    Sampler::plain(60, 6).unwrap().take(count)
}

fn broken(index: usize) -> DatasetError {
    DatasetError::Sample {
        name: format!("number {index}"),
        reason: "it is gone".into(),
    }
}

/// Waits until this is so.
fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < LONG, "it never came");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn batches_come_in_order_and_do_not_depend_on_the_workers() {
    let sampler = Sampler::shuffled(60, 7, 3, 0, 1).unwrap();
    let with = |workers, ahead| -> Vec<Batch> {
        // Slow and quick images, so that later parts and batches are done before earlier ones.
        let set = Probe::new(|index| {
            thread::sleep(Duration::from_micros(index as u64 * 37 % 400));
            Ok(())
        });
        let batches = set.loader(workers, ahead).stream(sampler.from(2, 3));
        batches.take(20).map(Result::unwrap).collect()
    };
    let here = with(0, 0);
    let requests: Vec<BatchRequest> = sampler.from(2, 3).take(20).collect();
    for (batch, request) in here.iter().zip(&requests) {
        assert_eq!((batch.epoch, batch.number), (request.epoch, request.number));
        assert_eq!(batch.keys, request.keys().collect::<Vec<_>>());
        let labels: Vec<u32> = batch.indices().iter().map(|i| i % 3).collect();
        assert_eq!(batch.labels.as_ref(), Some(&labels));
        assert_eq!(
            (batch.len(), batch.shape, batch.classes),
            (7, [7, 1, 4, 5], 3)
        );
    }
    assert_eq!(here.len(), 20);
    for (workers, ahead) in [(1, 1), (2, 3), (5, 2), (3, 40)] {
        assert!(
            with(workers, ahead) == here,
            "{workers} workers, {ahead} ahead"
        );
    }
}

/// Beside what the consumer has taken, no more than `ahead` batches are ever begun or asked for.
#[test]
fn memory_is_bounded() {
    for (workers, ahead) in [(1, 1), (3, 2), (8, 3)] {
        let set = Probe::new(|_| Ok(()));
        let asked = Arc::new(AtomicUsize::new(0));
        let requests = requests(10).inspect({
            let asked = asked.clone();
            move |_| {
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut batches = set.loader(workers, ahead).stream(requests);
        for taken in 0..5 {
            until(|| set.calls() == (taken + ahead) * 6);
            // Idle for want of room: nothing more comes.
            thread::sleep(Duration::from_millis(20));
            assert_eq!(set.calls(), (taken + ahead) * 6);
            assert_eq!(asked.load(Ordering::SeqCst), taken + ahead);
            batches.next().unwrap().unwrap();
        }
    }
}

#[test]
fn one_batch_is_made_by_several_workers() {
    let together = Arc::new(AtomicUsize::new(0));
    let set = Probe::new({
        let together = together.clone();
        move |_| {
            // Nobody goes on before three threads have come.
            together.fetch_add(1, Ordering::SeqCst);
            until(|| together.load(Ordering::SeqCst) >= 3);
            Ok(())
        }
    });
    let mut batches = set.loader(3, 1).stream(requests(1));
    assert_eq!(batches.next().unwrap().unwrap().len(), 6);
    assert_eq!(set.threads.lock().unwrap().len(), 3);
    // Threads of the stream's own.
    let names = set.names.lock().unwrap();
    assert!(
        names.iter().all(|name| name.starts_with("loader")),
        "{names:?}"
    );
}

/// A single batch now is shared out in the same way.
#[test]
fn a_batch_now_is_the_same_with_workers() {
    let request = requests(3).last().unwrap();
    let here = Probe::new(|_| Ok(())).loader(0, 0).batch(&request).unwrap();
    let set = Probe::new(|_| Ok(()));
    assert!(set.loader(2, 1).batch(&request).unwrap() == here);
    assert!(
        !set.threads
            .lock()
            .unwrap()
            .contains(&thread::current().id())
    );
    let error = set
        .loader(2, 1)
        .batch(&BatchRequest::plain(&[]))
        .unwrap_err();
    assert!(matches!(error, DatasetError::EmptyBatch), "{error}");
}

#[test]
fn without_workers_everything_happens_here_and_nothing_ahead() {
    let set = Probe::new(|_| Ok(()));
    let mut batches = set.loader(0, 5).stream(requests(2));
    assert_eq!(set.calls(), 0);
    for taken in 1..=2 {
        batches.next().unwrap().unwrap();
        assert_eq!(set.calls(), 6 * taken);
    }
    assert!(batches.next().is_none() && batches.next().is_none());
    let threads = set.threads.lock().unwrap();
    assert!(threads.len() == 1 && threads.contains(&thread::current().id()));
}

#[test]
fn errors_come_in_their_batches_place_and_the_first_of_a_batch_counts() {
    for (workers, ahead) in [(0, 0), (1, 1), (4, 3)] {
        let set = Probe::new(|index| match index {
            // The later one is found first.
            8 => {
                thread::sleep(Duration::from_millis(5));
                Err(broken(index))
            }
            11 | 30 => Err(broken(index)),
            _ => Ok(()),
        });
        let batches = set.loader(workers, ahead).stream(requests(8));
        let found: Vec<Option<String>> = batches.map(|b| b.err().map(|e| e.to_string())).collect();
        let error = |index| Some(format!("number {index} cannot be read: it is gone"));
        let mut expected = vec![None; 8];
        expected[1] = error(8);
        expected[5] = error(30);
        assert_eq!(found, expected, "{workers} workers");
    }
}

#[test]
fn requests_that_cannot_be_are_errors_in_their_place() {
    for workers in [0, 2] {
        let set = Probe::new(|_| Ok(()));
        let requests = [&[0, 1][..], &[], &[2, 60, 3], &[4]].map(BatchRequest::plain);
        let found: Vec<_> = set
            .loader(workers, 2)
            .stream(requests.into_iter())
            .collect();
        assert!(found[0].is_ok() && found[3].is_ok());
        let error = found[1].as_ref().unwrap_err();
        assert!(matches!(error, DatasetError::EmptyBatch), "{error}");
        let error = found[2].as_ref().unwrap_err();
        assert!(
            matches!(error, DatasetError::Index { index: 60, len: 60 }),
            "{error}"
        );
    }
}

#[test]
fn panics_are_errors_in_their_place() {
    for workers in [0, 1, 3] {
        let set = Probe::new(|index| {
            assert!(index != 7 && index != 13, "lost {index}");
            Ok(())
        });
        let batches = set.loader(workers, 2).stream(requests(4));
        let found: Vec<_> = batches.collect();
        assert!(found[0].is_ok() && found[3].is_ok());
        for (place, words) in [(1, "number 7 panicked: lost 7"), (2, "image 13")] {
            let error = found[place].as_ref().unwrap_err();
            assert!(matches!(error, DatasetError::Panic { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn requests_that_panic_end_the_stream_with_an_error() {
    for workers in [0, 1, 3] {
        let set = Probe::new(|_| Ok(()));
        let requests = requests(10).inspect(|request| assert!(request.number < 2, "no third"));
        let mut batches = set.loader(workers, 2).stream(requests);
        assert!(batches.next().unwrap().is_ok() && batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err();
        assert!(error.to_string().contains("no third"), "{error}");
        assert!(batches.next().is_none());
    }
}

#[test]
fn dropping_a_stream_ends_its_threads_at_once() {
    let set = Probe::new(|_| {
        thread::sleep(Duration::from_millis(5));
        Ok(())
    });
    let loader = set.loader(3, 4);
    let long: Vec<u32> = (0..60).cycle().take(60_000).collect();
    let long = BatchRequest::plain(&long); // 100 s of work
    let mut batches = loader.stream(requests(1).chain(iter::repeat(long)));
    batches.next().unwrap().unwrap();
    until(|| set.inside() > 0);
    let start = Instant::now();
    drop(batches);
    assert!(start.elapsed() < LONG);
    assert_eq!(set.inside(), 0);
    let calls = set.calls();
    drop(loader);
    // Nobody else holds it: the threads are gone.
    assert_eq!((Arc::strong_count(&set), set.calls()), (1, calls));
}

/// A set that hangs holds the stream up for as long as it does, and no longer.
#[test]
fn a_blocked_set_delays_and_does_not_deadlock() {
    let open = Arc::new(AtomicBool::new(false));
    let set = Probe::new({
        let open = open.clone();
        move |index| {
            if index == 9 {
                until(|| open.load(Ordering::SeqCst));
            }
            Ok(())
        }
    });
    let mut batches = set.loader(2, 3).stream(requests(10));
    batches.next().unwrap().unwrap();
    // The other worker makes the batches behind it meanwhile, as far as there is room: all but the rest of the
    // part that image 9 stands in.
    until(|| set.inside() == 1 && set.calls() >= 6 * 4 - 6);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(30));
            open.store(true, Ordering::SeqCst);
        });
        assert_eq!(batches.next().unwrap().unwrap().indices()[0], 6);
    });
    open.store(false, Ordering::SeqCst);
    let mut again = set.loader(2, 3).stream(requests(10));
    again.next().unwrap().unwrap();
    until(|| set.inside() >= 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(30));
            open.store(true, Ordering::SeqCst);
        });
        drop(again);
    });
    assert_eq!(batches.count(), 8);
}

#[test]
fn a_stream_ends_after_its_last_request() {
    let set = Probe::new(|_| Ok(()));
    let mut batches = set.loader(3, 50).stream(Sampler::plain(60, 7).unwrap());
    let sizes: Vec<usize> = batches.by_ref().map(|batch| batch.unwrap().len()).collect();
    assert_eq!(sizes, [7, 7, 7, 7, 7, 7, 7, 7, 4]);
    assert!(batches.next().is_none());
}

#[test]
fn loaders_that_cannot_be_are_refused() {
    let set = many(6, [1, 4, 5]);
    let good = Arc::new(Pipeline::new([4, 5], 1, Geometry::AsIs));
    let error = Loader::new(set.clone(), good, 2, 0).unwrap_err();
    assert!(matches!(error, DatasetError::Loader { .. }), "{error}");
    let bad = Arc::new(Pipeline::new([0, 5], 1, Geometry::AsIs));
    let error = Loader::new(set, bad, 2, 1).unwrap_err();
    assert!(matches!(error, DatasetError::Pipeline { .. }), "{error}");
}
