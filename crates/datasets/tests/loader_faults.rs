//! The loader where something goes wrong: errors and panics in their place, and threads that end.

mod common;

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::probe::{LONG, Probe, requests, until};
use spectralkd_datasets::{BatchRequest, DatasetError};

fn broken(index: usize) -> DatasetError {
    DatasetError::Sample {
        name: format!("number {index}"),
        reason: "it is gone".into(),
    }
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
