//! The product through AVX512-BF16: `vdpbf16ps` multiplies 32 bf16 by 32 and adds the products of
//! each pair onto one f32 lane (Intel's Software Developer's Manual, volume 2, VDPBF16PS).
//!
//! Its additions are f32, in an order within the pair that it does not promise; subnormal operands
//! count as zero, and subnormal results become zero. A tile of y, R rows by P panels, stays in
//! registers while k runs: with 6 rows and 4 panels, 24 sums, 4 vectors of w and pairs of x that are
//! broadcast from memory.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
};
use std::mem::transmute;

use super::pack::{COLUMNS, Pairs};
use super::strip::{ROWS, Strip};

/// The proof that this machine has AVX512-BF16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512Bf16(());

impl Avx512Bf16 {
    /// The proof, if it is so.
    pub fn try_new() -> Option<Self> {
        let there = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512bf16");
        there.then_some(Self(()))
    }

    /// Adds a strip's product onto y. A pair of x is its two bf16, the even k in the low half.
    pub(super) fn run(self, strip: &mut Strip<'_, u32>) {
        // SAFETY: `try_new`, the only way to make `self`, has seen the instruction sets (avx512bw
        // is what avx512bf16 implies for the compiler).
        unsafe {
            match strip.panels() {
                1 => all_rows::<1>(strip),
                2 => all_rows::<2>(strip),
                3 => all_rows::<3>(strip),
                _ => all_rows::<4>(strip),
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn all_rows<const P: usize>(strip: &mut Strip<'_, u32>) {
    for row in (0..strip.rows()).step_by(ROWS) {
        match strip.rows() - row {
            1 => tile::<1, P>(strip, row),
            2 => tile::<2, P>(strip, row),
            3 => tile::<3, P>(strip, row),
            4 => tile::<4, P>(strip, row),
            5 => tile::<5, P>(strip, row),
            _ => tile::<ROWS, P>(strip, row),
        }
    }
}

/// R rows by P panels, from `row` on.
#[target_feature(enable = "avx512f,avx512bf16")]
fn tile<const R: usize, const P: usize>(strip: &mut Strip<'_, u32>, row: usize) {
    let x: [&[u32]; R] = strip.x_rows(row);
    let pairs = x[0].len();
    let mut w: [&[Pairs]; P] = [&[]; P];
    for (panel, w) in w.iter_mut().enumerate() {
        *w = &strip.panel(panel)[..pairs];
    }
    let mut sums = [[_mm512_setzero_ps(); P]; R];
    for k in 0..pairs {
        let mut of_w = [bf16(_mm512_set1_epi32(0)); P];
        for (of_w, w) in of_w.iter_mut().zip(w) {
            // SAFETY: both are 64 bytes without padding, of which every value is valid.
            *of_w = unsafe { transmute::<[u32; COLUMNS], __m512bh>(w[k].0) };
        }
        for (sums, x) in sums.iter_mut().zip(x) {
            let x = bf16(_mm512_set1_epi32(x[k].cast_signed()));
            for (sum, &w) in sums.iter_mut().zip(&of_w) {
                *sum = _mm512_dpbf16_ps(*sum, x, w);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (panel, &sum) in sums.iter().enumerate() {
            add(sum, strip.y_row(row + r, panel * COLUMNS));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, of which every value is valid.
    unsafe { transmute(bits) }
}

/// Adds the lanes of `sum` that there is room for onto `y`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add(sum: __m512, y: &mut [f32]) {
    let lanes = y.len().min(COLUMNS);
    let mask = ((1u32 << lanes) - 1) as u16;
    // SAFETY: the mask has the lowest `lanes` bits set, and y has at least that many numbers; lanes
    // that are masked out are neither read nor written.
    unsafe {
        let old = _mm512_maskz_loadu_ps(mask, y.as_ptr());
        _mm512_mask_storeu_ps(y.as_mut_ptr(), mask, _mm512_add_ps(old, sum));
    }
}
