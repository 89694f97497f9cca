//! Linear: differences check the composed form in f64, which checks the kernel.

mod common;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::linear::{self as kernel, Sizes, Wanted, Weight};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{Builder, Form, Linear, Params};
use spectralkd_testing::{assert_close, difference, flat};

/// A layer of these parameters.
fn layer(weight: &Tensor, bias: Option<&Tensor>, form: Form) -> Linear {
    let (outputs, inputs) = weight.dims2().unwrap();
    let named = [("weight", Some(weight)), ("bias", bias)].into_iter();
    let tensors = named.filter_map(|(name, tensor)| Some((name.to_string(), tensor?.clone())));
    let vb = VarBuilder::from_tensors(tensors.collect(), weight.dtype(), &CPU);
    let vb = Builder::from(vb).in_form(form);
    Linear::new(inputs, outputs, bias.is_some(), vb).unwrap()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (x, w, b) = (
        var(1, &[2, 3, 5], DType::F64),
        var(2, &[4, 5], DType::F64),
        var(3, &[4], DType::F64),
    );
    let with = layer(&w, Some(&b), Form::Composed);
    check_finite_differences(|| with.forward(&x).unwrap(), &[&x, &w, &b]);
    let without = layer(&w, None, Form::Composed);
    check_finite_differences(|| without.forward(&x).unwrap(), &[&x, &w]);
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for (rows, inputs, outputs) in [
        (0, 2, 3),
        (1, 1, 1),
        (1, 5, 7),
        (3, 1, 4),
        (6, 4, 1),
        (17, 33, 9),
        (501, 20, 30),
        (2001, 6, 5),
        (1, 300, 260), // a large weight
        (210, 257, 331),
    ] {
        let sizes = Sizes {
            rows,
            inputs,
            outputs,
        };
        let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
        let (b, dy) = (normals32(3, outputs), normals32(4, rows * outputs));
        let all = [
            (&widen(&x)[..], &[rows, inputs][..]),
            (&widen(&w), &[outputs, inputs]),
            (&widen(&b), &[outputs]),
        ];
        let wanted = [true, false].map(|bias| {
            let some = if bias { &all } else { &all[..2] };
            reference(some, &widen(&dy), |vars| {
                let layer = layer(&vars[1], vars.get(2), Form::Composed);
                layer.forward(&vars[0]).unwrap()
            })
        });
        let at = format!("{rows}x{inputs}x{outputs}");
        let w_t: Vec<f32> = (0..w.len())
            .map(|i| w[i % outputs * inputs + i / outputs])
            .collect();
        for (bias, (want, _)) in [true, false].into_iter().zip(&wanted) {
            for weight in [Weight::Rows(&w), Weight::Columns(&w_t)] {
                let got = kernel::forward(sizes, &x, weight, bias.then_some(&b[..]));
                assert!(
                    difference(&widen(&got), want) < 2e-6,
                    "{at}, bias {bias}: y"
                );
            }
        }
        let want_dx = &wanted[0].1[0];
        let want_sums = wanted[0].1[1..].concat();
        assert_eq!(
            wanted[1].1,
            wanted[0].1[..2],
            "{at}: a bias changes no other gradient"
        );
        for arch in simd::all() {
            let backward =
                |dx, sums| kernel::backward(arch, sizes, &x, &w, &dy, Wanted { dx, sums });
            let (dx, sums) = backward(true, true);
            assert!(
                difference(&widen(&dx), want_dx) < 2e-6,
                "{arch:?}, {at}: dx"
            );
            assert!(
                difference(&widen(&sums), &want_sums) < 5e-6,
                "{arch:?}, {at}: dw, db"
            );
            assert_eq!(
                backward(true, false),
                (dx, vec![]),
                "{arch:?}, {at}: dx alone"
            );
            let columns = Weight::Columns(&w_t);
            let wanted = Wanted {
                dx: true,
                sums: false,
            };
            let (dx, _) = kernel::backward(arch, sizes, &x, columns, &dy, wanted);
            assert!(
                difference(&widen(&dx), want_dx) < 2e-6,
                "{arch:?}, {at}: dx by columns"
            );
            assert_eq!(
                backward(false, true),
                (vec![], sums),
                "{arch:?}, {at}: sums alone"
            );
        }
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    for bias in [true, false] {
        let (x, w, b) = (
            var(1, &[6, 4, 5], DType::F32),
            var(2, &[6, 3], DType::F32),
            var(3, &[3], DType::F32),
        );
        let (w_t, bias) = (w.t().unwrap(), bias.then_some(b.as_tensor()));
        let strided = x.transpose(0, 2).unwrap().narrow(1, 1, 3).unwrap();
        let [fused, composed] = [Form::Kernels, Form::Composed]
            .map(|form| layer(&w_t, bias, form).forward(&strided).unwrap());
        assert_close(&fused, &composed, 5e-6, "y");
        let vars = &[&x, &w, &b][..if bias.is_some() { 3 } else { 2 }];
        let (fused, composed) = (gradients(&fused, vars), gradients(&composed, vars));
        for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dx", "dw", "db"]) {
            assert_close(fused, composed, 5e-6, what);
        }
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, b) = (var(1, &[4, 5], DType::F32), var(2, &[3], DType::F32));
    let weight = tensor(3, &[3, 5], DType::F32);
    let layer = Linear::from_tensors(weight.clone(), Some(b.as_tensor().clone())).unwrap();
    let grads = layer
        .forward(&x)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    assert!(grads.get(x.as_tensor()).is_some() && grads.get(b.as_tensor()).is_some());
    assert!(grads.get(&weight).is_none());
}

#[test]
fn starts_as_timm_does_and_checks_shapes() {
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    let layer = Linear::new(64, 50, true, vb).unwrap();
    let weight = flat(layer.weight().unwrap());
    let sd = (weight.iter().map(|w| w * w).sum::<f64>() / weight.len() as f64).sqrt();
    assert!((sd - 0.02).abs() < 1e-3, "{sd}");
    assert!(flat(layer.bias().unwrap()).iter().all(|&b| b == 0.0));
    let error = layer
        .forward(&tensor(1, &[2, 63], DType::F32))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[..., 64]") && error.contains("[2, 63]"),
        "{error}"
    );
    for dtype in [DType::F16, DType::F64] {
        let x = tensor(1, &[2, 64], dtype);
        assert_refused(layer.forward(&x), "linear", dtype);
    }
    let error = Linear::from_tensors(
        tensor(1, &[3, 4], DType::F32),
        Some(tensor(1, &[4], DType::F32)),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("[3]") && error.contains("[4]"), "{error}");
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    // A small and a large weight, whose gradients are shared between threads in different ways.
    for (inputs, outputs) in [(48, 70), (256, 261)] {
        same_on_all_pools(|| {
            let (x, w, b) = (
                var(1, &[20, 50, inputs], DType::F32),
                var(2, &[outputs, inputs], DType::F32),
                var(3, &[outputs], DType::F32),
            );
            let bias = Some(b.as_tensor().clone());
            let y = Linear::from_tensors(w.as_tensor().clone(), bias)
                .unwrap()
                .forward(&x)
                .unwrap();
            let mut all = gradients(&y, &[&x, &w, &b]);
            all.push(y);
            all
        });
    }
}
