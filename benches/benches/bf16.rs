//! Linear maps of a frozen cait_s24_224 (batch 8): weights in f32, and in bf16 by each kernel that
//! this machine has.
//!
//! `cargo bench -p spectralkd-benches --bench bf16 -- 1568x384x1152`
//!
//! The f32 product is the one of frozen layers, on weights laid out for it once. `RAYON_NUM_THREADS`
//! sets the number of threads (1, if nothing else is said).

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::bf16::{self, Dot, Packed};
use spectralkd_nn::kernels::linear::{self, Sizes, Weight};
use spectralkd_nn::kernels::mlp;
use spectralkd_nn::kernels::simd;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 8 images of 14 x 14 tokens.
const ROWS: usize = 8 * 14 * 14;

fn normals(seed: u64, count: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, "bench");
    (0..count).map(|_| stream.normal() as f32).collect()
}

fn linear(c: &mut Criterion) {
    for (inputs, outputs) in [(384, 1152), (384, 384), (384, 1536), (1536, 384)] {
        let sizes = Sizes {
            rows: ROWS,
            inputs,
            outputs,
        };
        let (x, w) = (normals(1, ROWS * inputs), normals(2, outputs * inputs));
        let bias = normals(3, outputs);
        let mut group = c.benchmark_group(format!("linear {ROWS}x{inputs}x{outputs}"));
        group.throughput(Throughput::Elements((2 * ROWS * inputs * outputs) as u64));
        group.bench_function("f32", |b| {
            b.iter(|| linear::forward(sizes, &x, Weight::Columns(&w), Some(&bias)))
        });
        let packed = Packed::new(&w, inputs, outputs);
        for dot in Dot::available() {
            group.bench_function(format!("bf16/{dot:?}"), |b| {
                b.iter(|| bf16::forward(dot, &x, &packed, Some(&bias)))
            });
        }
    }
}

fn perceptron(c: &mut Criterion) {
    let (channels, hidden) = (384, 1536);
    let x = normals(1, ROWS * channels);
    let (first, second) = (
        normals(2, (channels + 1) * hidden),
        normals(3, (hidden + 1) * channels),
    );
    let mut group = c.benchmark_group(format!("mlp {ROWS}x{channels}x{hidden}"));
    group.throughput(Throughput::Elements((4 * ROWS * channels * hidden) as u64));
    let (w1, b1) = first.split_at(channels * hidden);
    let (w2, b2) = second.split_at(channels * hidden);
    let parameters = mlp::Parameters {
        first: (Weight::Columns(w1), b1),
        second: (Weight::Columns(w2), b2),
    };
    group.bench_function("f32", |b| {
        b.iter(|| mlp::forward(simd::best(), parameters, &x, false))
    });
    let (w1, w2) = (
        Packed::new(w1, channels, hidden),
        Packed::new(w2, hidden, channels),
    );
    let parameters = bf16::mlp::Parameters {
        first: (&w1, Some(b1)),
        second: (&w2, Some(b2)),
    };
    for dot in Dot::available() {
        group.bench_function(format!("bf16/{dot:?}"), |b| {
            b.iter(|| bf16::mlp::forward(dot, parameters, &x))
        });
    }
}

criterion_group!(benches, linear, perceptron);
criterion_main!(benches);
