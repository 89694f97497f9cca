//! The twin of [`crate::kernels::patches`]: the convolution by its definition.

use super::Real;
use crate::kernels::patches::Grid;

/// Calls `f(image number, patch, number in the image, number in the patch)` for every
/// number of every image.
fn visit(grid: Grid, images: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
    let Grid {
        channels,
        height,
        width,
        patch,
    } = grid;
    for b in 0..images {
        for c in 0..channels {
            for h in 0..height {
                for w in 0..width {
                    let at_patch = (h / patch) * (width / patch) + w / patch;
                    let in_patch = (c * patch + h % patch) * patch + w % patch;
                    f(
                        b,
                        at_patch,
                        ((b * channels + c) * height + h) * width + w,
                        in_patch,
                    );
                }
            }
        }
    }
}

/// y.
pub fn forward<T: Real>(grid: Grid, images: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
    let (outputs, row, patches) = (bias.len(), grid.row(), grid.patches());
    let count = images.len() / grid.image();
    let mut y = bias.repeat(count * patches);
    visit(grid, count, |b, patch, pixel, k| {
        for output in 0..outputs {
            y[(b * patches + patch) * outputs + output] += images[pixel] * weight[output * row + k];
        }
    });
    y
}

/// (dimages, dw followed by db).
pub fn backward<T: Real>(grid: Grid, images: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let (row, patches) = (grid.row(), grid.patches());
    let outputs = weight.len() / row;
    let mut dimages = vec![T::of(0.0); images.len()];
    let mut sums = vec![T::of(0.0); outputs * row + outputs];
    visit(grid, images.len() / grid.image(), |b, patch, pixel, k| {
        for output in 0..outputs {
            let dy = dy[(b * patches + patch) * outputs + output];
            dimages[pixel] += dy * weight[output * row + k];
            sums[output * row + k] += dy * images[pixel];
        }
    });
    for (i, &dy) in dy.iter().enumerate() {
        sums[outputs * row + i % outputs] += dy;
    }
    (dimages, sums)
}
