//! Residual branches: differences check the composed form in f64, which checks the kernel.

mod common;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::residual::{self as kernel, Factors};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{DropPath, Form, LayerScale, Pass, Residual};
use spectralkd_testing::{assert_close, difference, flat};

fn scale(gamma: &Tensor) -> LayerScale {
    let tensors = [("gamma_1".to_string(), gamma.clone())];
    let vb = VarBuilder::from_tensors(tensors.into(), gamma.dtype(), &CPU);
    LayerScale::new(gamma.elem_count(), 1e-5, "gamma_1", vb).unwrap()
}

fn residual(gamma: Option<&Tensor>, rate: f64, form: Form) -> Residual {
    let drop = DropPath::new(rate, "blocks.0").unwrap();
    Residual::new(gamma.map(scale), drop, form)
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (x, z) = (
        var(1, &[4, 3, 5], DType::F64),
        var(2, &[4, 3, 5], DType::F64),
    );
    let gamma = var(3, &[5], DType::F64);
    let step = Stream::new(1, "drop path");
    let pass = Pass::train(&step, &[3, 1, 4, 2]);
    for rate in [0.0, 0.5] {
        let with = residual(Some(&gamma), rate, Form::Composed);
        check_finite_differences(|| with.forward(&x, &z, &pass).unwrap(), &[&x, &z, &gamma]);
        let without = residual(None, rate, Form::Composed);
        check_finite_differences(|| without.forward(&x, &z, &pass).unwrap(), &[&x, &z]);
    }
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for (batch, rows, channels) in [(0, 3, 2), (1, 1, 1), (3, 1, 7), (2, 5, 1), (5, 77, 50)] {
        let count = batch * rows * channels;
        let (x, z, dy) = (
            normals32(1, count),
            normals32(2, count),
            normals32(3, count),
        );
        let (gamma, f) = (normals32(4, channels), normals32(5, batch));
        let shape = [batch, rows, channels];
        let inputs = [
            (&widen(&x)[..], &shape[..]),
            (&widen(&z), &shape),
            (&widen(&gamma), &[channels]),
        ];
        // Drop path has no such factors: the branch comes with them.
        let wide_f = Tensor::from_vec(widen(&f), (batch, 1, 1), &CPU).unwrap();
        for with_f in [true, false] {
            let composed = |inputs: &[_]| {
                reference(inputs, &widen(&dy), |vars| {
                    let z = match with_f {
                        true => vars[1].broadcast_mul(&wide_f).unwrap(),
                        false => vars[1].clone(),
                    };
                    let layer = residual(vars.get(2), 0.0, Form::Composed);
                    layer.forward(&vars[0], &z, &Pass::eval()).unwrap()
                })
            };
            let (with, without) = (composed(&inputs), composed(&inputs[..2]));
            let want_dgamma = &with.1[2]; // whatever gamma is, as y is linear in it
            for (gamma, (want, gradients)) in [(Some(&gamma[..]), &with), (None, &without)] {
                assert_eq!(gradients[0], widen(&dy), "nothing else comes to x");
                let factors = Factors {
                    channels,
                    gamma,
                    samples: with_f.then_some(&f),
                    rows,
                };
                for arch in simd::all() {
                    let with_gamma = gamma.is_some();
                    let at = format!("{arch:?}, {batch}x{rows}x{channels} {with_gamma} {with_f}");
                    let y = kernel::forward(arch, factors, &x, &z);
                    assert!(difference(&widen(&y), want) < 1e-6, "{at}: y");
                    let dz = kernel::branch_gradient(arch, factors, &dy);
                    assert!(difference(&widen(&dz), &gradients[1]) < 1e-6, "{at}: dz");
                    let dgamma = kernel::gamma_gradient(arch, factors, &z, &dy);
                    let error = difference(&widen(&dgamma), want_dgamma);
                    assert!(error < 3e-6, "{at}: dgamma");
                }
            }
        }
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    let step = Stream::new(1, "drop path");
    for (with_gamma, rate) in [(true, 0.4), (true, 0.0), (false, 0.4), (false, 0.0)] {
        let (x, z) = (
            var(1, &[6, 3, 4], DType::F32),
            var(2, &[4, 3, 6], DType::F32),
        );
        let gamma = var(3, &[6], DType::F32);
        let pass = Pass::train(&step, &[7, 8, 9, 10]);
        let strided = x.transpose(0, 2).unwrap();
        let [fused, composed] = [Form::Kernels, Form::Composed].map(|form| {
            let layer = residual(with_gamma.then_some(&gamma), rate, form);
            layer.forward(&strided, &z, &pass).unwrap()
        });
        assert_close(&fused, &composed, 2e-6, "y");
        let vars: &[_] = match with_gamma {
            true => &[&x, &z, &gamma],
            false => &[&x, &z],
        };
        let (fused, composed) = (gradients(&fused, vars), gradients(&composed, vars));
        for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dx", "dz", "dgamma"]) {
            assert_close(fused, composed, 2e-6, what);
        }
    }
}

