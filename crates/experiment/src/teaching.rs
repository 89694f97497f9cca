//! What all runs of an experiment have from its teacher.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::Tensor;
use spectralkd_base::progress::Progress;
use spectralkd_datasets::Batch;
use spectralkd_distillation::{CachedTeacher, FrozenTeacher, Placement, Teacher, shapes};
use spectralkd_losses::{
    Head, Outputs, Pair, Reduction, Request, Shapes, spectral_to_mse_of_teacher,
};

use crate::analysis::Analysis;
use crate::config::Experiment;
use crate::data::Images;
use crate::error::Result;
use crate::needs::{comparable, requests};
use crate::scoring::score_logits;
use crate::teacher::LoadedTeacher;

/// The teacher in use, and what was measured of it.
#[derive(Debug)]
pub struct Teaching {
    /// The frozen model.
    pub loaded: LoadedTeacher,
    /// What students ask: the model itself, or its outputs kept in memory.
    pub teacher: Arc<dyn Teacher>,
    /// Which of the two, and why.
    pub placement: Placement,
    /// Its features on the analysis batch.
    pub analysis: Arc<Analysis>,
    /// Its top-1 accuracy on the test images, in percent; `None` where it does not know their classes.
    pub top1: Option<f64>,
    /// Its maps, as losses ask for them, on the first training images: what a ratio of losses is measured on.
    pub sample: Outputs,
    /// Spectral loss over plain MSE on its features at the pairs that losses share; `None` without such pairs.
    pub spectral_to_mse: Option<f64>,
}

impl Teaching {
    /// The spectral loss over the plain MSE, both between the teacher's maps at these pairs and zero: the factor at which
    /// plain MSE pulls on features as hard as the spectral loss does while the student's are still small.
    ///
    /// # Errors
    /// Features that are zero everywhere, or that were not computed.
    pub fn ratio(&self, pairs: &[Pair]) -> spectralkd_losses::Result<f64> {
        spectral_to_mse_of_teacher(pairs, &self.sample)
    }
}

/// Where the teacher's outputs come from in this experiment.
///
/// # Errors
/// As [`requests`].
pub fn placement(
    experiment: &Experiment,
    images: &Images,
    student: &Shapes,
    teacher: &Shapes,
) -> Result<(Placement, BTreeSet<Request>)> {
    let wanted = requests(experiment, student, teacher)?;
    let most = experiment
        .teacher
        .as_ref()
        .map_or(0.0, |t| t.cache_gb * 1e9);
    let distilled = experiment
        .variants
        .iter()
        .filter(|v| v.uses_teacher())
        .count();
    let runs = (distilled * experiment.seeds.len()) as u64;
    let taken = runs * experiment.train.epochs * images.train.len() as u64;
    let row = Placement::row(&wanted, teacher);
    let placement = Placement::choose(
        images.versions(),
        images.train.len(),
        taken,
        row,
        most as u64,
    );
    Ok((placement, wanted))
}

/// Asks the model on every batch, or keeps its outputs, as [`placement`] says.
///
/// # Errors
/// An image that cannot be read, or outputs that are not finite.
pub fn place(
    experiment: &Experiment,
    loaded: &LoadedTeacher,
    images: &Images,
    progress: &dyn Progress,
) -> Result<(Arc<dyn Teacher>, Placement, BTreeSet<Request>)> {
    let teacher = &loaded.teacher;
    let student = shapes(&images.student(&experiment.model)?.info()?);
    let (placement, wanted) = placement(experiment, images, &student, teacher.shapes())?;
    let placed: Arc<dyn Teacher> = match placement {
        Placement::Online { .. } => Arc::clone(teacher) as Arc<dyn Teacher>,
        Placement::Cached { .. } => Arc::new(CachedTeacher::build(
            teacher,
            (&images.train, images.pipeline()),
            &wanted,
            experiment.train.eval_batch_size,
            progress,
        )?),
    };
    Ok((placed, placement, wanted))
}

/// The teacher's top-1 accuracy on the test images, in percent.
///
/// # Errors
/// An image that cannot be read, or logits that are not finite.
pub fn top1(
    experiment: &Experiment,
    teacher: &FrozenTeacher,
    images: &Images,
    progress: &dyn Progress,
) -> Result<f64> {
    let request = Request::Logits(Head::Mean);
    let logits = |views: &Batch| -> Result<Tensor> {
        let outputs = teacher.outputs(views, &BTreeSet::from([request]))?;
        Ok(outputs.get(&request)?.clone())
    };
    let (loader, batch) = (
        images.plain(&images.test)?,
        experiment.train.eval_batch_size,
    );
    let accuracy = score_logits(logits, &loader, batch, Some((progress, "teacher accuracy")))?;
    Ok(100.0 * accuracy.top1()?)
}

/// Most images of which a ratio of losses is measured, and most bytes of their maps.
const MEASURED: (usize, u64) = (1000, 256 << 20);

/// The teacher's maps that `wanted` names on the first training images, as evaluation sees them.
///
/// # Errors
/// An image that cannot be read.
pub fn sample(
    teacher: &FrozenTeacher,
    images: &Images,
    wanted: &BTreeSet<Request>,
    batch: usize,
) -> Result<Outputs> {
    let is_map = |request: &&Request| matches!(request, Request::Map { .. });
    let wanted: BTreeSet<Request> = wanted.iter().filter(is_map).copied().collect();
    let (most, bytes) = MEASURED;
    let fits = (bytes / Placement::row(&wanted, teacher.shapes()).max(1)).max(1) as usize;
    let count = images.train.len().min(most).min(fits) as u32;
    let mut parts: BTreeMap<Request, Vec<Tensor>> = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(Outputs::new());
    }
    for chunk in (0..count).collect::<Vec<u32>>().chunks(batch) {
        let outputs = teacher.outputs(&images.views(&images.train, chunk)?, &wanted)?;
        for (request, map) in outputs.iter() {
            parts.entry(*request).or_default().push(map.clone());
        }
    }
    let whole = |(request, maps): (Request, Vec<Tensor>)| Ok((request, Tensor::cat(&maps, 0)?));
    parts.into_iter().map(whole).collect()
}

/// The ratio of [`Teaching::ratio`] at the pairs that losses share, for the manifest; `None` where there are none that
/// can be pooled.
///
/// # Errors
/// Features that are zero everywhere.
pub fn shared_ratio(
    experiment: &Experiment,
    sample: &Outputs,
    student: &Shapes,
    teacher: &Shapes,
) -> Result<Option<f64>> {
    let mut pairs = Vec::new();
    for pair in experiment.pairs() {
        if !comparable(&[pair], student, teacher) {
            return Ok(None);
        }
        let [ours, height, width] = student.taps[pair.0];
        let theirs = teacher.taps[pair.1][0];
        let pooled = Reduction::Channels(ours);
        let reduction = if ours < theirs {
            pooled
        } else {
            Reduction::Whole
        };
        let pair = Pair {
            student: pair.0,
            teacher: pair.1,
            reduction,
            grid: [height, width],
        };
        if sample.get(&pair.request()).is_err() {
            return Ok(None);
        }
        pairs.push(pair);
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    Ok(Some(spectral_to_mse_of_teacher(&pairs, sample)?))
}
