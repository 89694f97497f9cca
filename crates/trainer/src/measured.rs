//! The numbers of a step, measured where its gradients are: nothing waits for the host.

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};
use crate::gradients::{self, Gradients, clip_factor};
use crate::guard::Guard;
use crate::task::Parts;

/// What is to be known of a step, on the device.
pub(crate) struct Measured {
    /// The loss, the sum of squares of each gradient, the scalars reported beside the loss, the number of samples;
    /// `[2 + gradients + parts]`, f64 on a CPU and for losses in f64, else f32.
    pub row: Tensor,
    /// The names of the gradients and of the reported scalars, in their order in the row.
    pub gradients: Vec<String>,
    pub parts: Vec<String>,
    /// u8 scalar: whether the loss and all gradients are finite.
    pub finite: Tensor,
    /// The factor of clipping; `None` where nothing is clipped.
    pub scale: Option<Tensor>,
}

impl Measured {
    /// Measures a step. `samples` is their number over all ranks as a tensor, where it is not `parts.samples`.
    pub(crate) fn of(
        parts: &Parts,
        gradients: &Gradients,
        samples: Option<&Tensor>,
        clip: Option<f64>,
    ) -> Result<Self> {
        let on_cpu = parts.total.device().is_cpu()
            && gradients
                .values()
                .all(|gradient| gradient.device().is_cpu());
        let (row, finite, scale) = if on_cpu {
            in_numbers(parts, gradients, samples, clip)
        } else {
            in_tensors(parts, gradients, samples, clip)
        }?;
        Ok(Self {
            row,
            gradients: gradients.keys().cloned().collect(),
            parts: parts.parts.iter().map(|(name, _)| name.clone()).collect(),
            finite,
            scale,
        })
    }

    /// What the update obeys: it is made if this step is finite and, where `alive` is given, that is not 0.
    pub(crate) fn guard(&self, alive: Option<&Tensor>) -> Result<Guard> {
        let go = match alive {
            Some(alive) => (alive * &self.finite).map_err(Error::tensor("keeping the flag up"))?,
            None => self.finite.clone(),
        };
        let scale = self.scale.clone();
        Ok(Guard { go, scale })
    }
}

type Found = (Tensor, Tensor, Option<Tensor>);

/// The loss, then what is reported beside it.
fn scalars(parts: &Parts) -> impl Iterator<Item = (&str, &Tensor)> {
    let beside = parts.parts.iter().map(|(name, t)| (name.as_str(), t));
    std::iter::once(("total", &parts.total)).chain(beside)
}

/// On a CPU: plain numbers in f64.
fn in_numbers(
    parts: &Parts,
    gradients: &Gradients,
    samples: Option<&Tensor>,
    clip: Option<f64>,
) -> Result<Found> {
    let number = |name: &str, tensor: &Tensor| {
        let tensor = tensor.detach().to_dtype(DType::F64);
        tensor
            .and_then(|t| t.to_scalar::<f64>())
            .map_err(Error::tensor(format!("reading the scalar `{name}`")))
    };
    let losses: Vec<f64> = scalars(parts)
        .map(|(name, tensor)| number(name, tensor))
        .collect::<Result<_>>()?;
    let samples = match samples {
        Some(samples) => number("samples", samples)?,
        None => parts.samples as f64,
    };
    let squares = gradients::squares_on_cpu(gradients)?;
    let finite = losses[0].is_finite() && squares.iter().all(|x| x.is_finite());
    let scale = clip.map(|_| clip_factor(squares.iter().sum::<f64>().sqrt(), clip));
    let mut row = vec![losses[0]];
    row.extend(squares);
    row.extend(&losses[1..]);
    row.push(samples);
    let failed = || Error::tensor("keeping the numbers of a step");
    let scale = scale.map(|s| Tensor::new(s, &Device::Cpu).map_err(failed()));
    Ok((
        Tensor::new(row, &Device::Cpu).map_err(failed())?,
        Tensor::new(u8::from(finite), &Device::Cpu).map_err(failed())?,
        scale.transpose()?,
    ))
}

