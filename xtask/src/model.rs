//! What the commands on one model have in common.

use spectralkd_base::progress::Progress;
use spectralkd_lens::{ImagesFrom, LoadedModel, ModelRequest, Options, Sizes};
use spectralkd_runtime::{Choice, Precision, Runtime};

use crate::cli::{Images, Lens, Model};
use crate::failure::{Failure, Result};
use crate::provenance::provenance;
use crate::terminal::Terminal;

impl Model {
    /// Starts the worker threads, loads the model on a device, and says aloud how its weights were adapted.
    pub fn load(&self, device: Choice, terminal: &Terminal) -> Result<LoadedModel> {
        let runtime = Runtime::open(device, Precision::F32)?;
        workers(self.threads)?;
        let loaded = LoadedModel::load_on(&runtime.device, &self.request(), terminal)?;
        for note in &loaded.notes {
            terminal.note(&format!("note: {note}"));
        }
        Ok(loaded)
    }

    /// What is asked for, without loading it.
    pub fn request(&self) -> ModelRequest {
        ModelRequest {
            model: self.model.clone(),
            weights: self.weights.clone(),
            sizes: Sizes {
                img_size: self.img_size.map(|size| size.0),
                num_classes: self.num_classes,
                in_chans: self.in_chans,
            },
        }
    }
}

impl Lens {
    /// The options of an analysis, `batch` images at a time.
    pub fn options(&self, batch: usize) -> Options {
        let folder = || self.images.clone().map(ImagesFrom::Folder);
        Options {
            images: self.input.clone().map(ImagesFrom::Tensor).or_else(folder),
            limit: self.limit,
            batch,
            seed: self.seed,
            out: self.out.clone(),
            fresh: self.fresh,
            provenance: provenance(),
        }
    }
}

impl Images {
    /// The one that was given.
    pub fn source(&self) -> Result<ImagesFrom> {
        match (&self.input, &self.images) {
            (Some(file), _) => Ok(ImagesFrom::Tensor(file.clone())),
            (None, Some(folder)) => Ok(ImagesFrom::Folder(folder.clone())),
            (None, None) => Err(Failure::Usage(
                "name images with --input or --images".into(),
            )),
        }
    }
}

/// More worker threads than any machine here has cores.
const MOST_THREADS: usize = 1024;

/// Makes `threads` workers (by default one per core) the default of the whole process, and says
/// how many.
///
/// # Errors
/// None at all were asked for, or the system gives none.
pub fn workers(threads: Option<usize>) -> Result<usize> {
    let threads =
        threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    if threads == 0 || threads > MOST_THREADS {
        let rule = format!("--threads must be at least 1 and at most {MOST_THREADS}");
        return Err(Failure::Usage(rule));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Failure::Machine(format!("cannot start {threads} worker threads: {e}")))?;
    Ok(threads)
}
