//! How far a computation is from its reference, tensor by tensor.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use candle_core::{DType, Tensor};
use serde::Serialize;
use spectralkd_runtime::Precision;

use super::case::{Case, Tensors};
use crate::error::Result;

/// The largest distance that passes in f32, for each tensor.
pub const LIMIT: f64 = 1e-4;

/// What one tensor of a case is beside its reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// ||a - b|| / ||b||; 0 where both are zero.
    Distance(f64),
    /// It is on one side alone, or on neither: a gradient that was lost.
    Missing,
    /// It has another shape.
    OtherShape,
    /// It holds NaN or infinity, or is something where its reference is zero.
    NotFinite,
}

/// One case on one device in one precision, beside f64 on the CPU.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// What kind of case: `layer`, `spectral`, `loss`, `optimiser`, `model`, `step`.
    pub group: &'static str,
    /// Which one.
    pub case: String,
    /// In what it was computed.
    pub precision: Precision,
    /// What every distance is held to; none: distances are reported alone.
    pub limit: Option<f64>,
    /// Every tensor: results (`out`, `tap`, `loss`, `after`) and gradients (`grad`) by name.
    pub tensors: BTreeMap<String, Outcome>,
    /// Why it, or its reference, could not be computed.
    pub error: Option<String>,
    /// What the device took, with all that was drawn and copied, s.
    pub seconds: f64,
}

impl Compared {
    pub(super) fn new(
        case: &Case,
        precision: Precision,
        found: &Result<Tensors>,
        reference: &Result<Tensors>,
    ) -> Self {
        let compared = match (found, reference) {
            (Ok(found), Ok(reference)) => outcomes(case, found, reference),
            (Err(error), _) => Err(error.to_string()),
            (_, Err(error)) => Err(format!("the reference: {error}")),
        };
        let (tensors, error) = match compared {
            Ok(tensors) => (tensors, None),
            Err(error) => (BTreeMap::new(), Some(error)),
        };
        Self {
            group: case.group,
            case: case.name.clone(),
            precision,
            limit: (precision != Precision::Bf16).then_some(LIMIT),
            tensors,
            error,
            seconds: 0.0,
        }
    }

    /// Whether every tensor is there, finite and within the limit. Without a limit (bf16) a computation that is refused
    /// passes too.
    pub fn passed(&self) -> bool {
        match &self.error {
            Some(_) => self.limit.is_none(),
            None => !self.tensors.is_empty() && self.wrong().next().is_none(),
        }
    }

    /// The tensors that are not as they must be.
    pub fn wrong(&self) -> impl Iterator<Item = (&str, Outcome)> {
        let is_wrong = |outcome: &Outcome| match (outcome, self.limit) {
            (Outcome::Distance(distance), Some(limit)) => *distance > limit,
            (Outcome::Distance(_), None) => false,
            _ => true,
        };
        let all = self.tensors.iter();
        all.filter(move |(_, outcome)| is_wrong(outcome))
            .map(|(name, outcome)| (name.as_str(), *outcome))
    }

    /// The tensor that is farthest from its reference, of those that can be compared.
    pub fn worst(&self) -> Option<(&str, f64)> {
        let distances = self
            .tensors
            .iter()
            .filter_map(|(name, outcome)| match outcome {
                Outcome::Distance(distance) => Some((name.as_str(), *distance)),
                _ => None,
            });
        distances.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// A line for people: `ok   layer  Attention  f32  worst 3.1e-7 (grad qkv.weight) of 6`.
impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match (self.passed(), self.limit.is_some() && self.error.is_none()) {
            (false, _) => "BAD ",
            (true, true) => "ok  ",
            (true, false) => "note",
        };
        let (group, case) = (self.group, &self.case);
        let precision = self.precision.name();
        write!(f, "{mark}  {group:<9}  {case:<42}  {precision:<4}  ")?;
        if let Some(error) = &self.error {
            return write!(f, "not computed: {error}");
        }
        match self.worst() {
            Some((_, 0.0)) => write!(f, "equal, all {}", self.tensors.len())?,
            Some((name, distance)) => {
                write!(f, "{distance:.1e} {name}, of {}", self.tensors.len())?
            }
            None => f.write_str("nothing to compare")?,
        }
        for (name, outcome) in self.wrong().take(4) {
            match outcome {
                Outcome::Distance(distance) => write!(f, "; {name} is {distance:.1e} off")?,
                Outcome::Missing => write!(f, "; {name} is missing")?,
                Outcome::OtherShape => write!(f, "; {name} has another shape")?,
                Outcome::NotFinite => write!(f, "; {name} is not finite")?,
            }
        }
        Ok(())
    }
}

