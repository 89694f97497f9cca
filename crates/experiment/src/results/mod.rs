//! From finished runs to the table and its verdicts.
//!
//! Every number of the report's table follows from `results.csv` (one row per run) alone.

mod table;

use serde::{Deserialize, Serialize};
use spectralkd_report::csv::{Field, Writer};

pub use table::{Row, Table};

/// The name under which the linear classifier stands beside the variants.
pub const FLOOR: &str = "floor";

/// `result.json`: what a finished run reached after its last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The variant, or [`FLOOR`].
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Epochs of training.
    pub epochs: u64,
    /// Of the weights as they are.
    #[serde(flatten)]
    pub scores: Scores,
    /// Of the moving average of the weights, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<Scores>,
    /// Wall-clock seconds of training, evaluation included, over all calls.
    pub seconds: f64,
}

/// How well a classifier does on all test images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Top-1 accuracy, in percent.
    pub top1: f64,
    /// Top-5 accuracy, in percent.
    pub top5: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

/// `results.csv`: one row per run, in the order of the experiment.
pub fn results_csv(results: &[RunResult]) -> String {
    let mut out = Writer::new(&[
        "variant",
        "seed",
        "epochs",
        "top1",
        "top5",
        "loss",
        "seconds",
        "average_top1",
    ]);
    for r in results {
        out.row([
            Field::text(&r.variant),
            Field::whole(r.seed),
            Field::whole(r.epochs),
            Field::number(r.scores.top1),
            Field::number(r.scores.top5),
            Field::number(r.scores.loss),
            Field::number(r.seconds),
            Field::optional(r.average.map(|scores| scores.top1)),
        ]);
    }
    out.finish()
}
