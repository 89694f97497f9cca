//! Attention within windows: differences check the composed form in f64, which checks the kernel
//! on every instruction set, and in f32 the layer.

mod common;

use std::sync::Arc;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use proptest::prelude::*;
use spectralkd_base::random::Stream;
use spectralkd_nn::attention::composed::{self, WindowTables};
use spectralkd_nn::attention::window_attention;
use spectralkd_nn::kernels::attention::Partition;
use spectralkd_nn::kernels::attention::windows::{self as kernel, Windowed};
use spectralkd_nn::kernels::{simd, storage::filled};
use spectralkd_nn::{Builder, Error, Form, Params, Result, WindowAttention, Windows};
use spectralkd_testing::{assert_close, difference, distance, flat};

fn windows(map: [usize; 2], size: [usize; 2], shift: [usize; 2]) -> Windows {
    Windows::new(map, size, shift).unwrap()
}

/// The composed form of qkv [B, tokens, 3C], of which each window takes the tokens that the
/// partition says: padding, too, has numbers here.
fn composed_form(windows: Windows, partition: &Partition, heads: usize, x: &[Tensor]) -> Tensor {
    let tokens: Vec<u32> = (0..partition.windows())
        .flat_map(|window| partition.tokens(window).to_vec())
        .collect();
    let mut back = vec![0u32; tokens.len()];
    for (slot, &token) in tokens.iter().enumerate() {
        back[token as usize] = slot as u32;
    }
    let [tokens, back] = [tokens, back].map(|x| Tensor::new(x, &CPU).unwrap());
    let (images, _, rows) = x[0].dims3().unwrap();
    let shape = (images * partition.windows(), partition.area(), rows);
    let cut = x[0].index_select(&tokens, 1).unwrap().reshape(shape);
    let tables = WindowTables::new(&windows, DType::F64, &CPU).unwrap();
    let y = composed::biased_attention(&cut.unwrap(), &x[1], &windows, &tables, heads).unwrap();
    let y = y.reshape((images, tokens.elem_count(), rows / 3)).unwrap();
    y.index_select(&back, 1).unwrap()
}

/// Result and gradients of the kernel and of the composed form on random numbers.
fn check_kernel(windows: Windows, images: usize, heads: usize, head_dim: usize) {
    let partition = windows.partition().unwrap();
    let windowed = Windowed {
        partition: &partition,
        images,
        heads,
        head_dim,
    };
    let rows = images * windowed.tokens() * heads * head_dim;
    let (qkv, grad) = (normals32(1, 3 * rows), normals32(2, rows));
    let table = normals32(3, windows.positions() * heads);
    let inputs = [
        (
            &widen(&qkv)[..],
            &[images, windowed.tokens(), 3 * heads * head_dim][..],
        ),
        (&widen(&table), &[windows.positions(), heads]),
    ];
    let (result, gradients) = reference(&inputs, &widen(&grad), |x| {
        composed_form(windows, &partition, heads, x)
    });
    let wanted = [&result, &gradients[0], &gradients[1]];
    let floor = |numbers: &[f64]| [numbers, &[1e-3]].concat();
    for arch in simd::all() {
        let mut d_table = vec![];
        // SAFETY: forward and backward write all of their results.
        let (out, d_qkv) = unsafe {
            let out = filled(rows, |out| {
                kernel::forward(arch, windowed, &qkv, &table, out);
            });
            let d_qkv = filled(3 * rows, |d_qkv| {
                d_table = kernel::backward(arch, windowed, &qkv, &table, &grad, d_qkv);
            });
            (out, d_qkv)
        };
        let parts = [("out", out), ("d_qkv", d_qkv), ("d_table", d_table)];
        for ((what, got), want) in parts.iter().zip(wanted) {
            // Between regions gradients are e^-100 at most, which f32 does not hold: hence the 1e-3.
            let off = difference(&floor(&widen(got)), &floor(want));
            assert!(
                off < 5e-5,
                "{what} of {windows:?}, {images} x {heads} x {head_dim}, on {arch:?}: {off:e}"
            );
        }
    }
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for (images, heads, head_dim) in [(0, 1, 3), (1, 1, 1), (3, 3, 16), (2, 4, 13), (1, 2, 32)] {
        for windows in [
            windows([1, 1], [1, 1], [0, 0]),
            windows([1, 1], [2, 1], [1, 0]), // a token and padding of another region
            windows([3, 5], [1, 1], [0, 0]), // each token by itself
            windows([7, 7], [7, 7], [0, 0]), // one window
            windows([3, 2], [5, 4], [4, 3]), // one window, mostly padding, rolled
            windows([14, 7], [7, 7], [3, 0]), // shifted along one side
            windows([8, 6], [4, 2], [2, 1]),
            windows([9, 10], [4, 7], [1, 6]),
        ] {
            check_kernel(windows, images, heads, head_dim);
        }
    }
}

