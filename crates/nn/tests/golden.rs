//! Shifted windows and patch merging against timm (see `tests/golden/make.py`): values and
//! gradients of the kernels in f32 and of the composed form in f64.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor, Var};
use common::CPU;
use spectralkd_base::random::Stream;
use spectralkd_nn::{Builder, Form, Params, PatchMerging, Result, WindowAttention, Windows};
use spectralkd_testing::assert_close;

type Golden = HashMap<String, Tensor>;

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/swin.safetensors");
    candle_core::safetensors::load(path, &CPU).unwrap()
}

/// Builds a layer with timm's weights of a case and compares values and gradients.
fn check<L>(
    golden: &Golden,
    case: &str,
    (dtype, form, tolerance): (DType, Form, f64),
    new: impl Fn(Builder) -> Result<L>,
    forward: impl Fn(&L, &Tensor) -> Result<Tensor>,
) {
    let get = |name: &str| {
        let tensor = &golden[&format!("{case}.{name}")];
        tensor.to_dtype(dtype).unwrap()
    };
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), dtype, &CPU);
    let layer = new(Builder::from(vb).in_form(form)).unwrap();
    let prefix = format!("{case}.weights.");
    let names = golden.keys().filter_map(|name| name.strip_prefix(&prefix));
    let weights: BTreeMap<String, Tensor> = names
        .map(|name| (name.to_string(), get(&format!("weights.{name}"))))
        .collect();
    // The same names on both sides, and shapes.
    assert!(params.vars().keys().eq(weights.keys()), "{case}");
    params.set(&weights).unwrap();

    let x = Var::from_tensor(&get("x")).unwrap();
    let y = forward(&layer, &x).unwrap();
    assert_close(&y, &get("y"), tolerance, &format!("{case}, {form:?}: y"));
    let weighted = (&y * get("cotangent")).unwrap().sum_all().unwrap();
    let gradients = weighted.backward().unwrap();
    let mut vars = params.vars();
    vars.insert("x".into(), x);
    for (name, var) in vars {
        let gradient = gradients.get(&var).expect("a gradient");
        let want = get(&format!("gradient.{name}"));
        let what = format!("{case}, {form:?}: gradient of {name}");
        assert_close(gradient, &want, tolerance, &what);
    }
}

/// Sums of f32 numbers, and f64 ones that were stored as f32.
const KERNELS: (DType, Form, f64) = (DType::F32, Form::Kernels, 2e-5);
const COMPOSED: (DType, Form, f64) = (DType::F64, Form::Composed, 2e-7);

#[test]
fn windows_are_those_of_timm() {
    let golden = golden();
    for (case, map, dim, heads, size, shift, bias) in [
        ("plain", [6, 8], 6, 2, [3, 4], [0, 0], true),
        ("shifted", [6, 9], 6, 3, [3, 3], [1, 1], true),
        ("padded", [5, 7], 4, 1, [4, 3], [0, 2], false),
        ("both", [7, 5], 6, 2, [3, 4], [1, 2], true),
        ("one", [2, 3], 4, 2, [3, 4], [0, 0], true),
    ] {
        let windows = Windows::new(map, size, shift).unwrap();
        let new = |vb: Builder| WindowAttention::new(dim, heads, windows, bias, vb);
        check(&golden, case, KERNELS, new, WindowAttention::forward);
        check(&golden, case, COMPOSED, new, WindowAttention::forward);
    }
}

#[test]
fn merging_is_that_of_timm() {
    let golden = golden();
    for (case, map, dim, outputs) in [("even", [4, 6], 3, 5), ("odd", [5, 3], 4, 8)] {
        let new = |vb: Builder| PatchMerging::new(dim, outputs, map, 1e-5, vb);
        check(&golden, case, KERNELS, new, PatchMerging::forward);
        check(&golden, case, COMPOSED, new, PatchMerging::forward);
    }
}
