//! The rules that an experiment must keep, each once.

use std::collections::BTreeSet;

use candle_core::{DType, Device};
use spectralkd_base::random::Stream;
use spectralkd_distillation::shapes;
use spectralkd_losses::{Error, Loss, Objectives, Pairs, Shapes};
use spectralkd_models::{Defaults, ModelInfo, ModelSpec};
use spectralkd_nn::Params;

use super::Experiment;
use super::fault::{Fault, rule};

/// Classes, where they are not known before the images are opened: any number will do to check layers.
const SOME_CLASSES: usize = 10;
/// The largest integer of a TOML file.
const MOST_SEED: u64 = i64::MAX as u64;

impl Experiment {
    /// Whether every value makes sense, alone and beside the others. Nothing is opened.
    ///
    /// # Errors
    /// The first key that does not, and why.
    pub fn validate(&self) -> Result<(), Fault> {
        let distinct: BTreeSet<u64> = self.seeds.iter().copied().collect();
        rule(
            !self.seeds.is_empty() && distinct.len() == self.seeds.len(),
            "seeds",
            "give at least one seed, and each seed once",
        )?;
        rule(
            self.seeds.iter().all(|&seed| seed <= MOST_SEED),
            "seeds",
            "a seed is at most 9223372036854775807, the largest number of a TOML file",
        )?;
        self.data.validate().map_err(|f| f.within("data"))?;
        let student = info(&self.model, self.defaults()).map_err(|f| f.within("model"))?;
        let teacher = match &self.teacher {
            Some(teacher) => {
                teacher.validate().map_err(|f| f.within("teacher"))?;
                // Its classes are its own.
                let info = info(&teacher.model, self.defaults());
                Some(info.map_err(|f| f.within("model").within("teacher"))?)
            }
            None => None,
        };
        self.train.validate().map_err(train_fault)?;
        if let Some(floor) = &self.floor {
            let config = floor.train_config(&self.train);
            config
                .validate()
                .map_err(|e| Fault::new("floor", train_fault(e).message))?;
        }
        rule(
            self.spectra.per_class > 0,
            "spectra.per_class",
            "must be at least 1",
        )?;
        self.validate_variants(&student, teacher.as_ref())?;
        if let Some(comparison) = &self.comparison {
            let checked = comparison.validate(&self.variants);
            checked.map_err(|f| f.within("comparison"))?;
        }
        rule(
            self.export.as_ref().is_none_or(|export| !export.average) || self.train.ema.is_some(),
            "export.average",
            "there is no average of the weights: `train.ema` is not set",
        )
    }

    /// What is known of the images before they are opened.
    fn defaults(&self) -> Defaults {
        Defaults {
            num_classes: self.data.classes().or(Some(SOME_CLASSES)),
            in_chans: self.data.channels(),
            img_size: self.data.size,
        }
    }

    fn validate_variants(
        &self,
        student: &ModelInfo,
        teacher: Option<&ModelInfo>,
    ) -> Result<(), Fault> {
        rule(
            !self.variants.is_empty(),
            "variants",
            "give at least one [[variants]]",
        )?;
        if let Some(teacher) = teacher {
            self.validate_strategy(student, teacher)?;
        }
        let student = shapes(student);
        let teacher = teacher.map(|info| Shapes {
            // Whether it knows the images' classes shows when it is loaded.
            classes: student.classes,
            ..shapes(info)
        });
        for (i, variant) in self.variants.iter().enumerate() {
            let at = format!("variants.{i}");
            variant.validate().map_err(|f| f.within(&at))?;
            let taken = self.variants[..i].iter().any(|v| v.name == variant.name);
            if taken {
                let message = format!("the name `{}` is taken by another variant", variant.name);
                return Err(Fault::new(format!("{at}.name"), message));
            }
            let checked = self.validate_losses(&variant.losses, &student, teacher.as_ref());
            checked.map_err(|f| match f.key.starts_with("distillation.") {
                true => f,
                false => f.within(&at),
            })?;
            let weightless =
                |&epoch: &u64| variant.losses.iter().all(|l| l.weight.at(epoch) == 0.0);
            if let Some(epoch) = (0..self.train.epochs).find(weightless) {
                let message = format!("no loss has any weight in epoch {epoch}, counted from 0");
                return Err(Fault::new(format!("{at}.losses"), message));
            }
        }
        Ok(())
    }

