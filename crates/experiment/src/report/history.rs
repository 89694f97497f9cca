//! What happened epoch by epoch, gathered over the seeds of a variant.

use std::path::Path;

use spectralkd_report::csv::{Field, Writer};
use spectralkd_report::figure::Series;
use spectralkd_trainer::events::{self, EpochRecord, Event};

use crate::config::Experiment;
use crate::error::Result;
use crate::folder::RunFolder;

/// The epochs of one run.
#[derive(Clone, Debug)]
pub struct RunHistory {
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Its epochs, in order.
    pub epochs: Vec<EpochRecord>,
}

/// Reads the epochs of all runs that have begun.
///
/// # Errors
/// An events file cannot be read.
pub fn read(experiment: &Experiment, folder: &RunFolder) -> Result<Vec<RunHistory>> {
    let mut histories = Vec::new();
    for variant in &experiment.variants {
        for &seed in &experiment.seeds {
            let epochs = epochs(&folder.run(&variant.name, seed)?)?;
            if !epochs.is_empty() {
                histories.push(RunHistory {
                    variant: variant.name.clone(),
                    seed,
                    epochs,
                });
            }
        }
    }
    Ok(histories)
}

fn epochs(run: &Path) -> Result<Vec<EpochRecord>> {
    let path = run.join(events::FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let epoch = |event| match event {
        Event::Epoch(record) => Some(record),
        _ => None,
    };
    Ok(events::read(&path)?.into_iter().filter_map(epoch).collect())
}

/// A number of an epoch: a metric, or a part of the loss with the prefix `train.`.
pub fn value(epoch: &EpochRecord, name: &str) -> Option<f64> {
    match name.strip_prefix("train.") {
        Some("total") => Some(epoch.loss),
        Some(part) => epoch.parts.get(part).copied(),
        None => epoch.metrics.get(name).copied(),
    }
}

/// The mean over seeds after each epoch (counted from 1), with a band from the smallest to the
/// largest seed; `None` where no seed has the number. Epochs that not all seeds have reached are left out.
pub fn series(histories: &[RunHistory], variant: &str, label: &str, name: &str) -> Option<Series> {
    let runs: Vec<Vec<f64>> = histories
        .iter()
        .filter(|h| h.variant == variant)
        .map(|h| h.epochs.iter().map_while(|e| value(e, name)).collect())
        .collect();
    let length = runs.iter().map(Vec::len).min().filter(|n| *n > 0)?;
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for i in 0..length {
        let values = runs.iter().map(|r| r[i]);
        let mean = values.clone().sum::<f64>() / runs.len() as f64;
        points.push(((i + 1) as f64, mean));
        band.push((
            values.clone().fold(f64::INFINITY, f64::min),
            values.fold(f64::NEG_INFINITY, f64::max),
        ));
    }
    Some(Series::new(label, points).band(band))
}

/// `learning.csv`: every number of every epoch of every run, one per row.
pub fn csv(histories: &[RunHistory]) -> String {
    let mut out = Writer::new(&["variant", "seed", "epoch", "quantity", "value"]);
    for run in histories {
        for epoch in &run.epochs {
            let parts = epoch
                .parts
                .iter()
                .map(|(name, v)| (format!("train.{name}"), *v));
            let total = ("train.total".to_owned(), epoch.loss);
            let metrics = epoch.metrics.iter().map(|(name, v)| (name.clone(), *v));
            for (name, value) in metrics.chain([total]).chain(parts) {
                out.row([
                    Field::text(&run.variant),
                    Field::whole(run.seed),
                    Field::whole(epoch.epoch + 1),
                    Field::text(&name),
                    Field::number(value),
                ]);
            }
        }
    }
    out.finish()
}
