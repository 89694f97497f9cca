//! One training step on given weights, images and labels, every number of it in a file: what `cargo xtask step` does.
//!
//! It is the step of every run: the same models, losses, gradients and optimiser, on images that come rendered. With it
//! the step is held to other implementations, PyTorch's above all.

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use spectralkd_base::progress::{Progress, Silent};
use spectralkd_datasets::{Normalise, Render};
use spectralkd_distillation::{Columns, FrozenTeacher, Student, Targets, Teacher, objective_terms};
use spectralkd_hub::Weights;
use spectralkd_losses::{Objectives, Outputs, Pair, Shapes, spectral_to_mse_of_teacher};
use spectralkd_models::{Defaults, ModelConfig, tensor_file, weights};
use spectralkd_trainer::{
    AdamW, Gradients, Hyper, Schedule, Step, backward, clip_factor, decays, norm,
};

use self::given::Given;
use crate::config::{Experiment, Variant};
use crate::error::{Error, Result};
use crate::{config, teacher};

/// What a step is made of, beside the experiment.
#[derive(Clone, Debug)]
pub struct StepOptions {
    /// A safetensors file with `images`, f32 [B, C, H, W], already normalised, `labels`, one of any integer type each, and
    /// perhaps `targets`, f32 [B, K].
    pub images: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The variant; the first without it.
    pub variant: Option<String>,
    /// The epoch, which decides the learning rate and the losses' weights; 0 is the first.
    pub epoch: u64,
    /// Where to compute.
    pub device: Device,
}

/// What a step was.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The variant.
    pub variant: String,
    /// The total, and every term by name, unweighted.
    pub losses: Vec<(String, f64)>,
    /// L2 norm of all gradients.
    pub gradient_norm: f64,
    /// The factor that clipping put on them.
    pub clip: f64,
    /// Learning rate.
    pub lr: f64,
    /// Parameters that were trained.
    pub parameters: usize,
}

/// Makes the step and writes `loss.<name>` (scalars), `grad.<parameter>` (before clipping) and `after.<parameter>`
/// (after AdamW's first update).
///
/// # Errors
/// No such variant; weights, images or labels that cannot be read or do not fit; a strategy instead of listed pairs;
/// a loss or gradient that is not finite; a file that cannot be written.
pub fn step(
    experiment: &Experiment,
    options: &StepOptions,
    progress: &dyn Progress,
) -> Result<StepReport> {
    let variant = variant(experiment, options.variant.as_deref())?;
    let device = &options.device;
    let given = Given::read(&options.images)?.on(device)?;
    let seed = experiment.seeds.first().copied().unwrap_or(0);
    let student = student(experiment, seed, device)?;
    let teacher = match &experiment.teacher {
        Some(teacher) if variant.uses_teacher() => {
            Some(frozen(teacher, &student, device, progress)?)
        }
        _ => None,
    };
    let objectives = objectives(experiment, variant, &student, teacher.as_ref(), &given)?;
    let train = &experiment.train;
    let step = Step {
        epoch: options.epoch,
        step_in_epoch: 0,
        global: options.epoch,
    };
    let taught = match &teacher {
        Some(teacher) => {
            teacher.on_images(&given.images, &objectives.needs_at(step.epoch).teacher)?
        }
        None => Outputs::default(),
    };
    let parts = objective_terms(
        &student,
        &given.images,
        &taught,
        Targets {
            labels: given.labels.as_ref(),
            soft: given.targets.as_ref(),
            keys: &given.keys,
        },
        &objectives,
        (seed, step),
    )?;
    let vars = student.trainable();
    let (gradients, _) = backward(&parts.total, &vars)?;
    let measured = norm(&gradients)?;
    if let Some((name, value)) = measured.bad {
        let what = format!("the gradient of `{name}`");
        return Err(Error::NotFinite { what, value });
    }
    let (gradient_norm, clip) = (
        measured.global,
        clip_factor(measured.global, train.clip_grad),
    );
    // One step an epoch: of each epoch the first.
    let lr = Schedule::new(train, 1).at(step);
    let mut tensors = BTreeMap::new();
    let mut losses = Vec::new();
    let total = ("total".to_owned(), parts.total.clone());
    for (name, value) in [total].into_iter().chain(parts.parts) {
        let number = value.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        if !number.is_finite() {
            let what = format!("the loss `{name}`");
            return Err(Error::NotFinite {
                what,
                value: number,
            });
        }
        tensors.insert(format!("loss.{name}"), value.detach());
        losses.push((name, number));
    }
    update(&student, &gradients, train, (lr, clip))?;
    tensors.extend(
        gradients
            .into_iter()
            .map(|(name, g)| (format!("grad.{name}"), g)),
    );
    for (name, var) in &vars {
        tensors.insert(format!("after.{name}"), var.as_detached_tensor());
    }
    let made = serde_json::json!({
        "experiment": experiment.name, "variant": variant.name, "epoch": options.epoch, "seed": seed,
        "lr": lr, "gradient_norm": gradient_norm, "clip": clip,
    });
    for tensor in tensors.values_mut() {
        *tensor = tensor.to_device(&Device::Cpu)?;
    }
    weights::save(&options.output, &tensors, &made)?;
    Ok(StepReport {
        variant: variant.name.clone(),
        losses,
        gradient_norm,
        clip,
        lr,
        parameters: vars.len(),
    })
}