#[test]
fn drop_path_keeps_the_mean_and_only_drops_in_training() {
    let drop = DropPath::new(0.25, "blocks.1").unwrap();
    assert_eq!(drop.factors(3, &Pass::eval()).unwrap(), None);
    let (step, samples) = (Stream::new(1, "drop path"), (0..4000).collect::<Vec<u64>>());
    let factors = drop
        .factors(4000, &Pass::train(&step, &samples))
        .unwrap()
        .unwrap();
    assert!(factors.iter().all(|&f| f == 0.0 || f == 1.0 / 0.75));
    let mean = factors.iter().sum::<f64>() / 4000.0;
    assert!((mean - 1.0).abs() < 0.04, "{mean}");

    let (x, z) = (
        tensor(1, &[2, 3], DType::F32),
        tensor(2, &[2, 3], DType::F32),
    );
    let layer = residual(None, 0.9, Form::Kernels);
    let y = layer.forward(&x, &z, &Pass::eval()).unwrap();
    assert_close(&y, &(x + z).unwrap(), 0.0, "no drop in evaluation");
}

#[test]
fn bad_configurations_shapes_and_types_are_errors() {
    for rate in [1.0, -0.1, f64::NAN] {
        let error = DropPath::new(rate, "blocks.2").unwrap_err().to_string();
        assert!(
            error.contains("blocks.2") && error.contains("under 1"),
            "{error}"
        );
    }
    let step = Stream::new(1, "drop path");
    let (x, z) = (
        tensor(1, &[2, 3], DType::F32),
        tensor(2, &[2, 4], DType::F32),
    );
    let layer = residual(Some(&var(1, &[5], DType::F32)), 0.5, Form::Kernels);
    let pass = Pass::train(&step, &[1, 2, 3]);
    let error = layer.forward(&x, &z, &pass).unwrap_err().to_string();
    assert!(
        error.contains("[2, 3]") && error.contains("[2, 4]"),
        "{error}"
    );
    let error = layer.forward(&x, &x, &pass).unwrap_err().to_string();
    assert!(error.contains('5') && error.contains("[2, 3]"), "{error}");
    let layer = residual(None, 0.5, Form::Kernels);
    let error = layer.forward(&x, &x, &pass).unwrap_err().to_string();
    assert!(
        error.contains("3 samples") && error.contains("batch has 2"),
        "{error}"
    );
    for dtype in [DType::F16, DType::F64] {
        let x = x.to_dtype(dtype).unwrap();
        assert_refused(layer.forward(&x, &x, &Pass::eval()), "residual", dtype);
    }
}

#[test]
fn layer_scale_starts_where_it_is_told() {
    let params = spectralkd_nn::Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    let scale = LayerScale::new(3, 0.1, "gamma_1", vb.pp("blocks.0")).unwrap();
    assert!(flat(scale.gamma()).iter().all(|&g| g == f64::from(0.1f32)));
    assert!(params.vars().contains_key("blocks.0.gamma_1"));
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let (x, z) = (
            var(1, &[31, 50, 48], DType::F32),
            var(2, &[31, 50, 48], DType::F32),
        );
        let gamma = var(3, &[48], DType::F32);
        let (step, samples) = (Stream::new(1, "drop path"), (0..31).collect::<Vec<u64>>());
        let layer = residual(Some(&gamma), 0.3, Form::Kernels);
        let y = layer
            .forward(&x, &z, &Pass::train(&step, &samples))
            .unwrap();
        let mut all = gradients(&y, &[&x, &z, &gamma]);
        all.push(y);
        all
    });
}
