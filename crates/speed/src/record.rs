//! What one measurement found, as one line of JSON.

use serde::{Deserialize, Serialize};
use spectralkd_base::machine::machine;
use spectralkd_runtime::{self as runtime, Runtime};

use crate::case::{Case, Length, Precision};
use crate::ceiling::Ceiling;
use crate::error::{Error, Result};
use crate::runs::Timing;
use crate::summary::Summary;

/// One case, measured. Fields that a case has no use for are `null` in JSON, not left out, so that records of all cases
/// (and of `benches/pytorch/speed.py`) have the same keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `spectralkd` (PyTorch's records say `torch`).
    pub tool: String,
    /// `step`, `train`, `infer` or `loss`.
    pub case: String,
    /// The model that was trained or run.
    pub student: Option<String>,
    /// The model that it learned from.
    pub teacher: Option<String>,
    /// Batch, channels, height and width of a loss.
    pub shape: Option<[usize; 4]>,
    /// Images in a run.
    pub batch: usize,
    /// Worker threads.
    pub threads: usize,
    /// The number types, [`Precision::name`]; `tf32`, perhaps before that of the teacher, where a card's products are.
    pub dtype: String,
    /// How a loss was computed, `parseval` or `fft`.
    pub form: Option<String>,
    /// Runs before the first timed one.
    pub warmup: usize,
    /// Timed runs.
    pub runs: usize,
    /// Wall-clock seconds of each timed run, in order.
    pub seconds: Vec<f64>,
    /// Their median.
    pub median_s: f64,
    /// Their minimum.
    pub min_s: f64,
    /// Their first quartile.
    pub q1_s: f64,
    /// Their third quartile.
    pub q3_s: f64,
    /// Their maximum.
    pub max_s: f64,
    /// Images of a run over its median.
    pub images_per_s: f64,
    /// Floating-point operations of a run, [`Case::gflop`], in 1e9.
    pub gflop: Option<f64>,
    /// These over the median.
    pub gflop_per_s: Option<f64>,
    /// What the machine could do.
    pub ceiling: Ceiling,
    /// `gflop_per_s` over the rate of a large matrix product.
    pub share_of_sgemm: Option<f64>,
    /// `gflop_per_s` over the rate of multiply-adds in registers; none on a card.
    pub share_of_fma: Option<f64>,
    /// Peak resident memory of the process, MiB, before the ceiling was measured; none where the system does not tell.
    pub peak_rss_mib: Option<f64>,
    /// Processor, cores, vector extension, system; before them the card, if one computed.
    pub machine: String,
    /// Of this program.
    pub version: String,
}

impl Record {
    /// # Errors
    /// There are no timed runs, or a model's sizes make no sense.
    pub(crate) fn new(
        case: &Case,
        length: Length,
        timing: Timing,
        ceiling: Ceiling,
        (runtime, version): (&Runtime, &str),
    ) -> Result<Self> {
        let summary = Summary::of(&timing.seconds).ok_or(Error::NoRuns)?;
        let (teacher, (shape, form)) = match case {
            Case::Step { teacher, .. } => (Some(teacher.name.clone()), (None, None)),
            Case::Loss { shape, form } => (None, (Some(*shape), Some(form.name().to_owned()))),
            Case::Train { .. } | Case::Infer { .. } => (None, (None, None)),
        };
        let dtype = match (runtime.precision, case.precision()) {
            (runtime::Precision::F32, of_teacher) => of_teacher.name().to_owned(),
            (products, Precision::F32) => products.name().to_owned(),
            (products, of_teacher) => format!("{products} {}", of_teacher.name()),
        };
        let machine = match runtime.device.is_cpu() {
            true => machine(),
            false => {
                let card = runtime.card();
                let card = card.unwrap_or_else(|| runtime.to_string());
                format!("{card} in {}", machine())
            }
        };
        let gflop = case.gflop()?;
        let gflop_per_s = gflop.map(|gflop| gflop / summary.median);
        Ok(Self {
            tool: "spectralkd".to_owned(),
            case: case.name().to_owned(),
            student: case.student().map(|model| model.name.clone()),
            teacher,
            shape,
            batch: case.batch(),
            threads: rayon::current_num_threads(),
            dtype,
            form,
            warmup: length.warmup,
            runs: length.runs,
            seconds: timing.seconds,
            median_s: summary.median,
            min_s: summary.min,
            q1_s: summary.q1,
            q3_s: summary.q3,
            max_s: summary.max,
            images_per_s: case.batch() as f64 / summary.median,
            gflop,
            gflop_per_s,
            ceiling,
            share_of_sgemm: gflop_per_s.map(|rate| rate / ceiling.sgemm_gflop_per_s),
            share_of_fma: gflop_per_s
                .zip(ceiling.fma_gflop_per_s)
                .map(|(rate, fma)| rate / fma),
            peak_rss_mib: timing.peak_mib,
            machine,
            version: version.to_owned(),
        })
    }

    /// One line of JSON, without a line break.
    ///
    /// # Errors
    /// A number in it is not finite.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::NoJson)
    }

    /// The record in a line that [`Self::json`] wrote.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line).map_err(|source| Error::NoRecord {
            line: line.to_owned(),
            source,
        })
    }
}