    /// A strategy must find enough layers; which, shows later.
    fn validate_strategy(&self, student: &ModelInfo, teacher: &ModelInfo) -> Result<(), Fault> {
        const KEY: &str = "distillation.pairs";
        let Pairs::Chosen { count, .. } = self.distillation.pairs else {
            return Ok(());
        };
        let (ours, theirs) = (student.taps.len(), teacher.taps.len());
        rule(count > 0, &format!("{KEY}.count"), "must be at least 1")?;
        if count > ours.min(theirs) {
            let message = format!(
                "{count} pairs of distinct layers cannot be chosen: the student has {ours} blocks, the teacher {theirs}"
            );
            return Err(Fault::new(format!("{KEY}.count"), message));
        }
        Ok(())
    }

    fn validate_losses(
        &self,
        losses: &[Loss],
        student: &Shapes,
        teacher: Option<&Shapes>,
    ) -> Result<(), Fault> {
        for (j, loss) in losses.iter().enumerate() {
            let at = format!("losses.{j}");
            loss.check()
                .map_err(|wrong| Fault::new(format!("{at}.{}", wrong.key), wrong.rule))?;
            let mut loss = loss.clone();
            let shared = matches!(loss.pairs(), Some(Pairs::Shared));
            if loss.spec.uses_teacher() && teacher.is_none() {
                let message = "this loss needs a teacher, and there is no [teacher]";
                return Err(Fault::new(at, message));
            }
            match loss.spec.pairs_mut() {
                Some(Pairs::Chosen { .. }) => {
                    let message = "name a strategy in [distillation], where all losses share it";
                    return Err(Fault::new(format!("{at}.pairs"), message));
                }
                Some(pairs @ Pairs::Shared) => match &self.distillation.pairs {
                    Pairs::Listed(list) => *pairs = Pairs::Listed(list.clone()),
                    Pairs::Chosen { .. } => continue,
                    Pairs::Shared => {
                        let message =
                            "this loss aligns layers: list `pairs` here or in [distillation]";
                        return Err(Fault::new(at, message));
                    }
                },
                Some(Pairs::Listed(_)) | None => {}
            }
            let objectives = buildable(loss, student, teacher).map_err(|f| {
                // What is wrong with shared pairs is wrong where they stand.
                let of_pairs = shared && f.key.starts_with("pairs");
                f.within(if of_pairs { "distillation" } else { &at })
            })?;
            if self.train.ranks > 1 && !objectives.is_mean_over_images() {
                let message = format!(
                    "this loss relates the images of a batch to each other, and each of `train.ranks` = {} sees its own \
                     alone: leave it out, or train with one rank",
                    self.train.ranks
                );
                return Err(Fault::new(at, message));
            }
        }
        let names = losses.iter().map(Loss::name);
        let mut taken = BTreeSet::new();
        for (j, name) in names.enumerate() {
            if !taken.insert(name) {
                let message =
                    format!("another loss is called `{name}` too: give one of them a `name`");
                return Err(Fault::new(format!("losses.{j}"), message));
            }
        }
        Ok(())
    }
}

/// Builds a loss between models of these shapes; what it says if it cannot be.
fn buildable(loss: Loss, student: &Shapes, teacher: Option<&Shapes>) -> Result<Objectives, Fault> {
    let params = Params::new();
    let vb = params.builder(&Stream::new(0, "check"), DType::F32, &Device::Cpu);
    let built = Objectives::build(&[loss], student, teacher, &vb, &|_| Ok(1.0));
    built.map_err(|error| match error {
        Error::Loss { source, .. } => match *source {
            Error::Wrong(wrong) => Fault::new(wrong.key, wrong.rule),
            other => Fault::new("", other.to_string()),
        },
        other => Fault::new("", other.to_string()),
    })
}

fn info(model: &ModelSpec, defaults: Defaults) -> Result<ModelInfo, Fault> {
    let resolved = model.resolve(&defaults).and_then(|config| config.info());
    resolved.map_err(|e| Fault::new("", e.to_string()))
}

/// The trainer names the key without its table.
fn train_fault(error: spectralkd_trainer::Error) -> Fault {
    match error {
        spectralkd_trainer::Error::Config { key, value, rule } => {
            let key = key.split('[').next().unwrap_or(key);
            Fault::new(format!("train.{key}"), format!("is {value}: {rule}"))
        }
        other => Fault::new("train", other.to_string()),
    }
}
