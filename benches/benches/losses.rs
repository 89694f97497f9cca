//! The losses at the sizes of a step, forward ("fwd") and forward with backward to the student
//! ("both"): the feature losses on one pair of layers, DeiT-Tiny's (8 x 192 x 14 x 14) and
//! Swin-Tiny's first stage (8 x 96 x 56 x 56), and those of logits on 8 x 1000.
//!
//! `cargo bench -p spectralkd-benches --bench losses -- 'parseval'`

mod common;

use candle_core::{Device, Tensor, Var};
use common::var;
use criterion::{Criterion, criterion_group, criterion_main};
use spectralkd_losses::kinds::dist::correlation_losses;
use spectralkd_losses::kinds::manifold::relation_errors;
use spectralkd_losses::kinds::spectral_band::{Bins, spectral_band_loss};
use spectralkd_losses::{
    Result, cross_entropy, hard_distillation, mean_squared_error, soft_distillation, spectral_loss,
    spectral_loss_by_fft,
};

type Loss = fn(&Tensor, &Tensor) -> Result<Tensor>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn bench(c: &mut Criterion, name: &str, student: &Var, loss: impl Fn(&Tensor) -> Result<Tensor>) {
    let mut group = c.benchmark_group(name);
    let data = student.as_detached_tensor();
    group.bench_function("fwd", |b| b.iter(|| loss(&data).expect("a loss")));
    group.bench_function("both", |b| {
        b.iter(|| {
            let loss = loss(student).expect("a loss");
            loss.backward().expect("gradients")
        });
    });
    group.finish();
}

fn features(c: &mut Criterion) {
    for shape in [[8, 192, 14, 14], [8, 96, 56, 56]] {
        let (student, teacher) = (var("student", &shape), var("teacher", &shape));
        let teacher = teacher.as_detached_tensor();
        for (name, loss) in [
            ("parseval", spectral_loss as Loss),
            ("fft", spectral_loss_by_fft),
            ("mse", mean_squared_error),
            ("low band", |s, t| {
                spectral_band_loss(s, t, Bins::UpTo(0.25))
            }),
            ("manifold", |s, t| {
                let drawn: Vec<u32> = (0..192).collect();
                let [patch, sample, random] = relation_errors(s, t, &drawn)?;
                Ok(((patch + sample)? + random)?)
            }),
        ] {
            // Relations within a grid of 56 x 56 are 79 million numbers: nobody asks for them.
            if name == "manifold" && shape[2] == 56 {
                continue;
            }
            let name = format!("{name}/{shape:?}");
            bench(c, &name, &student, |student| loss(student, &teacher));
        }
    }
}

fn logits(c: &mut Criterion) {
    let (student, teacher) = (var("student", &[8, 1000]), var("teacher", &[8, 1000]));
    let teacher = teacher.as_detached_tensor();
    let labels = Tensor::arange(0u32, 8, &Device::Cpu).expect("labels");
    bench(c, "cross entropy, smoothed", &student, |student| {
        cross_entropy(student, &labels, 0.1)
    });
    bench(c, "soft distillation", &student, |student| {
        soft_distillation(student, &teacher, 1.0)
    });
    bench(c, "hard distillation", &student, |student| {
        hard_distillation(student, &teacher)
    });
    bench(c, "dist", &student, |student| {
        let [inter, intra] = correlation_losses(student, &teacher, 1.0)?;
        Ok((inter + intra)?)
    });
}

criterion_group!(losses, features, logits);
criterion_main!(losses);
