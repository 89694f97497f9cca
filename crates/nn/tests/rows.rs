//! A row of a result does not depend on the other rows, nor on how many there are, nor on whether weights are trained.
//!
//! A teacher that is asked 256 images at a time has to give what it gives for 32.

mod common;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use common::{CPU, normals32, tensor};
use spectralkd_nn::kernels::matmul::{View, product, product_add};
use spectralkd_nn::kernels::storage::{filled, to_vec};
use spectralkd_nn::{Attention, ClassAttention, LayerNorm, Linear, Mlp, TalkingHeadAttention};

const MOST: usize = 300;
const COUNTS: [usize; 14] = [1, 2, 3, 4, 7, 16, 25, 26, 64, 65, 128, 129, 256, 257];

#[track_caller]
fn assert_same(got: &[f32], want: &[f32], what: impl Fn() -> String) {
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(got) == bits(want), "{}", what());
}

#[test]
fn products_of_few_rows_are_those_of_many() {
    for n in [1, 2, 10, 16, 63, 64, 65, 129, 300] {
        for k in [1, 2, 3, 17, 192, 512, 513, 768, 1200] {
            let (a, b) = (normals32(1, MOST * k), normals32(2, k * n));
            let bt: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
            let start = normals32(3, MOST * n);
            // The weight column by column, as frozen ones lie, and row by row.
            let weights = [View::new(&b, k, n), View::new(&bt, n, k).t()];
            let results = |from: usize, count: usize, weight: usize| {
                let rows = View::new(&a[from * k..], count, k);
                let fill = |out: &mut _| product(out, n, 1.0, rows, weights[weight]);
                // SAFETY: the result without gaps covers the whole slice.
                let y = unsafe { filled(count * n, fill) };
                let mut sum = start[from * n..][..count * n].to_vec();
                product_add(&mut sum, n, 1.0, rows, weights[weight]);
                [y, sum]
            };
            let all = results(0, MOST, 0);
            for weight in [0, 1] {
                for count in COUNTS.into_iter().chain([MOST]) {
                    for from in [0, (MOST - count) / 2, MOST - count] {
                        let some = results(from, count, weight);
                        for (some, all) in some.iter().zip(&all) {
                            let all = &all[from * n..][..count * n];
                            assert_same(some, all, || {
                                format!("{count} rows from {from}, {k} to {n}, weight {weight}")
                            });
                        }
                    }
                }
            }
        }
    }
}

/// The layer of one kind on variables, and on the same numbers frozen.
fn twice<T>(shapes: &[(&str, &[usize])], make: impl Fn(VarBuilder) -> T) -> [T; 2] {
    [false, true].map(|frozen| {
        let tensors = shapes.iter().enumerate().map(|(i, (name, shape))| {
            let value = tensor(i as u64, shape, DType::F32);
            let value = match frozen {
                true => value,
                false => Var::from_tensor(&value).unwrap().into_inner(),
            };
            (name.to_string(), value)
        });
        make(VarBuilder::from_tensors(
            tensors.collect(),
            DType::F32,
            &CPU,
        ))
    })
}

/// Compares what `layers` make of [`MOST`] samples and of fewer.
fn check(what: &str, layers: [&dyn Fn(&Tensor) -> Tensor; 2], sample: &[usize], counts: &[usize]) {
    let most = counts.iter().copied().max().unwrap();
    let x = tensor(99, &[&[most], sample].concat(), DType::F32);
    let numbers = |y: &Tensor| to_vec::<f32>(y).unwrap();
    let all = layers[0](&x);
    for (layer, kind) in layers.iter().zip(["trained", "frozen"]) {
        for &count in counts {
            let some = layer(&x.narrow(0, most - count, count).unwrap());
            let all = all.narrow(0, most - count, count).unwrap();
            assert_same(&numbers(&some), &numbers(&all), || {
                format!("{what}, {kind}, {count} of {most}")
            });
        }
    }
}

