//! The weight of a linear map in the orders in which products read it.

use std::borrow::Cow;

use candle_core::{CpuStorage, Layout, Result};

use super::super::matmul::View;
use super::super::storage::{columns, filled, slice};
use super::super::transpose::transpose;
use super::Sizes;

/// A weight, and in which order its numbers lie.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a> {
    /// Row by row: w [N, K].
    Rows(&'a [f32]),
    /// Column by column: w^T [K, N], the order that the forward product reads. Weights that
    /// never change are laid out so once, when their layer is made.
    Columns(&'a [f32]),
}

impl<'a> From<&'a [f32]> for Weight<'a> {
    fn from(rows: &'a [f32]) -> Self {
        Self::Rows(rows)
    }
}

impl<'a> From<&'a Vec<f32>> for Weight<'a> {
    fn from(rows: &'a Vec<f32>) -> Self {
        Self::Rows(rows)
    }
}

impl<'a> Weight<'a> {
    /// w [N, K]. Panics if it does not have its length.
    pub(in crate::kernels) fn view(
        self,
        Sizes {
            inputs, outputs, ..
        }: Sizes,
    ) -> View<'a, f32> {
        match self {
            Self::Rows(w) => View::new(w, outputs, inputs),
            Self::Columns(w) => View::new(w, inputs, outputs).t(),
        }
    }

    pub(in crate::kernels) fn len(self) -> usize {
        match self {
            Self::Rows(w) | Self::Columns(w) => w.len(),
        }
    }
}

/// The numbers of a weight tensor [N, K], in one of the orders of [`Weight`].
#[derive(Debug)]
pub struct WeightNumbers<'a>(Order<'a>);

#[derive(Debug)]
enum Order<'a> {
    Rows(Cow<'a, [f32]>),
    Columns(&'a [f32]),
}

impl<'a> WeightNumbers<'a> {
    /// The numbers of a storage as they lie, if by rows or by columns without gaps; else a copy.
    ///
    /// # Errors
    /// If they are not of type f32.
    pub fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        Ok(Self(match columns(storage, layout)? {
            Some(columns) => Order::Columns(columns),
            None => Order::Rows(slice(storage, layout)?),
        }))
    }
}

impl<'a> From<&'a WeightNumbers<'_>> for Weight<'a> {
    fn from(numbers: &'a WeightNumbers<'_>) -> Self {
        match &numbers.0 {
            Order::Rows(rows) => Self::Rows(rows),
            Order::Columns(columns) => Self::Columns(columns),
        }
    }
}

/// w^T [K, N], as [`rows`](super::rows) reads it.
///
/// Where many rows share a weight that lies row by row, it is a copy in the other order,
/// which gemm reads as it lies; a transposed view it would pack anew for every piece of
/// rows.
pub struct Transposed<'a> {
    weight: Weight<'a>,
    copy: Option<Vec<f32>>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl<'a> Transposed<'a> {
    /// The transposition of w [N, K]. Panics if it does not have its length.
    pub fn new(sizes: Sizes, weight: impl Into<Weight<'a>>) -> Self {
        /// The rows from which the copy pays: it costs about as much as 20 of them.
        const SHARED_BY: usize = 256;
        let Sizes {
            rows,
            inputs,
            outputs,
        } = sizes;
        let weight = weight.into();
        assert_eq!(weight.len(), inputs * outputs);
        let copy = match weight {
            Weight::Rows(w) if rows >= SHARED_BY => {
                // SAFETY: `transpose` writes every element.
                Some(unsafe { filled(w.len(), |out| transpose(w, outputs, inputs, out)) })
            }
            _ => None,
        };
        Self {
            weight,
            copy,
            inputs,
            outputs,
        }
    }

    pub(super) fn view(&self) -> View<'_, f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        match (&self.copy, self.weight) {
            (Some(copy), _) => View::new(copy, inputs, outputs),
            (None, Weight::Rows(w)) => View::new(w, outputs, inputs).t(),
            (None, Weight::Columns(w)) => View::new(w, inputs, outputs),
        }
    }
}
