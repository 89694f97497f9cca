//! The attention operations and layers against candle's own composition of them: values,
//! gradients, strided tensors, errors, names.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use spectralkd_base::random::Stream;
use spectralkd_nn::attention::{class_attention, composed, softmax_attention, talking_attention};
use spectralkd_nn::kernels::attention::Mixing;
use spectralkd_nn::{Attention, ClassAttention, Error, Params, Result, TalkingHeadAttention};

/// A variable of standard normal numbers times `scale`.
fn var(name: &str, shape: &[usize], scale: f64, dtype: DType) -> Var {
    let mut stream = Stream::new(2, name);
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| stream.normal() * scale).collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// Panics unless the tensors agree to `tolerance` times the largest number.
fn assert_close(what: &str, got: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let (got, expected) = (numbers(got), numbers(expected));
    let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let error = (got - expected).abs();
        assert!(
            error <= tolerance * largest + 1e-6,
            "{what}[{i}]: {got} instead of {expected}; the largest is {largest}"
        );
    }
}

/// Compares two functions of the same variables: values, and the gradients of a weighted sum
/// of them with respect to every variable.
fn compare(
    vars: &[&Var],
    tolerance: f64,
    left: impl Fn(&[&Var]) -> Result<Tensor>,
    right: impl Fn(&[&Var]) -> Result<Tensor>,
) {
    let (left, right) = (left(vars).unwrap(), right(vars).unwrap());
    assert_close("value", &left, &right, tolerance);
    let weights = var("weights", left.dims(), 1.0, left.dtype());
    let gradients = |y: &Tensor| {
        (y * weights.as_tensor())
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap()
    };
    let (left, right) = (gradients(&left), gradients(&right));
    for (i, var) in vars.iter().enumerate() {
        let (left, right) = (left.get(var).unwrap(), right.get(var).unwrap());
        assert_close(&format!("gradient {i}"), left, right, tolerance);
    }
}

#[test]
fn softmax_attention_agrees_with_the_composed_one() {
    for (batch, tokens, heads, d) in [
        (1, 1, 1, 1),
        (3, 50, 3, 16),
        (2, 37, 1, 13),
        (2, 197, 3, 64),
    ] {
        for (dtype, tolerance) in [(DType::F32, 5e-5), (DType::F64, 1e-12)] {
            let qkv = var("qkv", &[batch, tokens, 3 * heads * d], 1.0, dtype);
            compare(
                &[&qkv],
                tolerance,
                |vars| softmax_attention(vars[0], heads),
                |vars| composed::softmax_attention(vars[0], heads),
            );
        }
    }
}

#[test]
fn talking_attention_agrees_with_the_composed_one() {
    for (batch, tokens, heads, d) in [
        (1, 1, 1, 1),
        (3, 49, 4, 24),
        (2, 37, 3, 13),
        (1, 196, 8, 48),
    ] {
        for (dtype, tolerance) in [(DType::F32, 5e-5), (DType::F64, 1e-12)] {
            let qkv = var("qkv", &[batch, tokens, 3 * heads * d], 1.0, dtype);
            let mixing = var("mixing", &[Mixing::len(heads)], 1.0, dtype);
            compare(
                &[&qkv, &mixing],
                tolerance,
                |vars| talking_attention(vars[0], vars[1], heads),
                |vars| composed::talking_attention(vars[0], vars[1], heads),
            );
        }
    }
}

#[test]
fn class_attention_agrees_with_the_composed_one() {
    for (batch, queries, keys, heads, d) in [(3, 1, 50, 4, 24), (1, 1, 1, 1, 1), (2, 5, 17, 3, 13)]
    {
        for (dtype, tolerance) in [(DType::F32, 5e-5), (DType::F64, 1e-12)] {
            let q = var("q", &[batch, queries, heads * d], 1.0, dtype);
            let k = var("k", &[batch, keys, heads * d], 1.0, dtype);
            let v = var("v", &[batch, keys, heads * d], 1.0, dtype);
            compare(
                &[&q, &k, &v],
                tolerance,
                |vars| class_attention(vars[0], vars[1], vars[2], heads),
                |vars| composed::class_attention(vars[0], vars[1], vars[2], heads),
            );
        }
    }
}