fn variant<'a>(experiment: &'a Experiment, name: Option<&str>) -> Result<&'a Variant> {
    let found = match name {
        Some(name) => experiment.variant(name),
        None => experiment.variants.first(),
    };
    found.ok_or_else(|| Error::UnknownVariant {
        name: name.unwrap_or_default().to_owned(),
        known: experiment.variants.iter().map(|v| v.name.clone()).collect(),
    })
}

/// The student on its given weights, else on first values drawn from the first seed.
fn student(experiment: &Experiment, seed: u64, device: &Device) -> Result<Student> {
    // The data set is not opened: what it would say of classes and channels, the weights say too.
    let shapes = match &experiment.model.weights {
        Some(path) if experiment.model.entry().is_none() => {
            tensor_file::shapes(Path::new(path)).unwrap_or_default()
        }
        _ => BTreeMap::new(),
    };
    let of = |names: &[&str], axis: usize| {
        let shape = names.iter().find_map(|name| shapes.get(*name))?;
        shape.get(axis).copied()
    };
    let sizes: ModelConfig = experiment.model.resolve(&Defaults {
        num_classes: experiment
            .data
            .classes()
            .or(of(&["head.weight", "head.fc.weight"], 0)),
        in_chans: experiment
            .data
            .channels()
            .or(of(&["patch_embed.proj.weight"], 1)),
        img_size: None,
    })?;
    let start = match &experiment.model.weights {
        Some(path) => Some(weights::load(
            &Weights::find(path, false, &Silent)?.path,
            &sizes,
            &Device::Cpu,
        )?),
        None => None,
    };
    let [channels, height, width] = sizes.info()?.image;
    // The images come rendered.
    let render = Render::new([height, width], channels, as_given(channels))?;
    Ok(Student::new_on(
        device,
        &sizes,
        start.as_ref(),
        render,
        seed,
    )?)
}

/// Levels of 0 and 1, which nothing asks for.
fn as_given(channels: usize) -> Normalise {
    Normalise {
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
    }
}

fn frozen(
    teacher: &config::Teacher,
    student: &Student,
    device: &Device,
    progress: &dyn Progress,
) -> Result<FrozenTeacher> {
    let info = student.model.info();
    let config = teacher::config(teacher, info.classes, info.image[0])?;
    let found = teacher::find(teacher, progress)?;
    let tensors = weights::load(&found.path, &config, &Device::Cpu)?;
    let render = student.render.clone();
    Ok(FrozenTeacher::new_on(
        device,
        &config,
        tensors,
        teacher.precision,
        render,
        Columns::Same,
    )?)
}

fn objectives(
    experiment: &Experiment,
    variant: &Variant,
    student: &Student,
    teacher: Option<&FrozenTeacher>,
    given: &Given,
) -> Result<Objectives> {
    // On the very images of the step, for there are no others.
    let ratio = |pairs: &[Pair]| {
        let Some(teacher) = teacher else {
            return Ok(1.0);
        };
        let wanted = pairs.iter().map(Pair::request).collect();
        let outputs = teacher.on_images(&given.images, &wanted);
        let outputs = outputs.map_err(|e| candle_core::Error::Msg(e.to_string()))?;
        spectral_to_mse_of_teacher(pairs, &outputs)
    };
    let theirs: Option<&Shapes> = teacher.map(Teacher::shapes);
    Ok(student.objectives(&experiment.losses(variant), theirs, &ratio)?)
}

/// AdamW's first update of the student.
fn update(
    student: &Student,
    gradients: &Gradients,
    train: &spectralkd_trainer::TrainConfig,
    (lr, clip): (f64, f64),
) -> Result<()> {
    let hyper = Hyper {
        betas: train.betas,
        eps: train.eps,
        weight_decay: train.weight_decay,
    };
    let listed: &BTreeSet<String> = &student.model.info().no_weight_decay;
    let mut optimiser = AdamW::new(&student.trainable(), hyper, |name, rank| {
        decays(name, rank, listed)
    })?;
    Ok(optimiser.step(gradients, lr, clip)?)
}
