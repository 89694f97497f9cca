//! What the benches of layers and losses share.
#![allow(dead_code)] // each bench uses its own part

use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use criterion::Criterion;
use spectralkd_base::random::Stream;
use spectralkd_nn::Result;

/// A variable of normal numbers, which depend on `name`.
pub fn var(name: &str, shape: &[usize]) -> Var {
    let mut stream = Stream::new(1, name);
    let count = shape.iter().product();
    let data: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Var::from_vec(data, shape, &Device::Cpu).expect("a variable")
}

/// One of two forms of a layer, with its name.
pub type Form<'a> = (&'a str, &'a dyn Fn() -> Result<Tensor>);

/// Times both forms of a layer, forward ("fwd") and forward with backward ("both").
pub fn compare(c: &mut Criterion, name: &str, forms: [Form<'_>; 2]) {
    let mut group = c.benchmark_group(name);
    for (form, f) in forms {
        group.bench_function(format!("fwd/{form}"), |b| b.iter(|| f().expect("a result")));
        group.bench_function(format!("both/{form}"), |b| {
            b.iter(|| {
                let y = f().expect("a result").sum_all().expect("a sum");
                y.backward().expect("gradients")
            });
        });
    }
    group.finish();
}

/// Settings for layers, which take milliseconds.
pub fn config() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}