/// What a whole check says, in one line for people.
///
/// # Errors
/// The same, where something is off.
pub fn verdict(all: &[Compared]) -> std::result::Result<String, String> {
    let (held, reported): (Vec<_>, Vec<_>) = all.iter().partition(|c| c.limit.is_some());
    let distances = held.iter().filter_map(|c| Some((c, c.worst()?)));
    let farthest = distances.max_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let farthest = farthest.map_or_else(String::new, |(compared, (name, distance))| {
        let case = &compared.case;
        format!("; the farthest is {distance:.1e} off: {name} of {case}")
    });
    let refused = reported.iter().filter(|c| c.error.is_some()).count();
    let reported = match (reported.len(), refused) {
        (0, _) => String::new(),
        (count, 0) => format!("; {count} in bf16 have no limit"),
        (count, refused) => {
            format!("; {count} in bf16 have no limit, {refused} of them cannot be computed")
        }
    };
    match all.iter().filter(|compared| !compared.passed()).count() {
        0 if all.is_empty() => Err("nothing was compared".to_owned()),
        0 => Ok(format!(
            "all {} comparisons in f32 hold{farthest}{reported}",
            held.len()
        )),
        failed => Err(format!(
            "{failed} of {} comparisons do not hold{farthest}{reported}",
            all.len()
        )),
    }
}

/// Every tensor of either side.
fn outcomes(
    case: &Case,
    found: &Tensors,
    reference: &Tensors,
) -> std::result::Result<BTreeMap<String, Outcome>, String> {
    let names = found.keys().chain(reference.keys());
    let one = |name: &String| {
        let of = |side: &Tensors| side.get(name).cloned().flatten();
        let outcome = match (of(found), of(reference)) {
            (Some(a), Some(b)) if a.dims() != b.dims() => Outcome::OtherShape,
            (Some(a), Some(b)) => {
                relative(&a, &b, case.exempt(name)).map_err(|error| error.to_string())?
            }
            _ => Outcome::Missing,
        };
        Ok((name.clone(), outcome))
    };
    names.map(one).collect()
}

/// ||a - b|| / ||b|| without some rows (of the first axis), in f64.
fn relative(a: &Tensor, b: &Tensor, without: Range<usize>) -> Result<Outcome> {
    let rows = b.dims().first().copied().unwrap_or(1).max(1);
    let width = (b.elem_count() / rows).max(1);
    let flat =
        |x: &Tensor| -> Result<Vec<f64>> { Ok(x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?) };
    let (a, b) = (flat(a)?, flat(b)?);
    if a.iter().chain(&b).any(|x| !x.is_finite()) {
        return Ok(Outcome::NotFinite);
    }
    let (mut difference, mut norm) = (0.0, 0.0);
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        if !without.contains(&(i / width)) {
            difference += (a - b) * (a - b);
            norm += b * b;
        }
    }
    let ratio = match difference {
        0.0 => 0.0,
        _ => (difference / norm).sqrt(),
    };
    Ok(match ratio.is_finite() {
        true => Outcome::Distance(ratio),
        false => Outcome::NotFinite,
    })
}
