//! Patches of images as rows: the convolution whose stride is its kernel, as a product.
//!
//! Images [B, C, H, W] are cut into patches of p by p; row (b, i, j) holds the numbers of
//! patch (i, j) of image b in the order (channel, row, column), which is that of a
//! convolution's weight [out, C, p, p]. y = patches w^T + b, [B, H/p W/p, out]. Work is
//! cut into whole images: their patches fit in the cache.

use std::mem::MaybeUninit;

use super::linear::sums::add_share;
use super::linear::{self, Sizes, Transposed, Wanted};
use super::matmul::{View, product};
use super::parallel;
use super::simd::Arch;
use super::storage::{copy, filled, scratch, written};

/// Parts of the sums over images in the backward pass.
const PARTS: usize = 8;
/// Rows (patches) of a forward piece, about.
const ROWS: usize = 200;

/// The sizes of images and patches; `patch` divides height and width.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// C.
    pub channels: usize,
    /// H.
    pub height: usize,
    /// W.
    pub width: usize,
    /// p.
    pub patch: usize,
}

impl Grid {
    /// Numbers in an image.
    pub fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Patches in an image.
    pub fn patches(&self) -> usize {
        (self.height / self.patch) * (self.width / self.patch)
    }

    /// Numbers in a patch.
    pub fn row(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// The runs of `patch` neighbouring numbers of an image, in the image's order, as the
    /// places where they start in the image's patches.
    fn runs(self) -> impl Iterator<Item = usize> {
        let Self {
            channels,
            height,
            width,
            patch,
        } = self;
        let (across, row) = (width / patch, self.row());
        let lines = (0..channels).flat_map(move |c| (0..height).map(move |h| (c, h)));
        lines.flat_map(move |(c, h)| {
            let line = (h / patch) * across * row + (c * patch + h % patch) * patch;
            (0..across).map(move |j| line + j * row)
        })
    }
}

/// Copies the patches of one image into `rows`; all of it is written.
fn gather(grid: Grid, image: &[f32], rows: &mut [MaybeUninit<f32>]) {
    for (run, at) in image.chunks_exact(grid.patch).zip(grid.runs()) {
        copy(run, &mut rows[at..][..grid.patch]);
    }
}

/// Copies `rows` back into one image; all of it is written.
fn scatter(grid: Grid, rows: &[f32], image: &mut [MaybeUninit<f32>]) {
    for (run, at) in image.chunks_exact_mut(grid.patch).zip(grid.runs()) {
        copy(&rows[at..][..grid.patch], run);
    }
}

/// y [B, patches, outputs] of images [B, C, H, W], weight [outputs, C p p] and bias.
pub fn forward(grid: Grid, images: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let sizes = check(grid, images, weight);
    assert_eq!(bias.len(), sizes.outputs);
    let weight = Transposed::new(sizes, weight);
    let at_once = (ROWS / grid.patches()).max(1);
    let piece = at_once * grid.patches() * sizes.outputs;
    let fill = |i: usize, y: &mut [MaybeUninit<f32>]| {
        let count = y.len() / (grid.patches() * sizes.outputs);
        let images = images[i * at_once * grid.image()..].chunks_exact(grid.image());
        let mut rows = scratch(count * grid.image());
        for (image, rows) in images.zip(rows.chunks_exact_mut(grid.image())) {
            gather(grid, image, rows);
        }
        // SAFETY: `gather` has written the patches of each of the `count` images.
        linear::rows(&weight, unsafe { written(&mut rows) }, Some(bias), y);
    };
    let fill_all = |y: &mut [MaybeUninit<f32>]| parallel::chunks(y, piece, sizes.work(), fill);
    // SAFETY: the pieces are whole images and cover y; `linear::rows` writes all of each.
    unsafe { filled(sizes.rows * sizes.outputs, fill_all) }
}

/// (dimages, dw [outputs, C p p] followed by db `[outputs]`); a vector that is not wanted is
/// empty. Panics if a slice does not have its length.
pub fn backward(
    arch: Arch,
    grid: Grid,
    images: &[f32],
    weight: &[f32],
    dy: &[f32],
    wanted: Wanted,
) -> (Vec<f32>, Vec<f32>) {
    let sizes = check(grid, images, weight);
    assert_eq!(dy.len(), sizes.rows * sizes.outputs);
    let count = images.len() / grid.image();
    let (part, dy_image) = (count.div_ceil(PARTS).max(1), grid.patches() * sizes.outputs);
    let parts = count.div_ceil(part).max(1);
    let image_len = if wanted.dx { grid.image() } else { 0 };
    let sums_len = if wanted.sums {
        sizes.outputs * (sizes.inputs + 1)
    } else {
        0
    };
    let one_part = |i: usize, dimages: &mut [MaybeUninit<f32>], sums: &mut [f32]| {
        let mut rows = scratch(grid.image());
        for (n, image) in (i * part..count.min((i + 1) * part)).enumerate() {
            let dy = &dy[image * dy_image..][..dy_image];
            if wanted.sums {
                gather(
                    grid,
                    &images[image * grid.image()..][..grid.image()],
                    &mut rows,
                );
                // SAFETY: `gather` has written all of it.
                add_share(arch, sizes, unsafe { written(&mut rows) }, dy, sums);
            }
            if wanted.dx {
                let dy = View::new(dy, grid.patches(), sizes.outputs);
                let weight = View::new(weight, sizes.outputs, sizes.inputs);
                product(&mut rows, sizes.inputs, 1.0, dy, weight);
                let dimage = &mut dimages[n * grid.image()..][..grid.image()];
                // SAFETY: the product has written all of it.
                scatter(grid, unsafe { written(&mut rows) }, dimage);
            }
        }
    };
    let mut sums = vec![0.0; parts * sums_len];
    let fill = |dimages: &mut [MaybeUninit<f32>]| {
        let work = sizes.work() * (usize::from(wanted.dx) + usize::from(wanted.sums));
        let (dimages, sums) = ((dimages, part * image_len), (&mut *sums, sums_len));
        parallel::parts(parts, dimages, sums, work, one_part);
    };
    // SAFETY: if the images' gradient is wanted, the parts are whole images and cover it,
    // and `scatter` writes all of each; if not, its length is 0.
    let dimages = unsafe { filled(count * image_len, fill) };
    (dimages, parallel::add_parts(sums, sums_len))
}

fn check(grid: Grid, images: &[f32], weight: &[f32]) -> Sizes {
    let Grid {
        height,
        width,
        patch,
        ..
    } = grid;
    assert!(patch > 0 && height.is_multiple_of(patch) && width.is_multiple_of(patch));
    assert!(grid.image() > 0 && images.len().is_multiple_of(grid.image()));
    assert!(!weight.is_empty() && weight.len().is_multiple_of(grid.row()));
    let rows = images.len() / grid.row();
    Sizes {
        rows,
        inputs: grid.row(),
        outputs: weight.len() / grid.row(),
    }
}
