//! Attention of one query: class attention. The formulas are those of the module above with
//! Nq = 1, where every product touches each key or value once. So nothing is packed, which
//! would take longer than the product: k and v are read as they lie, and their gradients,
//! multiples of q and of dO, are written once.

use pulp::{Arch, Simd, WithSimd};

use super::Shape;
use super::rows::{HeadRows, Operand};
use super::scratch::{self, stride};
use super::softmax::{Softmax, SoftmaxBackward};
use super::target::HeadRowsMut;
use crate::kernels::simd;

/// One head: its query [d], its keys and values [N, d], and 1 / sqrt(d).
pub(super) struct Single<'a> {
    arch: Arch,
    q: &'a [f32],
    k: HeadRows<'a>,
    v: HeadRows<'a>,
    keys: usize,
    scale: f32,
}

impl<'a> Single<'a> {
    pub(super) fn new(
        arch: Arch,
        shape: Shape,
        operands: [Operand<'a>; 3],
        image: usize,
        head: usize,
    ) -> Self {
        let [q, k, v] = operands.map(|operand| operand.head(image, head, shape.head_dim));
        let (keys, scale) = (shape.keys, shape.scale());
        Self {
            arch,
            q: q.row(0),
            k,
            v,
            keys,
            scale,
        }
    }

    /// Writes row 0 of `out`.
    pub(super) fn forward(&self, out: &mut HeadRowsMut<'_>) {
        let d = self.q.len();
        scratch::with([stride(self.arch, self.keys), d], |[p, o]| {
            self.probabilities(p);
            let (weights, rows) = (&p[..self.keys], self.v);
            self.arch.dispatch(WeightedSum {
                weights,
                rows,
                out: o,
            });
            out.write(0, 1, o, d);
        });
    }

    /// Writes row 0 of `d_q` and all rows of `d_k` and `d_v`.
    pub(super) fn backward(&self, grad: &[f32], [d_q, d_k, d_v]: &mut [HeadRowsMut<'_>; 3]) {
        let (d, stride) = (self.q.len(), stride(self.arch, self.keys));
        scratch::with([stride, stride, d], |[p, ds, dq]| {
            self.probabilities(p);
            d_v.write_multiples(&p[..self.keys], grad);
            // dP, then dS, then dS / sqrt(d), in one place.
            self.scores(grad, self.v, 1.0, ds);
            self.arch.dispatch(SoftmaxBackward {
                p,
                d: ds,
                stride,
                n: self.keys,
            });
            let ds = &mut ds[..self.keys];
            for ds in ds.iter_mut() {
                *ds *= self.scale;
            }
            d_k.write_multiples(ds, self.q);
            self.arch.dispatch(WeightedSum {
                weights: ds,
                rows: self.k,
                out: dq,
            });
            d_q.write(0, 1, dq, d);
        });
    }

    fn probabilities(&self, p: &mut [f32]) {
        self.scores(self.q, self.k, self.scale, p);
        let stride = p.len();
        self.arch.dispatch(Softmax {
            x: p,
            stride,
            n: self.keys,
        });
    }

    /// `out_j = scale x rows_j`, padded with zeros.
    fn scores(&self, x: &[f32], rows: HeadRows<'_>, scale: f32, out: &mut [f32]) {
        let (out, padding) = out.split_at_mut(self.keys);
        self.arch.dispatch(RowDots {
            x,
            rows,
            scale,
            out,
        });
        padding.fill(0.0);
    }
}

/// `out_j = scale sum_c x_c rows_jc`
struct RowDots<'a> {
    x: &'a [f32],
    rows: HeadRows<'a>,
    scale: f32,
    out: &'a mut [f32],
}

impl WithSimd for RowDots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (j, out) in self.out.iter_mut().enumerate() {
            *out = self.scale * simd::dot(simd, self.x, self.rows.row(j));
        }
    }
}

/// `out_c = sum_j weights_j rows_jc`
struct WeightedSum<'a> {
    weights: &'a [f32],
    rows: HeadRows<'a>,
    out: &'a mut [f32],
}

impl WithSimd for WeightedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.out.fill(0.0);
        let (sums, tail_sums) = S::as_mut_simd_f32s(self.out);
        for (j, &weight) in self.weights.iter().enumerate() {
            let (row, tail) = S::as_simd_f32s(self.rows.row(j));
            let weights = simd.splat_f32s(weight);
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum = simd.mul_add_e_f32s(weights, x, *sum);
            }
            for (sum, &x) in tail_sums.iter_mut().zip(tail) {
                *sum += weight * x;
            }
        }
    }
}
