//! Counts over fixed log-spaced bins, from which quantiles are read.

use std::sync::LazyLock;

/// Bins per factor of two: their ends are `2^(1/35) = 1.0200` apart, so that the geometric middle
/// of a bin is within 1 % of every value in it.
const PER_OCTAVE: usize = 35;
/// Values below `2^-64` share the lowest bin, values of at least `2^64` the highest.
const OCTAVES: i32 = 64;
/// Bits of an f64's mantissa.
const MANTISSA: u32 = 52;
/// Leading bits of the mantissa that look a bin up: 128 cells, each narrower than a bin.
const CELL_BITS: u32 = 7;

/// For every cell of the mantissa the bin that it begins in, and where in it the next one begins.
static CELLS: LazyLock<[(usize, u64); 1 << CELL_BITS]> = LazyLock::new(|| {
    let mut cells = [(0, u64::MAX); 1 << CELL_BITS];
    for bin in 1..PER_OCTAVE {
        let edge = mantissa((bin as f64 / PER_OCTAVE as f64).exp2());
        let at = (edge >> (MANTISSA - CELL_BITS)) as usize;
        cells[at].1 = edge;
        for cell in &mut cells[at + 1..] {
            cell.0 = bin;
        }
    }
    cells
});

fn mantissa(value: f64) -> u64 {
    value.to_bits() & ((1 << MANTISSA) - 1)
}

/// Counts of values of at least 0. Memory is that of the bins between the smallest and the largest
/// value seen: at most 35 KiB.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogBins {
    tiny: u64,
    huge: u64,
    /// The bin that `counts` begins with.
    first: usize,
    counts: Vec<u64>,
}

impl LogBins {
    /// Counts a value that is finite and at least 0.
    pub(crate) fn push(&mut self, value: f64) {
        let exponent = (value.to_bits() >> MANTISSA) as i32 - 1023 + OCTAVES;
        if exponent < 0 {
            self.tiny += 1;
        } else if exponent >= 2 * OCTAVES {
            self.huge += 1;
        } else {
            let mantissa = mantissa(value);
            let (bin, edge) = CELLS[(mantissa >> (MANTISSA - CELL_BITS)) as usize];
            let bin = exponent as usize * PER_OCTAVE + bin + usize::from(mantissa >= edge);
            self.cover(bin, bin);
            self.counts[bin - self.first] += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.tiny += other.tiny;
        self.huge += other.huge;
        if !other.counts.is_empty() {
            self.cover(other.first, other.first + other.counts.len() - 1);
            let sums = self.counts[other.first - self.first..].iter_mut();
            for (sum, count) in sums.zip(&other.counts) {
                *sum += count;
            }
        }
    }

    /// Makes room for the bins from `low` to `high`.
    fn cover(&mut self, low: usize, high: usize) {
        if self.counts.is_empty() {
            self.first = low;
        }
        if low < self.first {
            let more = std::iter::repeat_n(0, self.first - low);
            self.counts.splice(0..0, more);
            self.first = low;
        }
        if high >= self.first + self.counts.len() {
            self.counts.resize(high - self.first + 1, 0);
        }
    }

    /// The geometric middle of the bin that holds the value of this rank, counted from 1 in
    /// ascending order: 0 for the lowest bin, infinity for the highest.
    pub(crate) fn at_rank(&self, rank: u64) -> f64 {
        let mut below = self.tiny;
        if rank <= below {
            return 0.0;
        }
        for (i, count) in self.counts.iter().enumerate() {
            below += count;
            if rank <= below {
                let bin = (self.first + i) as f64 + 0.5;
                return (bin / PER_OCTAVE as f64 - f64::from(OCTAVES)).exp2();
            }
        }
        f64::INFINITY
    }
}