/// The gradient of attention's result is strided where it was transposed, and broadcast
/// where it was summed.
#[test]
fn strided_tensors_and_gradients_give_the_same() {
    let qkv = var("qkv", &[7, 3, 2 * 36], 1.0, DType::F32);
    let mixing = var("mixing", &[24], 1.0, DType::F32);
    // A transposed and narrowed operand.
    let strided = |x: &Tensor| x.narrow(2, 36, 36).unwrap().transpose(0, 1).unwrap();
    compare(
        &[&qkv],
        5e-5,
        |vars| Ok(softmax_attention(&strided(vars[0]), 3)?.transpose(1, 2)?),
        |vars| Ok(composed::softmax_attention(&strided(vars[0]), 3)?.transpose(1, 2)?),
    );
    compare(
        &[&qkv, &mixing],
        5e-5,
        |vars| Ok(talking_attention(&strided(vars[0]), vars[1], 3)?.sum_keepdim(1)?),
        |vars| Ok(composed::talking_attention(&strided(vars[0]), vars[1], 3)?.sum_keepdim(1)?),
    );
    compare(
        &[&qkv],
        5e-5,
        |vars| {
            class_attention(
                &strided(vars[0]).narrow(1, 0, 1)?,
                &strided(vars[0]),
                &strided(vars[0]),
                3,
            )
        },
        |vars| {
            composed::class_attention(
                &strided(vars[0]).narrow(1, 0, 1)?,
                &strided(vars[0]),
                &strided(vars[0]),
                3,
            )
        },
    );
}

#[test]
fn scores_of_ten_thousand_agree_with_the_composed_softmax() {
    let qkv = var("qkv", &[2, 9, 3 * 32], 70.0, DType::F64);
    compare(
        &[&qkv],
        1e-9,
        |vars| softmax_attention(vars[0], 2),
        |vars| composed::softmax_attention(vars[0], 2),
    );
    let fused = softmax_attention(&qkv.to_dtype(DType::F32).unwrap(), 2).unwrap();
    assert_close(
        "f32",
        &fused,
        &composed::softmax_attention(&qkv, 2).unwrap(),
        1e-2,
    );
}

/// No gradient reaches what is frozen.
#[test]
fn the_first_tokens_alone_are_the_first_of_all() {
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &Device::Cpu);
    let attention = Attention::new(12, 3, true, vb).unwrap();
    let x = var("x", &[2, 7, 12], 1.0, DType::F32);
    compare(
        &[&x],
        1e-6,
        |v| attention.forward_first(v[0], 2),
        |v| Ok(attention.forward(v[0])?.narrow(1, 0, 2)?),
    );
    assert!(attention.forward_first(&x, 8).is_err());
}

#[test]
fn constants_get_no_gradient() {
    let qkv = var("qkv", &[2, 5, 12], 1.0, DType::F32);
    let mixing = var("mixing", &[12], 1.0, DType::F32);
    let constant = mixing.as_detached_tensor();
    let y = talking_attention(&qkv, &constant, 2).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&qkv).is_some());
    assert!(gradients.get(&constant).is_none());
}

#[test]
fn errors_say_the_shapes() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    let error = text(softmax_attention(&zeros(&[2, 5, 20]), 3));
    assert!(
        error.contains("multiple of 3 heads") && error.contains("[2, 5, 20]"),
        "{error}"
    );
    assert!(text(softmax_attention(&zeros(&[2, 0, 18]), 3)).contains("N > 0"));
    assert!(text(softmax_attention(&zeros(&[5, 18]), 3)).contains("[5, 18]"));
    assert!(softmax_attention(&zeros(&[2, 5, 18]), 0).is_err());
    let error = text(talking_attention(&zeros(&[2, 5, 18]), &zeros(&[23]), 3));
    assert!(error.contains("[24]") && error.contains("[23]"), "{error}");
    let (q, k) = (zeros(&[2, 1, 6]), zeros(&[2, 4, 6]));
    assert!(text(class_attention(&q, &zeros(&[3, 4, 6]), &k, 2)).contains("[2, N, 6]"));
    assert!(text(class_attention(&q, &k, &zeros(&[2, 5, 6]), 2)).contains("[2, 5, 6]"));
    assert!(text(class_attention(&q, &k, &k, 4)).contains("multiple of 4 heads"));
    let half = zeros(&[2, 5, 18]).to_dtype(DType::F16).unwrap();
    assert!(text(softmax_attention(&half, 3)).contains("F16"));
    let mixed = zeros(&[24]).to_dtype(DType::F64).unwrap();
    assert!(talking_attention(&zeros(&[2, 5, 18]), &mixed, 3).is_err());

    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let error = Attention::new(10, 3, true, vb).unwrap_err();
    assert!(matches!(error, Error::Config { .. }) && error.to_string().contains("10 channels"));
}

