//! A set that watches how it is read.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use spectralkd_datasets::{
    BatchRequest, Dataset, Geometry, ImageSet, Loader, Pipeline, Result, Sample, Sampler,
};

use super::many;

/// Longer than anything takes: a test that waits for so long has failed.
pub const LONG: Duration = Duration::from_secs(60);

/// A set that watches how it is read, and does something of its own then.
pub struct Probe {
    set: Arc<ImageSet>,
    act: Box<dyn Fn(usize) -> Result<()> + Send + Sync>,
    /// Images read so far, and those that are being read.
    calls: AtomicUsize,
    inside: AtomicUsize,
    pub threads: Mutex<HashSet<ThreadId>>,
    pub names: Mutex<HashSet<String>>,
}

impl Probe {
    pub fn new(act: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            set: many(60, [1, 4, 5]),
            act: Box::new(act),
            calls: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            threads: Mutex::default(),
            names: Mutex::default(),
        })
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    pub fn loader(self: &Arc<Self>, workers: usize, ahead: usize) -> Loader {
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
pub fn requests(count: usize) -> impl Iterator<Item = BatchRequest> + Send + 'static {
    Sampler::plain(60, 6).unwrap().take(count)
}

/// Waits until this is so.
pub fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < LONG, "it never came");
        thread::sleep(Duration::from_millis(1));
    }
}
