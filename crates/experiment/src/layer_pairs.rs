//! Which layers are aligned, where the experiment leaves it to a strategy.
//!
//! The strategies look at features on a fixed batch of training images (the first of each class): the frozen
//! teacher's, and those of the student with the weights from which the first seed starts, for there is no trained
//! student yet. What was chosen is kept in the run folder as `pairs/choice.json`, with the scores as CSV and as a heat map,
//! and holds for all variants and seeds.

use std::path::PathBuf;

use spectralkd_base::files::{write_atomic, write_json};
use spectralkd_base::progress::Progress;
use spectralkd_distillation::FrozenTeacher;
use spectralkd_evaluation::compare::{self, FeatureTensors};
use spectralkd_evaluation::pairs::{Choice, Scores, Strategy, choose as choose_by};
use spectralkd_losses::Pairs;
use spectralkd_models::{Taps, VisionModel};
use spectralkd_nn::Pass;
use spectralkd_report::figure::Figure;

use crate::config::Experiment;
use crate::data::Images;
use crate::error::{Error, Result};
use crate::first_weights::FirstWeights;
use crate::folder::RunFolder;
use crate::manifest::read_json;

/// What the axes of the scores count.
const AXES: (&str, &str) = ("student block", "teacher block");

/// The experiment with the pairs that its run folder holds, or that need no measurement.
///
/// # Errors
/// The choice in the run folder is damaged.
pub fn chosen(experiment: &Experiment, folder: &RunFolder) -> Result<Experiment> {
    let path = choice_path(folder);
    if strategy(experiment).is_some() && path.is_file() {
        let choice: Choice = read_json(&path)?;
        return Ok(experiment.with_pairs(choice.pairs));
    }
    Ok(experiment.clone())
}

/// The experiment with pairs that cost what the chosen ones will: those themselves where no measurement is needed,
/// else the first and last layers. The models have so many layers: (student, teacher).
///
/// # Errors
/// More pairs are wanted than there are layers (a checked experiment does not).
pub fn estimated(
    experiment: &Experiment,
    (student, teacher): (usize, usize),
) -> Result<Experiment> {
    let Some((_, count)) = strategy(experiment) else {
        return Ok(experiment.clone());
    };
    let choice = choose_by(Strategy::Paper, count, &Scores::of_depths(student, teacher))?;
    Ok(experiment.with_pairs(choice.pairs))
}

/// Chooses pairs if the experiment asks for it and its run folder has none yet, and keeps them there; the
/// experiment with its pairs.
///
/// # Errors
/// The strategy cannot choose so many, the losses cannot compare what it chose, or a file cannot be written.
pub fn choose(
    experiment: &Experiment,
    teacher: &FrozenTeacher,
    (images, first): (&Images, &FirstWeights),
    folder: &RunFolder,
    progress: &dyn Progress,
) -> Result<Experiment> {
    let Some((strategy, count)) = strategy(experiment) else {
        return Ok(experiment.clone());
    };
    if choice_path(folder).is_file() {
        return chosen(experiment, folder);
    }
    let student = images.student(&experiment.model)?.info()?;
    let scores = match strategy {
        Strategy::Paper => Scores::of_depths(student.taps.len(), teacher.info().taps.len()),
        _ => measure(experiment, teacher, (images, first), progress)?,
    };
    let choice = choose_by(strategy, count, &scores)?;
    let with_pairs = experiment.with_pairs(choice.pairs.clone());
    with_pairs.validate().map_err(|fault| Error::Pairs {
        strategy: strategy.name(),
        problem: fault.message,
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
    Ok(with_pairs)
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
    match experiment.distillation.pairs {
        Pairs::Chosen { strategy, count } => Some((strategy, count)),
        Pairs::Listed(_) | Pairs::Shared => None,
    }
}

fn measure(
    experiment: &Experiment,
    teacher: &FrozenTeacher,
    (images, first): (&Images, &FirstWeights),
    progress: &dyn Progress,
) -> Result<Scores> {
    let indices = images.train.class_balanced(experiment.spectra.per_class)?;
    let views = images.views(&images.train, &indices)?;
    let seed = experiment.seeds.first().copied().unwrap_or(0);
    let config = images.student(&experiment.model)?;
    let render = images.render(config.info()?.image, None)?;
    let student = first.student(&config, render, seed)?;
    let features = |name: &str, model: &dyn VisionModel, images| -> Result<FeatureTensors> {
        let output = model.forward(&images, &Taps::All, &Pass::eval())?;
        let maps = output.features.into_iter();
        let detached = maps.map(|(i, map)| (i, map.detach())).collect();
        Ok(FeatureTensors::new(name, detached)?)
    };
    let ours = student.render.render(&views, student.device())?;
    let mut student = features("student", student.model.as_ref(), ours)?;
    let theirs = teacher.render().render(&views, teacher.device())?;
    let mut teacher = features("teacher", teacher.model(), theirs)?;
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