/// More keys than fit in one block of scores, and more windows than there are runs.
#[test]
fn kernel_agrees_with_the_composed_form_over_many_blocks_and_runs() {
    check_kernel(windows([20, 24], [20, 12], [0, 5]), 1, 2, 4);
    check_kernel(windows([23, 13], [2, 2], [1, 1]), 2, 1, 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn kernel_agrees_with_the_composed_form(
        map in [1usize..12, 1usize..12], size in [1usize..9, 1usize..9],
        shift in [0usize..9, 0usize..9], images in 1usize..3, heads in 1usize..4,
        head_dim in 1usize..20,
    ) {
        let shift = [shift[0] % size[0], shift[1] % size[1]];
        check_kernel(windows(map, size, shift), images, heads, head_dim);
    }

    /// The layer against the composed one, which rolls, pads and cuts as timm does.
    #[test]
    fn layer_agrees_with_its_composed_form(
        map in [1usize..12, 1usize..12], size in [1usize..9, 1usize..9],
        shift in [0usize..9, 0usize..9], heads in 1usize..4, qkv_bias: bool,
    ) {
        let shift = [shift[0] % size[0], shift[1] % size[1]];
        compare_layer(windows(map, size, shift), heads, qkv_bias);
    }
}

/// The layer in each of these forms, with the same parameters, which matter, and its variables.
fn layers<const N: usize>(
    windows: Windows,
    (dim, heads): (usize, usize),
    qkv_bias: bool,
    (dtype, forms): (DType, [Form; N]),
) -> ([WindowAttention; N], Vec<Var>) {
    let params = Params::new();
    let vb = params.builder(&Stream::new(5, "init"), dtype, &CPU);
    let layers = forms.map(|form| {
        let vb = Builder::from(vb.clone()).in_form(form);
        WindowAttention::new(dim, heads, windows, qkv_bias, vb).unwrap()
    });
    let vars: Vec<Var> = params.vars().into_values().collect();
    for (i, var) in vars.iter().enumerate() {
        let values = tensor(20 + i as u64, var.dims(), dtype) * 0.4;
        var.set(&values.unwrap()).unwrap();
    }
    (layers, vars)
}

fn compare_layer(windows: Windows, heads: usize, qkv_bias: bool) {
    let forms = (DType::F32, [Form::Kernels, Form::Composed]);
    let (layers, mut vars) = layers(windows, (4 * heads, heads), qkv_bias, forms);
    vars.push(var(1, &[2, windows.tokens(), 4 * heads], DType::F32));
    let x = vars[vars.len() - 1].as_tensor();
    let [fused, composed] = layers.map(|layer| layer.forward(x).unwrap());
    let tolerance = 2e-4;
    let what = format!("{windows:?}, {heads} heads");
    assert_close(&fused, &composed, tolerance, &what);
    let vars: Vec<&Var> = vars.iter().collect();
    let gradients = [&fused, &composed].map(|y| gradients(y, &vars));
    let all = gradients[1].iter().flat_map(flat);
    let largest = all.map(f64::abs).fold(0.0, f64::max);
    for (i, (fused, composed)) in gradients[0].iter().zip(&gradients[1]).enumerate() {
        // Relative to the largest of all: a bias may have no gradient but rounding (one key).
        let off = distance(fused, composed);
        assert!(
            off <= tolerance * largest,
            "{what}, gradient {i}: off by {off:e} of {largest:e}"
        );
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for (windows, heads) in [
        (windows([4, 6], [2, 3], [0, 0]), 2),
        (windows([4, 4], [2, 2], [1, 1]), 1),
        (windows([5, 3], [3, 2], [1, 0]), 2),
    ] {
        let form = (DType::F64, [Form::Composed]);
        let ([layer], mut vars) = layers(windows, (3 * heads, heads), true, form);
        vars.push(var(1, &[2, windows.tokens(), 3 * heads], DType::F64));
        let vars: Vec<&Var> = vars.iter().collect();
        let x = vars[vars.len() - 1].as_tensor();
        check_finite_differences(|| layer.forward(x).unwrap(), &vars);
    }
}

/// Random maps of tokens, not those of a feature map.
#[test]
fn any_partition_will_do() {
    let tokens = vec![5, 0, 3, 1, 4, 2];
    let positions = vec![0, 1, 2, 2, 1, 0, 1, 1, 1];
    let partition = Partition::new(3, tokens, vec![1, 1, 1, 0, 2, 2], positions, 3);
    let partition = Arc::new(partition);
    let (qkv, table) = (var(1, &[2, 6, 12], DType::F32), var(2, &[3, 2], DType::F32));
    let y = window_attention(&qkv, &table, &partition, 2).unwrap();
    // Token 5 is of a window with 0 and 3 alone.
    let weights = Tensor::arange(0u32, 6, &CPU).unwrap().eq(5u32).unwrap();
    let weights = weights.to_dtype(DType::F32).unwrap();
    let of_one = y.broadcast_mul(&weights.reshape((1, 6, 1)).unwrap());
    let seen = gradients(&of_one.unwrap(), &[&qkv])[0].abs().unwrap();
    let seen = flat(&seen.sum((0, 2)).unwrap());
    let seen: Vec<bool> = seen.iter().map(|&x| x > 0.0).collect();
    assert_eq!(seen, [true, false, false, true, false, true]);
}

#[test]
#[should_panic(expected = "in two windows")]
fn no_token_is_in_two_windows() {
    Partition::new(2, vec![0, 1, 1, 3], vec![0; 4], vec![0; 4], 1);
}

#[test]
fn strided_tensors_and_frozen_biases() {
    let windows = windows([4, 4], [2, 2], [1, 1]);
    let partition = Arc::new(windows.partition().unwrap());
    let qkv = var(1, &[16, 3, 12], DType::F32);
    let table = tensor(2, &[9, 2], DType::F32);
    let strided = qkv.transpose(0, 1).unwrap();
    let y = window_attention(&strided, &table, &partition, 2).unwrap();
    let whole = window_attention(&strided.contiguous().unwrap(), &table, &partition, 2);
    let whole = whole.unwrap();
    assert_close(&y, &whole, 0.0, "values");
    let turned = [&y, &whole].map(|y| y.transpose(1, 2).unwrap());
    let turned = turned.map(|y| gradients(&y, &[&qkv]).remove(0));
    assert_close(&turned[0], &turned[1], 0.0, "gradients");
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&qkv).is_some() && grads.get(&table).is_none());
}