/// Every parameter with weights that matter: N(0, 0.3), biases too.
fn shaken(params: &Params) -> BTreeMap<String, Var> {
    let vars = params.vars();
    for (name, parameter) in &vars {
        parameter
            .set(&var(name, parameter.dims(), 0.3, parameter.dtype()))
            .unwrap();
    }
    vars
}

/// Compares a layer with its composed form: values and gradients of input and parameters.
fn compare_layer<L>(
    names: &[&str],
    dtype: DType,
    new: impl Fn(VarBuilder) -> Result<L>,
    forward: impl Fn(&L, &Tensor) -> Result<Tensor>,
    composed: impl Fn(&L, &Tensor) -> Result<Tensor>,
) {
    let params = Params::new();
    let layer = new(params.builder(&Stream::new(5, "init"), dtype, &Device::Cpu)).unwrap();
    let found: Vec<String> = params.vars().into_keys().collect();
    assert_eq!(found, names);
    let vars = shaken(&params);
    let x = var("x", &[2, 10, 24], 1.0, dtype);
    let all: Vec<&Var> = std::iter::once(&x).chain(vars.values()).collect();
    let tolerance = if dtype == DType::F64 { 1e-10 } else { 1e-4 };
    compare(
        &all,
        tolerance,
        |_| forward(&layer, &x),
        |_| composed(&layer, &x),
    );
}

#[test]
fn layers_have_timms_names_and_agree_with_their_composed_form() {
    let plain = ["proj.bias", "proj.weight", "qkv.bias", "qkv.weight"];
    let talking = [
        "proj.bias",
        "proj.weight",
        "proj_l.bias",
        "proj_l.weight",
        "proj_w.bias",
        "proj_w.weight",
        "qkv.bias",
        "qkv.weight",
    ];
    let class = [
        "k.bias",
        "k.weight",
        "proj.bias",
        "proj.weight",
        "q.bias",
        "q.weight",
        "v.bias",
        "v.weight",
    ];
    for dtype in [DType::F32, DType::F64] {
        compare_layer(
            &plain,
            dtype,
            |vb| Attention::new(24, 3, true, vb),
            Attention::forward,
            Attention::forward_composed,
        );
        compare_layer(
            &talking,
            dtype,
            |vb| TalkingHeadAttention::new(24, 3, true, vb),
            TalkingHeadAttention::forward,
            TalkingHeadAttention::forward_composed,
        );
        compare_layer(
            &class,
            dtype,
            |vb| ClassAttention::new(24, 3, true, vb),
            ClassAttention::forward,
            ClassAttention::forward_composed,
        );
    }
    compare_layer(
        &["proj.bias", "proj.weight", "qkv.weight"],
        DType::F32,
        |vb| Attention::new(24, 3, false, vb),
        Attention::forward,
        Attention::forward_composed,
    );
}

/// Head after head, q then k then v: a value weight that passes channel c of token j on, and
/// queries that see token j alone, give token j's channels.
#[test]
fn packed_rows_are_q_k_v_then_head() {
    let (tokens, heads, d) = (4, 2, 3);
    let c = heads * d;
    let mut qkv = vec![0f32; tokens * 3 * c];
    for i in 0..tokens {
        let row = &mut qkv[i * 3 * c..][..3 * c];
        // Head 0 of query i asks for token (i + 1) % 4, head 1 for token 0.
        for (h, wanted) in [(0, (i + 1) % tokens), (1, 0)] {
            let angle = |token: usize| token as f32 * std::f32::consts::FRAC_PI_2;
            row[h * d] = 100.0 * angle(wanted).cos();
            row[h * d + 1] = 100.0 * angle(wanted).sin();
            row[c + h * d] = 10.0 * angle(i).cos();
            row[c + h * d + 1] = 10.0 * angle(i).sin();
        }
        for (channel, value) in row[2 * c..].iter_mut().enumerate() {
            *value = (10 * i + channel) as f32;
        }
    }
    let qkv = Tensor::from_vec(qkv, (1, tokens, 3 * c), &Device::Cpu).unwrap();
    let out = softmax_attention(&qkv, heads).unwrap().squeeze(0).unwrap();
    let expected: Vec<Vec<f32>> = (0..tokens)
        .map(|i| {
            let token = |channel: usize| if channel < d { (i + 1) % tokens } else { 0 };
            (0..c)
                .map(|channel| (10 * token(channel) + channel) as f32)
                .collect()
        })
        .collect();
    assert_eq!(out.to_vec2::<f32>().unwrap(), expected);
}
