//! What all runs of an experiment have from its teacher.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::progress::Progress;
use spectralkd_base::random::Stream;
use spectralkd_datasets::Batch;
use spectralkd_distillation::{CachedTeacher, FrozenTeacher, Placement, Teacher, shapes};
use spectralkd_losses::{Head, Objectives, Pairs, Reduction, Request, Shapes};
use spectralkd_nn::Params;

use crate::analysis::Analysis;
use crate::config::Experiment;
use crate::data::Images;
use crate::error::Result;
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
    /// Spectral loss over plain MSE on its features, for each list of pairs that a loss aligns.
    pub ratios: BTreeMap<Vec<(usize, usize)>, f64>,
}

/// All that the losses of an experiment ask of the teacher, over variants and epochs. Pairs must be listed.
///
/// # Errors
/// A loss that cannot be built (a checked experiment has none).
pub fn requests(
    experiment: &Experiment,
    student: &Shapes,
    teacher: &Shapes,
) -> Result<BTreeSet<Request>> {
    let mut all = BTreeSet::new();
    for variant in &experiment.variants {
        let params = Params::new();
        let vb = params.builder(&Stream::new(0, "requests"), DType::F32, &Device::Cpu);
        let losses = experiment.losses(variant);
        let objectives = Objectives::build(&losses, student, Some(teacher), vb, &|_| Some(1.0))?;
        all.extend(objectives.needs().teacher);
    }
    Ok(all)
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
    let most = experiment.teacher.as_ref().map_or(0.0, |t| t.cache_gb * 1e9);
    let distilled = experiment.variants.iter().filter(|v| v.uses_teacher()).count();
    let runs = (distilled * experiment.seeds.len()) as u64;
    let taken = runs * experiment.train.epochs * images.train.len() as u64;
    let row = Placement::row(&wanted, teacher);
    let placement = Placement::choose(images.versions(), images.train.len(), taken, row, most as u64);
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
) -> Result<(Arc<dyn Teacher>, Placement)> {
    let teacher = &loaded.teacher;
    let student = shapes(&images.student(&experiment.model)?.info()?);
    let (placement, wanted) = placement(experiment, images, &student, teacher.shapes())?;
    let placed: Arc<dyn Teacher> = match placement {
        Placement::Online { .. } => Arc::clone(teacher) as Arc<dyn Teacher>,
        Placement::Cached { .. } => Arc::new(CachedTeacher::build(
            teacher,
            &images.training(),
            &wanted,
            experiment.train.eval_batch_size,
            progress,
        )?),
    };
    Ok((placed, placement))
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
    let (loader, batch) = (images.plain(&images.test), experiment.train.eval_batch_size);
    let accuracy = score_logits(logits, &loader, batch, Some((progress, "teacher accuracy")))?;
    Ok(100.0 * accuracy.top1()?)
}

/// The ratio of the spectral loss to the plain MSE for each list of pairs that a loss aligns.
///
/// # Errors
/// Features that are zero everywhere.
pub fn ratios(
    experiment: &Experiment,
    teacher: &LoadedTeacher,
    images: &Images,
) -> Result<BTreeMap<Vec<(usize, usize)>, f64>> {
    let student = shapes(&images.student(&experiment.model)?.info()?);
    let losses = experiment.variants.iter().flat_map(|v| experiment.losses(v));
    let mut ratios = BTreeMap::new();
    for loss in losses {
        if let Some(Pairs::Listed(pairs)) = loss.spec.pairs()
            && !ratios.contains_key(pairs)
            && comparable(pairs, &student, teacher.teacher.shapes())
        {
            let ratio = spectral_to_mse(teacher, images, &student, pairs)?;
            ratios.insert(pairs.clone(), ratio);
        }
    }
    Ok(ratios)
}

/// Whether the teacher's maps can be pooled to the student's, for all these pairs.
pub(crate) fn comparable(pairs: &[(usize, usize)], student: &Shapes, teacher: &Shapes) -> bool {
    pairs.iter().all(|&(s, t)| match (student.taps.get(s), teacher.taps.get(t)) {
        (Some([c, rest @ ..]), Some([d, others @ ..])) => c <= d && rest == others,
        _ => false,
    })
}

/// Images of which the ratio is measured.
const MEASURED: usize = 1000;

/// Images of one forward pass.
const CHUNK: usize = 125;

/// The spectral loss divided by the plain MSE, both between the teacher's features (pooled to the student's channels)
/// and zero, the mean over `pairs` on the first training images as evaluation sees them.
///
/// This is the factor at which plain MSE pulls on features as hard as the spectral loss does
/// while the student's are still small: 0.5 for features that are white along the width, more
/// where their mean along the width dominates.
fn spectral_to_mse(
    teacher: &LoadedTeacher,
    images: &Images,
    student: &Shapes,
    pairs: &[(usize, usize)],
) -> Result<f64> {
    let (loader, teacher) = (images.plain(&images.train), &teacher.teacher);
    let count = images.train.len().min(MEASURED);
    let indices: Vec<u32> = (0..count as u32).collect();
    let mut sums = Sums::default();
    for chunk in indices.chunks(CHUNK) {
        let rendered = teacher.render().render(&loader.views(chunk)?, &Device::Cpu)?;
        sums.add(teacher, &rendered, student, pairs)?;
    }
    sums.ratio()
}

/// [`spectral_to_mse`] on images [B, C, H, W] that are rendered for the teacher.
///
/// # Errors
/// Features that are zero everywhere.
pub(crate) fn ratio_on(
    teacher: &FrozenTeacher,
    images: &Tensor,
    student: &Shapes,
    pairs: &[(usize, usize)],
) -> Result<f64> {
    let mut sums = Sums::default();
    sums.add(teacher, images, student, pairs)?;
    sums.ratio()
}

/// Both losses of a teacher's features against zero, added up over images.
#[derive(Default)]
struct Sums {
    spectral: f64,
    mse: f64,
}

impl Sums {
    fn add(
        &mut self,
        teacher: &FrozenTeacher,
        images: &Tensor,
        student: &Shapes,
        pairs: &[(usize, usize)],
    ) -> Result<()> {
        let request = |&(s, t): &(usize, usize)| Request::Map {
            tap: t,
            reduction: match (student.taps.get(s), teacher.shapes().taps.get(t)) {
                (Some([ours, ..]), Some([theirs, ..])) if ours < theirs => Reduction::Channels(*ours),
                _ => Reduction::Whole,
            },
        };
        let wanted: BTreeSet<Request> = pairs.iter().map(request).collect();
        let outputs = teacher.on_images(images, &wanted)?;
        let mut maps = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let map = outputs.get(&request(pair))?;
            maps.push((map.zeros_like()?, map.clone()));
        }
        let count = images.dim(0)? as f64;
        let (spectral, mse) = spectralkd_losses::spectral_and_mse(&maps)?;
        self.spectral += spectral * count;
        self.mse += mse * count;
        Ok(())
    }

    fn ratio(&self) -> Result<f64> {
        Ok(spectralkd_losses::spectral_over_mse(self.spectral, self.mse)?)
    }
}
