//! The gradients of a step as one name-sorted set, and what lies between the backward pass and the optimiser.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Storage, Tensor, Var};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::reads::Reads;
use crate::task::TaskError;

/// The gradients of one step, by parameter name.
pub type Gradients = BTreeMap<String, Tensor>;

/// What happens to the gradients of a step before the optimiser sees them, beside what [`crate::Group`] does: they are
/// the means over all ranks already, and every rank must change them alike.
pub trait GradientSync {
    /// Replaces the gradients by those that the optimiser is to use: the same names, shapes
    /// and types.
    ///
    /// # Errors
    /// Whatever keeps it from it; the run stops, with its state saved.
    fn sync(&mut self, gradients: &mut Gradients) -> Result<(), TaskError>;
}

/// Gradients stay as they are.
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

/// Measures all gradients, in one read: for a loop that looks at every step. The sum is ordered, so it has the same
/// bits over any number of threads.
///
/// # Errors
/// [`Error::Tensor`] with the name of the gradient that cannot be read.
pub fn norm(gradients: &Gradients) -> Result<Norm<'_>> {
    let squares = if gradients.values().all(|g| g.device().is_cpu()) {
        squares_on_cpu(gradients)?
    } else {
        let squares = Reads::default().numbers(&squares(gradients)?);
        squares.map_err(Error::tensor("reading the norms of the gradients"))?
    };
    let bad = (gradients.keys().zip(&squares))
        .find(|(_, square)| !square.is_finite())
        .map(|(name, square)| (name.as_str(), square.sqrt()));
    Ok(Norm {
        global: squares.iter().sum::<f64>().sqrt(),
        bad,
    })
}

/// The sum of squares of every gradient on a CPU, in f64, in the order of the names.
pub(crate) fn squares_on_cpu(gradients: &Gradients) -> Result<Vec<f64>> {
    let list: Vec<(&String, &Tensor)> = gradients.iter().collect();
    let square = |(name, gradient): &(&String, &Tensor)| {
        sum_of_squares(gradient).map_err(Error::tensor(format!("the norm of `{name}`'s gradient")))
    };
    list.par_iter().map(square).collect()
}

/// The sum of squares of every gradient, `[n]` in the order of the names, where the gradients are: f32, or f64 where
/// one of them is.
///
/// # Errors
/// [`Error::Task`] if there are none; [`Error::Tensor`] with the name of the gradient that cannot be measured.
pub fn squares(gradients: &Gradients) -> Result<Tensor> {
    let dtype = widest(gradients.values());
    let squares: Vec<Tensor> = gradients
        .iter()
        .map(|(name, gradient)| {
            let gradient = gradient.detach().to_dtype(dtype);
            gradient
                .and_then(|g| g.sqr()?.sum_all())
                .map_err(Error::tensor(format!("the norm of `{name}`'s gradient")))
        })
        .collect::<Result<_>>()?;
    if squares.is_empty() {
        return Err(Error::Task("no parameter gets a gradient".into()));
    }
    Tensor::stack(&squares, 0).map_err(Error::tensor("gathering the norms of the gradients"))
}

/// f64 where one of the tensors is, else f32.
pub(crate) fn widest<'a>(mut tensors: impl Iterator<Item = &'a Tensor>) -> DType {
    if tensors.any(|tensor| tensor.dtype() == DType::F64) {
        DType::F64
    } else {
        DType::F32
    }
}

/// The factor that brings gradients of this norm to at most `limit`, as PyTorch's
/// `clip_grad_norm_` computes it: `min(1, limit / (norm + 1e-6))`.
pub fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    match limit {
        Some(limit) => (limit / (norm + 1e-6)).min(1.0),
        None => 1.0,
    }
}

/// The sum of squares on a CPU, in f64; of other types than f32 and f64 in f32.
fn sum_of_squares(tensor: &Tensor) -> candle_core::Result<f64> {
    let tensor = tensor.contiguous()?;
    {
        let (storage, layout) = tensor.storage_and_layout();
        if let (Storage::Cpu(storage), Some((start, end))) =
            (&*storage, layout.contiguous_offsets())
        {
            match storage {
                CpuStorage::F32(data) => return Ok(ordered_squares(&data[start..end])),
                CpuStorage::F64(data) => return Ok(ordered_squares(&data[start..end])),
                _ => {}
            }
        }
    }
    let sum = tensor.to_dtype(DType::F32)?.sqr()?.sum_all()?;
    Ok(f64::from(sum.to_scalar::<f32>()?))
}

/// Sum of squares in a fixed order: eight running sums, so that the loop vectorises.
fn ordered_squares<T: Copy + Into<f64>>(data: &[T]) -> f64 {
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
