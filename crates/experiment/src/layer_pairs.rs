//! Which layers are aligned, where the experiment leaves it to a strategy.
//!
//! The strategies look at features on a fixed batch of training images (the first of each class): the frozen
//! teacher's, and those of the student with the initial weights of the first seed, for there is no trained student
//! yet. What was chosen is kept in the run folder as `pairs/choice.json`, with the scores as CSV and as a heat map,
//! and holds for all variants and seeds.

use std::path::PathBuf;

use candle_core::{DType, Device};
use spectralkd_base::files::{write_atomic, write_json};
use spectralkd_base::progress::Progress;
use spectralkd_base::random::Stream;
use spectralkd_evaluation::compare::{self, Held};
use spectralkd_evaluation::pairs::{Choice, Scores, Strategy, choose};
use spectralkd_models::{Taps, VisionModel};
use spectralkd_nn::{Params, Pass};
use spectralkd_report::figure::Figure;

use crate::config::{Experiment, Pairs, check_list};
use crate::data::Images;
use crate::error::{Error, Result};
use crate::folder::RunFolder;
use crate::manifest::read_json;

/// What the axes of the scores count.
const AXES: (&str, &str) = ("student block", "teacher block");

/// The experiment with the pairs that its run folder holds, or that need no measurement.
///
/// # Errors
/// The choice in the run folder is damaged.
pub fn settled(experiment: &Experiment, folder: &RunFolder) -> Result<Experiment> {
    let path = choice_path(folder);
    if strategy(experiment).is_some() && path.is_file() {
        let choice: Choice = read_json(&path)?;
        return Ok(with(experiment, choice.pairs));
    }
    estimated(experiment)
}

/// The experiment with pairs that cost what the chosen ones will: those themselves where no measurement is needed,
/// else the first and last layers.
///
/// # Errors
/// A model that cannot be built (a checked experiment has none).
pub fn estimated(experiment: &Experiment) -> Result<Experiment> {
    let (Some((_, count)), Some(teacher)) = (strategy(experiment), &experiment.teacher) else {
        return Ok(experiment.clone());
    };
    let paper = Pairs::Chosen {
        strategy: Strategy::Paper,
        count,
    };
    let (student, teacher) = (experiment.model.info()?, teacher.model.info()?);
    let list = paper.known(&student, &teacher).unwrap_or_default();
    Ok(with(experiment, list))
}

/// Chooses pairs if the experiment asks for it and its run folder has none yet, and keeps them there; the
/// experiment with its pairs.
///
/// # Errors
/// The strategy cannot choose so many, the losses cannot compare what it chose, or a file cannot be written.
pub fn settle(
    experiment: &Experiment,
    teacher: &dyn VisionModel,
    images: &Images,
    folder: &RunFolder,
    progress: &dyn Progress,
) -> Result<Experiment> {
    let Some((strategy, count)) = strategy(experiment) else {
        return Ok(experiment.clone());
    };
    if choice_path(folder).is_file() {
        return settled(experiment, folder);
    }
    let scores = match strategy {
        Strategy::Paper => Scores::of_depths(
            experiment.model.info()?.taps.len(),
            teacher.info().taps.len(),
        ),
        _ => measure(experiment, teacher, images, progress)?,
    };
    let choice = choose(strategy, count, &scores)?;
    check_list(&choice.pairs, &experiment.model.info()?, teacher.info()).map_err(|(_, message)| {
        Error::Missing(format!(
            "the strategy `{}` chose layers that the losses cannot compare: {message}; list the pairs instead",
            strategy.name()
        ))
    })?;
    save(&choice, folder)?;
    let pairs: Vec<String> = choice
        .pairs
        .iter()
        .map(|(s, t)| format!("{s}-{t}"))
        .collect();
    progress.note(&format!(
        "layer pairs by `{}`: {}",
        strategy.name(),
        pairs.join(", ")
    ));
    Ok(with(experiment, choice.pairs))
}

/// The scores of all pairs with the chosen ones, where a strategy has chosen by scores.
///
/// # Errors
/// The choice in the run folder is damaged.
pub fn figure(folder: &RunFolder) -> Result<Option<Figure>> {
    let path = choice_path(folder);
    if !path.is_file() {
        return Ok(None);
    }
    let choice: Choice = read_json(&path)?;
    Ok(choice.figure(AXES)?)
}

/// The strategy, if the pairs are not listed.
fn strategy(experiment: &Experiment) -> Option<(Strategy, usize)> {
    match experiment.distillation.as_ref()?.pairs {
        Pairs::Chosen { strategy, count } => Some((strategy, count)),
        Pairs::List(_) => None,
    }
}

fn with(experiment: &Experiment, list: Vec<(usize, usize)>) -> Experiment {
    let mut experiment = experiment.clone();
    if let Some(distillation) = &mut experiment.distillation {
        distillation.pairs = Pairs::List(list);
    }
    experiment
}

fn measure(
    experiment: &Experiment,
    teacher: &dyn VisionModel,
    images: &Images,
    progress: &dyn Progress,
) -> Result<Scores> {
    let indices = images.train.class_balanced(experiment.spectra.per_class)?;
    let batch = images.plain(&images.train)?.fixed(&indices, false)?;
    let seed = experiment.seeds.first().copied().unwrap_or(0);
    let params = Params::new();
    let init = Stream::new(seed, "initialisation");
    let student = experiment
        .model
        .build(params.builder(&init, DType::F32, &Device::Cpu))?;
    let features = |name: &str, model: &dyn VisionModel| -> Result<Held> {
        let output = model.forward(&batch.images, &Taps::All, &Pass::eval())?;
        let maps = output.features.into_iter();
        let detached = maps.map(|(i, map)| (i, map.detach())).collect();
        Ok(Held::new(name, detached)?)
    };
    let mut student = features("student", student.as_ref())?;
    let mut teacher = features("teacher", teacher)?;
    let options = compare::Options::default();
    Ok(compare::compare(&mut student, &mut teacher, &options, progress)?.scores())
}

fn choice_path(folder: &RunFolder) -> PathBuf {
    folder.root().join("pairs").join("choice.json")
}

fn save(choice: &Choice, folder: &RunFolder) -> Result<()> {
    let pairs = folder.sub("pairs")?;
    write_atomic(&pairs.join("scores.csv"), choice.csv().as_bytes())?;
    if let Some(figure) = choice.figure(AXES)? {
        write_atomic(&pairs.join("scores.svg"), figure.standalone().as_bytes())?;
    }
    // Last, so that the scores are there where the choice is.
    Ok(write_json(&choice_path(folder), choice)?)
}