/// Elsewhere: the same out of candle operations.
fn in_tensors(
    parts: &Parts,
    gradients: &Gradients,
    samples: Option<&Tensor>,
    clip: Option<f64>,
) -> Result<Found> {
    let dtype = match parts.total.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let one = |tensor: &Tensor| tensor.detach().to_dtype(dtype)?.reshape(1);
    let lay = |name: &str, tensor: &Tensor| {
        one(tensor).map_err(Error::tensor(format!("keeping the scalar `{name}`")))
    };
    let mut losses: Vec<Tensor> = scalars(parts)
        .map(|(name, tensor)| lay(name, tensor))
        .collect::<Result<_>>()?;
    let beside = losses.split_off(1);
    let squares = gradients::squares(gradients)?;
    let measure = || -> candle_core::Result<Found> {
        let device = parts.total.device();
        let squares = squares.to_dtype(dtype)?;
        let judged = Tensor::cat(&[&losses[0], &squares], 0)?;
        // Zero where all are finite, else NaN, which is not equal to itself.
        let zero = judged.sub(&judged)?.sum_all()?;
        let finite = zero.eq(&zero)?;
        let scale = match clip {
            Some(limit) => {
                let norm = squares.sum_all()?.sqrt()?;
                Some(((norm + 1e-6)?.recip()? * limit)?.minimum(1.0)?)
            }
            None => None,
        };
        let samples = match samples {
            Some(samples) => one(samples)?,
            None => Tensor::new(&[parts.samples as f64], device)?.to_dtype(dtype)?,
        };
        let mut row = vec![judged];
        row.extend(beside);
        row.push(samples);
        Ok((Tensor::cat(&row, 0)?, finite, scale))
    };
    measure().map_err(Error::tensor("measuring a step"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(total: f64, gradient: f64) -> (Parts, Gradients) {
        let scalar = |x: f64| Tensor::new(x, &Device::Cpu).unwrap();
        let vector = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
        let parts = Parts {
            total: scalar(total),
            parts: vec![("kd".into(), scalar(0.5)), ("ce".into(), scalar(0.25))],
            samples: 7,
        };
        let gradients = [("a", vector(&[3.0, gradient])), ("b", vector(&[12.0]))];
        let gradients = gradients.map(|(name, g)| (name.to_string(), g));
        (parts, Gradients::from(gradients))
    }

    fn numbers(found: &Found) -> (Vec<f64>, u8, f64) {
        let scale = found.2.as_ref().unwrap();
        (
            found.0.to_vec1().unwrap(),
            found.1.to_scalar().unwrap(),
            scale.to_scalar().unwrap(),
        )
    }

    #[test]
    fn tensors_and_numbers_say_the_same() {
        let (parts, gradients) = step(2.0, 4.0);
        let plain = in_numbers(&parts, &gradients, None, Some(6.5)).unwrap();
        let (row, finite, scale) = numbers(&plain);
        assert_eq!(row, [2.0, 25.0, 144.0, 0.5, 0.25, 7.0]);
        assert_eq!(finite, 1);
        assert!((scale - 0.5).abs() < 1e-6 && scale < 0.5, "{scale}");

        let composed = in_tensors(&parts, &gradients, None, Some(6.5)).unwrap();
        assert_eq!(numbers(&composed).0, row);
        assert_eq!(numbers(&composed).1, 1);
        assert!((numbers(&composed).2 - scale).abs() < 1e-15);
        // Below the limit nothing is scaled.
        for found in [in_numbers, in_tensors] {
            let found = found(&parts, &gradients, None, Some(20.0)).unwrap();
            assert_eq!(numbers(&found).2, 1.0);
        }
    }

    #[test]
    fn either_way_anything_that_is_not_finite_is_seen() {
        for (total, gradient) in [
            (f64::NAN, 1.0),
            (f64::INFINITY, 1.0),
            (1.0, f64::NAN),
            (1.0, f64::NEG_INFINITY),
        ] {
            let (parts, gradients) = step(total, gradient);
            for found in [in_numbers, in_tensors] {
                let (_, finite, _) = found(&parts, &gradients, None, None).unwrap();
                assert_eq!(finite.to_scalar::<u8>().unwrap(), 0, "{total} {gradient}");
            }
        }
    }

    #[test]
    fn the_flag_stays_up() {
        let measured = |total| {
            let (parts, gradients) = step(total, 1.0);
            Measured::of(&parts, &gradients, None, None).unwrap()
        };
        let (good, bad) = (measured(1.0), measured(f64::NAN));
        let mut alive = None;
        let mut seen = Vec::new();
        for step in [&good, &bad, &good] {
            let guard = step.guard(alive.as_ref()).unwrap();
            seen.push(guard.on_cpu().unwrap().unwrap().0);
            alive = Some(guard.go);
        }
        assert_eq!(seen, [true, false, false]);
    }
}
