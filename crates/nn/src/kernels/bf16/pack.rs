//! Rounding to bf16, and weights packed for the product.

use std::fmt;
use std::mem::MaybeUninit;

/// Columns (rows of w) in a panel: one AVX-512 vector of pairs.
pub const COLUMNS: usize = 16;

/// Two neighbouring k of each column of a panel: the even k in the low half of a word, the odd one
/// in the high half, as `vdpbf16ps` reads them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Pairs(pub(super) [u32; COLUMNS]);

/// `x` rounded to the nearest bf16 (ties to even), as the bits of an f32: those of the bf16 and 16
/// zeros. Beyond the largest bf16 it is infinite; NaN stays NaN.
#[inline(always)]
pub fn round(x: f32) -> u32 {
    const HIGH: u32 = 0xffff_0000;
    const QUIET: u32 = 0x0040_0000;
    let bits = x.to_bits();
    // Half a unit of the last place kept, or just less where that is even. A carry out of the
    // significand is what the exponent needs; only in NaN, kept apart, could it reach the sign.
    let half = 0x7fff + ((bits >> 16) & 1);
    let rounded = bits.wrapping_add(half);
    let bits = if x.is_nan() { bits | QUIET } else { rounded };
    bits & HIGH
}

/// A weight w [N, K] in bf16, cut into panels of [`COLUMNS`] of its N rows.
///
/// A panel holds, for each pair of k in turn, that pair of all its columns ([`Pairs`]): so the
/// product reads it from beginning to end. Missing columns of the last panel and the missing last
/// k of an odd K are zero. It takes 2 K N bytes, rounded up to whole panels and pairs.
#[derive(Clone)]
pub struct Packed {
    panels: Vec<Pairs>,
    inputs: usize,
    outputs: usize,
}

impl Packed {
    /// w [outputs, inputs], row by row, each number rounded to the nearest bf16 (ties to even).
    /// Panics if it does not have its length.
    pub fn new(weight: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * inputs);
        let panels = (0..outputs.div_ceil(COLUMNS)).flat_map(|panel| {
            (0..inputs.div_ceil(2)).map(move |pair| {
                let at = |column: usize, k: usize| {
                    let column = panel * COLUMNS + column;
                    let inside = column < outputs && k < inputs;
                    if inside {
                        round(weight[column * inputs + k]) >> 16
                    } else {
                        0
                    }
                };
                let word = |column| at(column, 2 * pair) | at(column, 2 * pair + 1) << 16;
                Pairs(std::array::from_fn(word))
            })
        });
        Self {
            panels: panels.collect(),
            inputs,
            outputs,
        }
    }

    /// K.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// N.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(self.panels.as_slice())
    }

    /// Pairs of k, the last perhaps half empty.
    pub(super) fn pairs(&self) -> usize {
        self.inputs.div_ceil(2)
    }

    /// One panel: [`Self::pairs`] times [`COLUMNS`] pairs.
    pub(super) fn panel(&self, panel: usize) -> &[Pairs] {
        &self.panels[panel * self.pairs()..][..self.pairs()]
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed(bf16, [{}, {}])", self.outputs, self.inputs)
    }
}

/// Rows of x, each number rounded ([`round`]), as `pair` makes a P of the bits of an even and the
/// following odd k; the missing last k of an odd K is zero. All of `out`, which has room for the
/// pairs of the same number of rows, is written.
#[inline(always)]
pub(super) fn round_rows<P>(
    x: &[f32],
    inputs: usize,
    out: &mut [MaybeUninit<P>],
    pair: impl Fn(u32, u32) -> P,
) {
    let pairs = inputs.div_ceil(2);
    assert_eq!(out.len() * inputs, x.len() * pairs);
    let rows = x.chunks_exact(inputs);
    for (x, out) in rows.zip(out.chunks_exact_mut(pairs)) {
        let (pairs, last) = x.as_chunks::<2>();
        for (&[even, odd], out) in pairs.iter().zip(out.iter_mut()) {
            out.write(pair(round(even), round(odd)));
        }
        if let (&[even], Some(out)) = (last, out.last_mut()) {
            out.write(pair(round(even), 0));
        }
    }
}