#[test]
fn errors_say_what_would_do() {
    let vb = || VarBuilder::zeros(DType::F32, &CPU);
    let text = |result: Result<Windows>| result.unwrap_err().to_string();
    let error = text(Windows::new([7, 7], [3, 3], [0, 3]));
    assert!(
        error.contains("[3, 3]") && error.contains("smaller"),
        "{error}"
    );
    assert!(text(Windows::new([7, 0], [3, 3], [0, 0])).contains("[7, 0]"));
    assert!(text(Windows::new([1 << 20, 1 << 20], [7, 7], [0, 0])).contains("more than"));
    assert!(Windows::new([1, 1], [usize::MAX, 7], [0, 0]).is_err());
    // Fields can be set by hand: the layer checks them again.
    let mut unchecked = windows([4, 4], [2, 2], [0, 0]);
    unchecked.size = [0, 2];
    let error = WindowAttention::new(4, 2, unchecked, true, vb()).unwrap_err();
    assert!(matches!(error, Error::Config { .. }));
    assert!(unchecked.partition().is_err());

    let windows = windows([4, 6], [2, 3], [1, 1]);
    assert!(WindowAttention::new(4, 3, windows, true, vb()).is_err());
    let x = tensor(1, &[2, 23, 4], DType::F32);
    for form in [Form::Kernels, Form::Composed] {
        let vb = Builder::from(vb()).in_form(form);
        let layer = WindowAttention::new(4, 2, windows, true, vb).unwrap();
        let error = layer.forward(&x).unwrap_err().to_string();
        assert!(
            error.contains("[batch, 24, 4]") && error.contains("[2, 23, 4]"),
            "{error}"
        );
    }
    let partition = Arc::new(windows.partition().unwrap());
    let (qkv, table) = (
        tensor(1, &[2, 24, 12], DType::F32),
        tensor(2, &[15, 2], DType::F32),
    );
    let error = |qkv: &Tensor, table: &Tensor| {
        let result = window_attention(qkv, table, &partition, 2);
        result.unwrap_err().to_string()
    };
    assert!(error(&qkv, &tensor(2, &[9, 2], DType::F32)).contains("[15, 2 heads]"));
    assert!(error(&tensor(1, &[2, 24, 10], DType::F32), &table).contains("multiple of 2 heads"));
    for dtype in [DType::F16, DType::F64] {
        let others = [&qkv, &table].map(|x| x.to_dtype(dtype).unwrap());
        let result = window_attention(&others[0], &others[1], &partition, 2);
        assert_refused(result, "window attention", dtype);
        assert!(window_attention(&qkv, &others[1], &partition, 2).is_err());
    }
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    let windows = windows([13, 21], [7, 7], [3, 3]);
    let form = (DType::F32, [Form::Kernels]);
    let ([layer], vars) = layers(windows, (48, 3), true, form);
    same_on_all_pools(|| {
        let x = var(1, &[5, windows.tokens(), 48], DType::F32);
        let y = layer.forward(&x).unwrap();
        let mut all: Vec<&Var> = vars.iter().collect();
        all.push(&x);
        let mut results = gradients(&y, &all);
        results.push(y);
        results
    });
}
