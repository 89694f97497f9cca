//! Merging of tokens and their mean: differences check the composed form in f64, which checks the
//! kernel.

mod common;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::merge::{self as kernel, Sizes};
use spectralkd_nn::{Builder, Error, Form, Params, PatchMerging, tokens};
use spectralkd_testing::assert_close;

const MAPS: [[usize; 2]; 7] = [[1, 1], [2, 2], [1, 4], [5, 1], [4, 6], [7, 7], [3, 8]];

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for [height, width] in MAPS {
        for (batch, channels) in [(0, 2), (1, 1), (3, 7), (2, 33)] {
            let sizes = Sizes {
                height,
                width,
                channels,
            };
            let (all, merged) = sizes.numbers();
            let (x, dy) = (normals32(1, batch * all), normals32(2, batch * merged));
            let inputs = [(&widen(&x)[..], &[batch, height * width, channels][..])];
            let (want, gradients) = reference(&inputs, &widen(&dy), |vars| {
                tokens::merge(&vars[0], [height, width], Form::Composed).unwrap()
            });
            // Moves: exact.
            let y = kernel::forward(sizes, &x);
            assert_eq!(widen(&y), want, "{batch} {sizes:?}: y");
            let dx = kernel::backward(sizes, &dy);
            assert_eq!(widen(&dx), gradients[0], "{batch} {sizes:?}: dx");
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for map in MAPS {
        let x = var(1, &[2, map[0] * map[1], 3], DType::F64);
        check_finite_differences(|| tokens::merge(&x, map, Form::Composed).unwrap(), &[&x]);
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    for map in [[5, 4], [3, 7]] {
        let x = var(1, &[4, map[0] * map[1], 2], DType::F32);
        let strided = x.transpose(0, 2).unwrap();
        let fused = tokens::merge(&strided, map, Form::Kernels).unwrap();
        let composed = tokens::merge(&strided, map, Form::Composed).unwrap();
        assert_close(&fused, &composed, 0.0, "values");
        let (fused, composed) = (gradients(&fused, &[&x]), gradients(&composed, &[&x]));
        assert_close(&fused[0], &composed[0], 0.0, "gradients");
    }
}

#[test]
fn layer_agrees_with_its_composed_form() {
    for map in [[6, 4], [3, 5]] {
        let (params, tolerance) = (Params::new(), 1e-4);
        let vb = params.builder(&Stream::new(5, "init"), DType::F32, &CPU);
        let [layer, composed] = [Form::Kernels, Form::Composed].map(|form| {
            let vb = Builder::from(vb.clone()).in_form(form);
            PatchMerging::new(6, 9, map, 1e-5, vb).unwrap()
        });
        let names: Vec<String> = params.vars().into_keys().collect();
        assert_eq!(names, ["norm.bias", "norm.weight", "reduction.weight"]);
        let mut vars: Vec<Var> = params.vars().into_values().collect();
        for (i, var) in vars.iter().enumerate() {
            var.set(&tensor(20 + i as u64, var.dims(), DType::F32))
                .unwrap();
        }
        vars.push(var(1, &[2, map[0] * map[1], 6], DType::F32));
        let vars: Vec<&Var> = vars.iter().collect();
        let x = vars[3].as_tensor();
        let y = layer.forward(x).unwrap();
        let [down, across] = layer.map();
        assert_eq!(y.dims(), [2, down * across, 9]);
        let composed = composed.forward(x).unwrap();
        assert_close(&y, &composed, tolerance, "values");
        let (fused, composed) = (gradients(&y, &vars), gradients(&composed, &vars));
        for (fused, composed) in fused.iter().zip(&composed) {
            assert_close(fused, composed, tolerance, "gradients");
        }
    }
}

#[test]
fn the_mean_is_that_over_tokens() {
    let x = Tensor::arange(0f64, 12.0, &CPU).unwrap();
    let x = Var::from_tensor(&x.reshape((2, 3, 2)).unwrap()).unwrap();
    let mean = tokens::mean(&x).unwrap().to_vec2::<f64>().unwrap();
    assert_eq!(mean, [[2.0, 3.0], [8.0, 9.0]]);
    check_finite_differences(|| tokens::mean(&x).unwrap(), &[&x]);
    for shape in [&[2, 0, 3][..], &[2, 3]] {
        let empty = Tensor::zeros(shape, DType::F32, &CPU).unwrap();
        let error = tokens::mean(&empty).unwrap_err().to_string();
        assert!(error.contains(&format!("{shape:?}")), "{error}");
    }
}

#[test]
fn bad_sizes_and_types_are_errors_that_name_them() {
    let x = tensor(1, &[2, 24, 4], DType::F32);
    for result in [
        tokens::merge(&x, [5, 5], Form::Kernels),
        tokens::merge(&x, [5, 5], Form::Composed),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("[batch, 25, channels]") && error.contains("[2, 24, 4]"),
            "{error}"
        );
    }
    for dtype in [DType::F16, DType::F64] {
        let x = x.to_dtype(dtype).unwrap();
        let result = tokens::merge(&x, [4, 6], Form::Kernels);
        assert_refused(result, "merge-tokens", dtype);
    }
    let vb = VarBuilder::zeros(DType::F32, &CPU);
    let error = PatchMerging::new(4, 8, [0, 4], 1e-5, vb).unwrap_err();
    assert!(matches!(&error, Error::Config { .. }) && error.to_string().contains("[0, 4]"));
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let x = var(1, &[20, 15 * 14, 24], DType::F32);
        let y = tokens::merge(&x, [15, 14], Form::Kernels).unwrap();
        let mean = tokens::mean(&y).unwrap();
        let mut all = gradients(&y, &[&x]);
        all.extend(gradients(&mean, &[&x]));
        all.extend([y, mean]);
        all
    });
}
