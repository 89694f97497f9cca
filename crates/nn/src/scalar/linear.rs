//! The twin of [`crate::kernels::linear`].

use super::Real;
use crate::kernels::linear::Sizes;

/// y = x w^T + b.
pub fn forward<T: Real>(sizes: Sizes, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let mut y = Vec::with_capacity(sizes.rows * sizes.outputs);
    for row in 0..sizes.rows {
        let x = &x[row * sizes.inputs..][..sizes.inputs];
        for output in 0..sizes.outputs {
            let weight = &weight[output * sizes.inputs..][..sizes.inputs];
            let start = bias.map_or(T::of(0.0), |b| b[output]);
            y.push(
                x.iter()
                    .zip(weight)
                    .fold(start, |sum, (&x, &w)| sum + x * w),
            );
        }
    }
    y
}

/// (dx, dw followed by db).
pub fn backward<T: Real>(sizes: Sizes, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let Sizes {
        rows,
        inputs,
        outputs,
    } = sizes;
    let mut dx = vec![T::of(0.0); rows * inputs];
    let mut sums = vec![T::of(0.0); outputs * inputs + outputs];
    let (dw, db) = sums.split_at_mut(outputs * inputs);
    for row in 0..rows {
        for output in 0..outputs {
            let dy = dy[row * outputs + output];
            for input in 0..inputs {
                dx[row * inputs + input] += dy * weight[output * inputs + input];
                dw[output * inputs + input] += dy * x[row * inputs + input];
            }
            db[output] += dy;
        }
    }
    (dx, sums)
}
