//! What the machine could do at best: multiply-adds in registers, and a large matrix product.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spectralkd_nn::kernels::matmul::{View, product};
use spectralkd_nn::kernels::simd::{self, Simd, WithSimd};

use crate::error::Result;

/// Independent chains of multiply-adds on each thread. More than latency times throughput of a fused multiply-add (4
/// cycles, 2 a cycle on current x86), and few enough for the 16 registers of AVX2.
const CHAINS: usize = 12;
/// Multiply-adds of a chain: one or two milliseconds.
const ROUNDS: usize = 1 << 19;
/// Of so many measurements of multiply-adds the best counts; short and many, to find a moment without disturbance.
const ATTEMPTS: usize = 100;
/// Rows and columns of the matrices.
const SIDE: usize = 2048;
/// Of so many matrix products the best counts.
const PRODUCTS: usize = 6;
/// Rows and columns of the matrices on a card, which is busy for too short a time with smaller ones.
const CARD_SIDE: usize = 4096;

/// Rates on all threads of a pool together, or on a card, in 1e9 floating-point operations per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Independent multiply-adds in registers (two operations each) on the instruction set that the kernels use: no
    /// program is faster. Not measured on a card.
    pub fma_gflop_per_s: Option<f64>,
    /// A product of two 2048x2048 matrices in f32, `2 * 2048^3` operations, each thread with its share of the rows: what
    /// a program of large matrix products reaches. On a card of 4096x4096 ones, in the precision of the runtime.
    pub sgemm_gflop_per_s: f64,
}

impl Ceiling {
    /// Measures both on the current rayon pool, in about a second; the best of several attempts.
    pub fn measure() -> Self {
        Self {
            fma_gflop_per_s: Some(best(ATTEMPTS, || multiply_adds(ROUNDS))),
            sgemm_gflop_per_s: sgemm(SIDE, PRODUCTS),
        }
    }

    /// As [`Self::measure`] where the device is the CPU; else what the device does.
    ///
    /// # Errors
    /// A product fails on the device.
    pub fn of(device: &Device) -> Result<Self> {
        if device.is_cpu() {
            return Ok(Self::measure());
        }
        Ok(Self {
            fma_gflop_per_s: None,
            sgemm_gflop_per_s: matmul(CARD_SIDE, PRODUCTS, device)?,
        })
    }
}

/// The highest rate of several attempts that each return their number of operations, in 1e9 per second.
fn best(attempts: usize, attempt: impl Fn() -> f64) -> f64 {
    let rate = |_| {
        let start = Instant::now();
        let operations = attempt();
        operations / start.elapsed().as_secs_f64() / 1e9
    };
    (0..attempts).map(rate).fold(0.0, f64::max)
}

/// Runs the chains on every thread of the pool; the number of operations.
fn multiply_adds(rounds: usize) -> f64 {
    let done = rayon::broadcast(|_| simd::best().dispatch(Chains { rounds }));
    done.into_iter().sum()
}

/// [`CHAINS`] chains `x = x * factor + summand`, whose links wait for each other and for no other chain.
struct Chains {
    rounds: usize,
}

impl WithSimd for Chains {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // Opaque to the optimiser, or it would compute the result beforehand; different starts, or it would take all
        // chains for one.
        let factor = simd.splat_f32s(black_box(0.75));
        let summand = simd.splat_f32s(black_box(0.25));
        let mut chains = [factor; CHAINS];
        for (i, chain) in chains.iter_mut().enumerate() {
            *chain = simd.splat_f32s(black_box(1.0 + i as f32));
        }
        for _ in 0..self.rounds {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, factor, summand);
            }
        }
        for chain in chains {
            black_box(simd.reduce_sum_f32s(chain));
        }
        2.0 * (CHAINS * S::F32_LANES) as f64 * self.rounds as f64
    }
}

/// Numbers of `-0.5 .. 0.5` for a square matrix.
fn matrix(side: usize, step: usize) -> Vec<f32> {
    let number = |i: usize| (i * step % 101) as f32 / 101.0 - 0.5;
    (0..side * side).map(number).collect()
}

/// The rate of `side` x `side` matrix products of candle's on a device.
fn matmul(side: usize, attempts: usize, device: &Device) -> Result<f64> {
    let on = |step| Tensor::from_vec(matrix(side, step), (side, side), device);
    let (a, b) = (on(7)?, on(13)?);
    let mut rate: f64 = 0.0;
    for _ in 0..attempts {
        device.synchronize()?;
        let start = Instant::now();
        black_box(a.matmul(&b)?);
        device.synchronize()?;
        let operations = 2.0 * (side as f64).powi(3);
        rate = rate.max(operations / start.elapsed().as_secs_f64() / 1e9);
    }
    Ok(rate)
}

/// The rate of `side` x `side` matrix products cut into as many pieces of rows as there are threads.
fn sgemm(side: usize, attempts: usize) -> f64 {
    let (a, b) = (matrix(side, 7), matrix(side, 13));
    let mut out = vec![MaybeUninit::new(0.0f32); side * side];
    let rows = side.div_ceil(rayon::current_num_threads());
    let mut rate: f64 = 0.0;
    for _ in 0..attempts {
        let start = Instant::now();
        out.par_chunks_mut(rows * side)
            .enumerate()
            .for_each(|(i, out)| {
                let share = out.len() / side;
                let a = View::new(&a[i * rows * side..], share, side);
                product(out, side, 1.0, a, View::new(&b, side, side));
            });
        black_box(&mut out);
        let operations = 2.0 * (side as f64).powi(3);
        rate = rate.max(operations / start.elapsed().as_secs_f64() / 1e9);
    }
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_on_every_thread() {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let one = pool(1).unwrap().install(|| multiply_adds(10));
        let three = pool(3).unwrap().install(|| multiply_adds(10));
        assert_eq!(three, 3.0 * one);
        // Two operations in 12 chains of 10 links, on vectors of some power of two.
        let lanes = one / (2.0 * 12.0 * 10.0);
        assert!([1.0, 2.0, 4.0, 8.0, 16.0].contains(&lanes), "{lanes} lanes");
    }

    #[test]
    fn rates_are_positive_for_any_cut() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let rate = pool.unwrap().install(|| sgemm(33, 2));
            assert!(rate.is_finite() && rate > 0.0, "{threads}: {rate}");
        }
        let rate = matmul(33, 2, &Device::Cpu).unwrap();
        assert!(rate.is_finite() && rate > 0.0, "{rate}");
    }
}