#[test]
fn layers_of_few_rows_are_those_of_many() {
    for (inputs, outputs) in [(192, 10), (192, 1000), (768, 10), (384, 384), (3, 1)] {
        let shapes: [(&str, &[usize]); 2] = [("weight", &[outputs, inputs]), ("bias", &[outputs])];
        for bias in [true, false] {
            let layers = twice(&shapes, |vb| {
                Linear::new(inputs, outputs, bias, vb).unwrap()
            });
            let [a, b] = layers
                .each_ref()
                .map(|l| move |x: &Tensor| l.forward(x).unwrap());
            let what = format!("linear {inputs} to {outputs}");
            check(&what, [&a, &b], &[inputs], &[&COUNTS[..], &[2000]].concat());
        }
    }
    for (channels, hidden) in [(192, 768), (5, 7), (48, 192)] {
        let shapes: [(&str, &[usize]); 4] = [
            ("fc1.weight", &[hidden, channels]),
            ("fc1.bias", &[hidden]),
            ("fc2.weight", &[channels, hidden]),
            ("fc2.bias", &[channels]),
        ];
        let layers = twice(&shapes, |vb| Mlp::new(channels, hidden, vb).unwrap());
        let [a, b] = layers
            .each_ref()
            .map(|l| move |x: &Tensor| l.forward(x).unwrap());
        check("mlp", [&a, &b], &[channels], &COUNTS);
    }
    let shapes: [(&str, &[usize]); 2] = [("weight", &[50]), ("bias", &[50])];
    let layers = twice(&shapes, |vb| LayerNorm::new(50, 1e-6, vb).unwrap());
    let [a, b] = layers
        .each_ref()
        .map(|l| move |x: &Tensor| l.forward(x).unwrap());
    check("layer norm", [&a, &b], &[3, 50], &COUNTS);
}

#[test]
fn attention_of_few_images_is_that_of_many() {
    let counts = [1, 2, 7, 32, 100];
    let shapes: [(&str, &[usize]); 8] = [
        ("qkv.weight", &[72, 24]),
        ("qkv.bias", &[72]),
        ("proj.weight", &[24, 24]),
        ("proj.bias", &[24]),
        ("proj_l.weight", &[3, 3]),
        ("proj_l.bias", &[3]),
        ("proj_w.weight", &[3, 3]),
        ("proj_w.bias", &[3]),
    ];
    let layers = twice(&shapes, |vb| Attention::new(24, 3, true, vb).unwrap());
    let [a, b] = layers
        .each_ref()
        .map(|l| move |x: &Tensor| l.forward(x).unwrap());
    check("attention", [&a, &b], &[17, 24], &counts);
    let first = |l: &Attention, x: &Tensor| l.forward_first(x, 1).unwrap();
    let [a, b] = layers.each_ref().map(|l| move |x: &Tensor| first(l, x));
    check("first token", [&a, &b], &[17, 24], &counts);
    let x = tensor(98, &[1, 17, 24], DType::F32);
    let whole = layers[0].forward(&x).unwrap().narrow(1, 0, 1).unwrap();
    let numbers = |y: &Tensor| to_vec::<f32>(y).unwrap();
    assert_same(&numbers(&first(&layers[1], &x)), &numbers(&whole), || {
        "first of all".into()
    });

    let layers = twice(&shapes, |vb| {
        TalkingHeadAttention::new(24, 3, true, vb).unwrap()
    });
    let [a, b] = layers
        .each_ref()
        .map(|l| move |x: &Tensor| l.forward(x).unwrap());
    check("talking heads", [&a, &b], &[17, 24], &counts);

    let square: &[usize] = &[24, 24];
    let shapes: [(&str, &[usize]); 8] = [
        ("q.weight", square),
        ("k.weight", square),
        ("v.weight", square),
        ("proj.weight", square),
        ("q.bias", &[24]),
        ("k.bias", &[24]),
        ("v.bias", &[24]),
        ("proj.bias", &[24]),
    ];
    let layers = twice(&shapes, |vb| ClassAttention::new(24, 3, true, vb).unwrap());
    let [a, b] = layers
        .each_ref()
        .map(|l| move |x: &Tensor| l.forward(x).unwrap());
    check("class attention", [&a, &b], &[17, 24], &counts);
}
