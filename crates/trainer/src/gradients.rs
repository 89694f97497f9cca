//! The gradients of a step as one name-sorted set: the seam between the backward pass and the
//! optimiser, where several processes can meet.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Storage, Tensor, Var};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::task::TaskError;

/// The gradients of one step, by parameter name.
pub type Gradients = BTreeMap<String, Tensor>;

/// What happens to the gradients of a step before the optimiser sees them. Data-parallel
/// training averages them over all processes here; names and shapes are the same everywhere,
/// in the same order.
pub trait GradientSync {
    /// Replaces the gradients by those that the optimiser is to use: the same names, shapes
    /// and types.
    ///
    /// # Errors
    /// Whatever keeps it from it; the run stops, with its state saved.
    fn sync(&mut self, gradients: &mut Gradients) -> Result<(), TaskError>;
}

/// One process: gradients stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl GradientSync for Local {
    fn sync(&mut self, _gradients: &mut Gradients) -> Result<(), TaskError> {
        Ok(())
    }
}

/// The backward pass of a scalar: the gradients of these variables, and the store without them, which an audit looks
/// at. A variable that the scalar does not depend on has no gradient.
///
/// # Errors
/// [`Error::Tensor`].
pub fn backward(total: &Tensor, vars: &BTreeMap<String, Var>) -> Result<(Gradients, GradStore)> {
    let mut store = total
        .backward()
        .map_err(Error::tensor("the backward pass".to_owned()))?;
    let mut gradients = Gradients::new();
    for (name, var) in vars {
        if let Some(gradient) = store.remove(var) {
            let gradient = gradient.contiguous().map_err(Error::tensor(format!(
                "laying out the gradient of `{name}`"
            )))?;
            gradients.insert(name.clone(), gradient);
        }
    }
    Ok((gradients, store))
}

/// The size of a set of gradients.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// The L2 norm over all numbers of all gradients.
    pub global: f64,
    /// The first gradient that holds a NaN or an infinity, and its own norm.
    pub bad: Option<(&'a str, f64)>,
}

/// Measures all gradients. The sum is ordered, so it has the same bits over any number of threads.
///
/// # Errors
/// [`Error::Tensor`] with the name of the gradient that cannot be read.
pub fn norm(gradients: &Gradients) -> Result<Norm<'_>> {
    let list: Vec<(&String, &Tensor)> = gradients.iter().collect();
    let square = |(name, gradient): &(&String, &Tensor)| {
        sum_of_squares(gradient).map_err(Error::tensor(format!("the norm of `{name}`'s gradient")))
    };
    let squares: Vec<f64> = if list.iter().all(|(_, g)| g.device().is_cpu()) {
        list.par_iter().map(square).collect::<Result<_>>()?
    } else {
        list.iter().map(square).collect::<Result<_>>()?
    };
    let bad = list
        .iter()
        .zip(&squares)
        .find(|(_, square)| !square.is_finite())
        .map(|((name, _), square)| (name.as_str(), square.sqrt()));
    Ok(Norm {
        global: squares.iter().sum::<f64>().sqrt(),
        bad,
    })
}

/// The factor that brings gradients of this norm to at most `limit`, as PyTorch's
/// `clip_grad_norm_` computes it: `min(1, limit / (norm + 1e-6))`.
pub fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    match limit {
        Some(limit) => (limit / (norm + 1e-6)).min(1.0),
        None => 1.0,
    }
}

/// The sum of squares, in f64 on the CPU, in f32 elsewhere.
fn sum_of_squares(tensor: &Tensor) -> candle_core::Result<f64> {
    let tensor = tensor.contiguous()?;
    {
        let (storage, layout) = tensor.storage_and_layout();
        if let (Storage::Cpu(storage), Some((start, end))) =
            (&*storage, layout.contiguous_offsets())
        {
            match storage {
                CpuStorage::F32(data) => return Ok(squares(&data[start..end])),
                CpuStorage::F64(data) => return Ok(squares(&data[start..end])),
                _ => {}
            }
        }
    }
    let sum = tensor.to_dtype(DType::F32)?.sqr()?.sum_all()?;
    Ok(f64::from(sum.to_scalar::<f32>()?))
}

/// Sum of squares in a fixed order: eight running sums, so that the loop vectorises.
fn squares<T: Copy + Into<f64>>(data: &[T]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0f64; LANES];
    let blocks = data.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (sum, &x) in sums.iter_mut().zip(block) {
            let x: f64 = x.into();
            *sum += x * x;
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        let x: f64 = x.into();
        *sum += x * x;
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn set(values: &[(&str, &[f32])]) -> Gradients {
        values
            .iter()
            .map(|(name, data)| {
                let tensor = Tensor::new(*data, &Device::Cpu).unwrap();
                (name.to_string(), tensor)
            })
            .collect()
    }

    #[test]
    fn the_norm_runs_over_all_gradients() {
        let long = vec![0.5f32; 1003];
        let all = set(&[("a", &[3.0]), ("b", &[0.0, -4.0]), ("c", &long)]);
        let norm = norm(&all).unwrap();
        let expected = (25.0 + 1003.0 * 0.25f64).sqrt();
        assert!((norm.global - expected).abs() < 1e-12);
        assert!(norm.bad.is_none());
    }

    #[test]
    fn the_first_bad_gradient_is_named() {
        let all = set(&[
            ("a", &[1.0]),
            ("b", &[1.0, f32::NAN]),
            ("c", &[f32::INFINITY]),
        ]);
        assert_eq!(norm(&all).unwrap().bad.unwrap().0, "b");
    }

    #[test]
    fn clipping_is_one_below_the_limit() {
        assert_eq!(clip_factor(3.0, None), 1.0);
        assert_eq!(clip_factor(0.5, Some(1.0)), 1.0);
        assert!((clip_factor(4.0, Some(1.0)) - 0.25).abs() < 1e-6);
    }
}
