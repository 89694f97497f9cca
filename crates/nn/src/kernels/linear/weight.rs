//! The weight of a linear map in the orders in which products read it.

use super::super::matmul::View;
use super::super::storage::filled;
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

    pub(super) fn len(self) -> usize {
        match self {
            Self::Rows(w) | Self::Columns(w) => w.len(),
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
