//! The spectral operations on feature maps as a spectral loss meets them: DeiT-Tiny's (8 x 192 x
//! 14 x 14) and the first stage of Swin-Tiny (8 x 96 x 56 x 56), forward ("fwd") and forward with
//! backward ("both"), f32. "tokens" reads the maps as a transformer lays them out, channels
//! innermost; "matrices" is the composed path of other devices. Then what `analyze` runs on every
//! batch of the same maps: the streaming spectra, of channels (also in 8 random orders) and of space.
//!
//! `cargo bench -p spectralkd-benches --bench spectral -- 'rfft2'`
//!
//! For one core: `RAYON_NUM_THREADS=1 taskset -c 0 cargo bench ...`.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use spectralkd_base::random::Stream;
use spectralkd_spectral::{
    ChannelSpectrum, Norm, PermutedSpectra, Result, SpatialSpectrum, adaptive_avg_pool_channels,
    fft, ifft2, irfft2, resize, rfft2, rfft2_by_matrices,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Op = fn(&Tensor) -> Result<Tensor>;

/// The channels' spectra, and from spectra back, beside the transform of the loss.
const OPS: [(&str, Op); 7] = [
    ("rfft2", |x| Ok(rfft2(x, Norm::Ortho)?.into_tensor())),
    ("rfft2/matrices", |x| {
        Ok(rfft2_by_matrices(x, Norm::Ortho)?.into_tensor())
    }),
    ("irfft2 of rfft2", |x| {
        irfft2(&rfft2(x, Norm::Ortho)?, x.dims()[3], Norm::Ortho)
    }),
    ("ifft2", |x| Ok(ifft2(x, Norm::Ortho)?.into_tensor())),
    ("fft over channels", |x| {
        Ok(fft(x, 1, Norm::Ortho)?.into_tensor())
    }),
    ("resize to 7x7", |x| resize(x, [7, 7])),
    ("pool to half the channels", |x| {
        adaptive_avg_pool_channels(x, x.dims()[1] / 2)
    }),
];

/// Batch, channels, height, width.
const SHAPES: [[usize; 4]; 2] = [[8, 192, 14, 14], [8, 96, 56, 56]];

/// A batch into each of the streaming spectra.
fn streaming(c: &mut Criterion) {
    for [b, ch, h, w] in SHAPES {
        let mut stream = Stream::new(0, "bench");
        let values: Vec<f32> = (0..b * ch * h * w)
            .map(|_| stream.uniform() as f32 - 0.5)
            .collect();
        let maps = Tensor::from_vec(values, (b, ch, h, w), &Device::Cpu).unwrap();
        let orders = (0..8).map(|_| stream.permutation(ch));
        let mut channels = ChannelSpectrum::new(ch);
        let mut permuted = PermutedSpectra::new(ch, orders.collect()).unwrap();
        let mut spatial = SpatialSpectrum::new([h, w]);
        let mut group = c.benchmark_group(format!("push/{b}x{ch}x{h}x{w}"));
        group.sample_size(20);
        group.bench_function("channel spectrum", |bench| {
            bench.iter(|| channels.push(&maps).unwrap());
        });
        group.bench_function("8 random orders", |bench| {
            bench.iter(|| permuted.push(&maps).unwrap());
        });
        group.bench_function("spatial spectrum", |bench| {
            bench.iter(|| spatial.push(&maps).unwrap());
        });
        group.finish();
    }
}

fn operations(c: &mut Criterion) {
    for [b, ch, h, w] in SHAPES {
        let mut stream = Stream::new(0, &format!("bench {ch}x{h}"));
        let values: Vec<f32> = (0..b * ch * h * w)
            .map(|_| stream.uniform() as f32 - 0.5)
            .collect();
        let maps = Var::from_vec(values.clone(), (b, ch, h, w), &Device::Cpu).unwrap();
        let tokens = Var::from_vec(values, (b, h, w, ch), &Device::Cpu).unwrap();
        for (name, op) in OPS {
            let mut group = c.benchmark_group(format!("{name}/{b}x{ch}x{h}x{w}"));
            group.sample_size(20);
            group.bench_function("fwd", |bench| bench.iter(|| op(&maps.detach()).unwrap()));
            let both =
                |x: &Tensor| -> Result<GradStore> { Ok(op(x)?.sqr()?.sum_all()?.backward()?) };
            group.bench_function("both", |bench| bench.iter(|| both(&maps).unwrap()));
            group.bench_function("tokens/both", |bench| {
                bench.iter(|| both(&tokens.permute((0, 3, 1, 2)).unwrap()).unwrap());
            });
            group.finish();
        }
    }
}

criterion_group!(spectral, operations, streaming);
criterion_main!(spectral);
