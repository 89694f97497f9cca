//! The product in vector code of any width: bf16 pairs unpacked to two f32 vectors.
//!
//! An f32 is a bf16 followed by 16 zeros, so a shift gives the even k of a pair and a mask the odd
//! one. A tile of y, R rows by V vectors, stays in registers while k runs; each unpacked vector
//! serves R fused multiply-adds, beside which the unpacking is small.

use super::super::simd::{Simd, WithSimd};
use super::pack::{COLUMNS, Pairs};
use super::strip::{ROWS, Strip};

/// Adds a strip's product onto y. A pair of x is its two numbers, rounded.
pub(super) struct Portable<'a, 'b>(pub &'a mut Strip<'b, [f32; 2]>);

impl WithSimd for Portable<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const { assert!(COLUMNS.is_multiple_of(S::F32_LANES)) };
        let strip = self.0;
        let panels = strip.panels();
        if S::F32_LANES < COLUMNS {
            // Several vectors make a panel: 2 of AVX2's, with its 16 registers; 4 of NEON's.
            for panel in 0..panels {
                if S::REGISTER_COUNT < 32 && S::F32_LANES > 1 {
                    all_rows::<S, 2>(simd, strip, panel);
                } else {
                    all_rows::<S, 4>(simd, strip, panel);
                }
            }
        } else {
            // A panel is one vector; up to four of them make a tile.
            match panels {
                1 => all_rows::<S, 1>(simd, strip, 0),
                2 => all_rows::<S, 2>(simd, strip, 0),
                3 => all_rows::<S, 3>(simd, strip, 0),
                _ => all_rows::<S, 4>(simd, strip, 0),
            }
        }
    }
}

/// All rows of the strip, V vectors at a time: those of one panel after the other, or V panels.
#[inline(always)]
fn all_rows<S: Simd, const V: usize>(simd: S, strip: &mut Strip<'_, [f32; 2]>, panel: usize) {
    let per_panel = (COLUMNS / S::F32_LANES / V).max(1);
    for row in (0..strip.rows()).step_by(ROWS) {
        for part in 0..per_panel {
            let at = (row, panel, part * V);
            match strip.rows() - row {
                1 => tile::<S, 1, V>(simd, strip, at),
                2 => tile::<S, 2, V>(simd, strip, at),
                3 => tile::<S, 3, V>(simd, strip, at),
                4 => tile::<S, 4, V>(simd, strip, at),
                5 => tile::<S, 5, V>(simd, strip, at),
                _ => tile::<S, ROWS, V>(simd, strip, at),
            }
        }
    }
}

/// R rows by V vectors, from a row, a panel and a vector in it on.
#[inline(always)]
fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    strip: &mut Strip<'_, [f32; 2]>,
    (row, panel, vector): (usize, usize, usize),
) {
    let x: [&[[f32; 2]]; R] = strip.x_rows(row);
    let pairs = x[0].len();
    let mut w: [&[Pairs]; V] = [&[]; V];
    let mut within = [0; V];
    for v in 0..V {
        if S::F32_LANES < COLUMNS {
            (w[v], within[v]) = (strip.panel(panel), vector + v);
        } else {
            w[v] = strip.panel(panel + v);
        }
        w[v] = &w[v][..pairs];
    }
    let (sixteen, high) = (simd.splat_u32s(16), simd.splat_u32s(0xffff_0000));
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for k in 0..pairs {
        let mut words = [simd.splat_u32s(0); V];
        let mut unpacked = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            words[v] = S::as_simd_u32s(&w[v][k].0).0[within[v]];
            let even = simd.wrapping_dyn_shl_u32s(words[v], sixteen);
            unpacked[v] = simd.transmute_f32s_u32s(even);
        }
        for r in 0..R {
            let x = simd.splat_f32s(x[r][k][0]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, unpacked[v], sums[r][v]);
            }
        }
        for v in 0..V {
            unpacked[v] = simd.transmute_f32s_u32s(simd.and_u32s(words[v], high));
        }
        for r in 0..R {
            let x = simd.splat_f32s(x[r][k][1]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, unpacked[v], sums[r][v]);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            let column = panel * COLUMNS + (vector + v) * S::F32_LANES;
            add(simd, sum, strip.y_row(row + r, column));
        }
    }
}

/// Adds the lanes of `sum` that there is room for onto `y`.
#[inline(always)]
fn add<S: Simd>(simd: S, sum: S::f32s, y: &mut [f32]) {
    if let Some(y) = y.get_mut(..S::F32_LANES) {
        for y in S::as_mut_simd_f32s(y).0 {
            *y = simd.add_f32s(*y, sum);
        }
    } else {
        let old = simd.partial_load_f32s(y);
        simd.partial_store_f32s(y, simd.add_f32s(old, sum));
    }
}
