//! Random streams keyed by what they are for.
//!
//! A [`Stream`] is a 128-bit key and a position. Word `i` of a stream is a pure
//! function of (key, `i`), so no draw depends on which thread makes it, on what was
//! drawn elsewhere, or on how far a run had come before it was resumed.
//!
//! How keys are made (fixed for good: old runs must stay reproducible):
//!
//! - Words come from [Philox4x32-10](https://doi.org/10.1145/2063384.2063405). Half of
//!   the stream's key is Philox's key; the other half is the upper half of the counter,
//!   whose lower half counts blocks of four words.
//! - `Stream::new(seed, purpose)` is the child named `purpose` of the key (seed, 0).
//! - A child's key is one Philox block of the parent's key, at the FNV-1a hash (64 bits)
//!   of its name or at its number, under a counter that no draw and no child of the other
//!   kind uses (except by a coincidence of 64 bits). A child therefore depends on its
//!   parent's key alone, never on how far the parent has been drawn.

use std::f64::consts::TAU;

use crate::philox::{block, high, join, low};

/// Words in one Philox block.
const WORDS: u64 = 4;
/// Marks the counters of children keyed by a name, to keep them apart from those of draws
/// and of children keyed by a number.
const NAMED: u64 = u64::from_be_bytes(*b"by name ");
/// Marks the counters of children keyed by a number.
const NUMBERED: u64 = u64::from_be_bytes(*b"by index");

/// A sequence of random words, fixed by its key; the position moves as words are drawn.
///
/// Cloning copies the position too; [`Stream::named`] and [`Stream::at`] start at 0.
///
/// ```
/// use spectralkd_base::random::Stream;
///
/// let flips = Stream::new(0, "flip").at(3 /* epoch */);
/// let forward: Vec<bool> = (0..8).map(|i| flips.at(i).bernoulli(0.5)).collect();
/// let backward: Vec<bool> = (0..8).rev().map(|i| flips.at(i).bernoulli(0.5)).collect();
/// assert!(forward.iter().eq(backward.iter().rev()));
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    /// Philox's key, and the upper half of its counter.
    key: [u64; 2],
    /// Words drawn so far.
    position: u64,
    /// The block that holds the last word drawn (valid where `position % 4 != 0`).
    words: [u32; WORDS as usize],
}

impl Stream {
    /// The stream of this seed for this purpose ("init", "shuffle", "drop path", ...).
    /// Streams of different purposes are independent.
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self::from_key([seed, 0]).named(purpose)
    }

    /// The child keyed by a name (a parameter, a layer).
    pub fn named(&self, name: &str) -> Self {
        self.child(NAMED, fnv1a(name.as_bytes()))
    }

    /// The child keyed by a number (an epoch, a sample, a step).
    pub fn at(&self, index: u64) -> Self {
        self.child(NUMBERED, index)
    }

    /// The next 32 bits, uniform.
    pub fn next_u32(&mut self) -> u32 {
        let lane = self.position % WORDS;
        if lane == 0 {
            self.words = philox(self.key, self.position / WORDS, self.key[1]);
        }
        self.position = self.position.wrapping_add(1);
        self.words[lane as usize]
    }

    /// The next 64 bits, uniform: two words, the low half first.
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        join(low, self.next_u32())
    }

    /// A uniform number in [0, 1): a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normal number of mean 0 and standard deviation 1, by Box and Muller's
    /// sqrt(-2 ln u) cos(2 pi v). Takes four words; |x| < 8.6.
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.uniform(); // in (0, 1]: the logarithm is finite
        let v = self.uniform();
        (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
    }

    /// A number with the gamma distribution of this shape (above 0) and scale 1, by Marsaglia
    /// and Tsang ("A simple method for generating gamma variables", 2000). The number of words
    /// that it takes varies. NaN for a shape that is not above 0 or not finite.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        self.ln_gamma(shape).exp()
    }

    /// A number in [0, 1] with the beta distribution of these two shapes (above 0): X / (X + Y)
    /// of two gamma numbers, computed from their logarithms, since both may be too small for a
    /// floating-point number where the shapes are. NaN for shapes that are not above 0 or not
    /// finite.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let x = self.ln_gamma(a);
        let y = self.ln_gamma(b);
        1.0 / (1.0 + (y - x).exp())
    }

    /// The logarithm of a gamma number of this shape and scale 1.
    fn ln_gamma(&mut self, shape: f64) -> f64 {
        if !(shape > 0.0 && shape.is_finite()) {
            return f64::NAN;
        }
        // A shape below 1 is drawn as that shape + 1, times u^(1 / shape).
        let boosted = if shape < 1.0 { shape + 1.0 } else { shape };
        let d = boosted - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        let ln = loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - self.uniform(); // in (0, 1]: the logarithm is finite
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                break d.ln() + v.ln();
            }
        };
        if shape < 1.0 {
            ln + (1.0 - self.uniform()).ln() / shape
        } else {
            ln
        }
    }

    /// A uniform whole number in 0..n, without bias (Lemire 2019: multiply, and reject
    /// the few words that would favour some numbers). For n = 0 the result is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let rejected = n.wrapping_neg() % n; // 2^64 mod n
            while (product as u64) < rejected {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// True with probability p: always for p >= 1, never for p <= 0 or NaN.
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Puts `xs` into a uniformly random order (Fisher and Yates, from the end).
    pub fn shuffle<T>(&mut self, xs: &mut [T]) {
        for last in (1..xs.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            xs.swap(last, other);
        }
    }

    /// The numbers 0..n in a uniformly random order.
    ///
    /// # Panics
    /// If n is above 2^32, whose numbers do not fit the result.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        assert!(
            n as u64 <= 1 << 32,
            "a permutation holds at most 2^32 numbers, {n} were asked for"
        );
        let mut numbers: Vec<u32> = (0..n as u64).map(|i| i as u32).collect();
        self.shuffle(&mut numbers);
        numbers
    }

    fn from_key(key: [u64; 2]) -> Self {
        Self {
            key,
            position: 0,
            words: [0; WORDS as usize],
        }
    }

    fn child(&self, kind: u64, id: u64) -> Self {
        let words = philox(self.key, id, self.key[1] ^ kind);
        Self::from_key([join(words[0], words[1]), join(words[2], words[3])])
    }
}

/// The Philox block at the counter (`lower`, `upper`) under the first half of `key`.
fn philox(key: [u64; 2], lower: u64, upper: u64) -> [u32; 4] {
    block(
        [low(lower), high(lower), low(upper), high(upper)],
        [low(key[0]), high(key[0])],
    )
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of the FNV authors (draft-eastlake-fnv, 64-bit FNV-1a).
    #[test]
    fn hashes_as_published() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn draws_are_the_philox_blocks_in_order() {
        let mut stream = Stream::from_key([0, 0]);
        let first: Vec<u32> = (0..4).map(|_| stream.next_u32()).collect();
        assert_eq!(first, block([0; 4], [0; 2]));
        let second: Vec<u32> = (0..4).map(|_| stream.next_u32()).collect();
        assert_eq!(second, block([1, 0, 0, 0], [0; 2]));

        let mut wide = Stream::from_key([0x0000_0002_0000_0001, 0x0000_0004_0000_0003]);
        assert_eq!(wide.next_u32(), block([0, 0, 3, 4], [1, 2])[0]);
    }
}
