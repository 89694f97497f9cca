//! The loader: order, bounds and threads.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::many;
use common::probe::{Probe, requests, until};
use spectralkd_datasets::{
    Batch, BatchRequest, DatasetError, Geometry, Loader, Pipeline, Result, Sampler,
};

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
