//! Inner products of every head of x with every head of y: the gradient of a mixing matrix.

use pulp::{Simd, WithSimd};

/// `products[g, h] += sum(x_g y_h)` and `sums[g] += sum(x_g)` over `area` numbers of each
/// head, whole vectors. Tiles of 4 x 2 heads stay in registers: 8 multiply-adds for 6 loads.
pub(super) struct Dots<'a> {
    /// [H, area].
    pub x: &'a [f32],
    /// [H, area].
    pub y: &'a [f32],
    pub area: usize,
    /// [H, H].
    pub products: &'a mut [f32],
    /// [H], or empty if the sums are not wanted.
    pub sums: &'a mut [f32],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let heads = self.x.len() / self.area;
        let mut g = 0;
        while g + 4 <= heads {
            self.rows::<S, 4>(simd, g, heads);
            g += 4;
        }
        while g < heads {
            self.rows::<S, 1>(simd, g, heads);
            g += 1;
        }
        for (sum, x) in self.sums.iter_mut().zip(self.x.chunks_exact(self.area)) {
            *sum += crate::kernels::simd::sum(simd, x);
        }
    }
}

impl Dots<'_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S, g: usize, heads: usize) {
        let mut h = 0;
        while h + 2 <= heads {
            self.tile::<S, R, 2>(simd, g, h, heads);
            h += 2;
        }
        if h < heads {
            self.tile::<S, R, 1>(simd, g, h, heads);
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        g: usize,
        h: usize,
        heads: usize,
    ) {
        let head = |data, head: usize| S::as_simd_f32s(slice(data, head, self.area)).0;
        let x: [&[S::f32s]; R] = std::array::from_fn(|r| head(self.x, g + r));
        let y: [&[S::f32s]; C] = std::array::from_fn(|c| head(self.y, h + c));
        let vectors = x[0].len();
        let (x, y) = (x.map(|x| &x[..vectors]), y.map(|y| &y[..vectors]));
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        for t in 0..vectors {
            let y = y.map(|y| y[t]);
            for (sums, x) in sums.iter_mut().zip(x) {
                for (sum, y) in sums.iter_mut().zip(y) {
                    *sum = simd.mul_add_e_f32s(x[t], y, *sum);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                self.products[(g + r) * heads + h + c] += simd.reduce_sum_f32s(sum);
            }
        }
    }
}

#[inline(always)]
fn slice(data: &[f32], head: usize, area: usize) -> &[f32] {
    &data[head * area..][..area]
}
