//! The operations against the composed form in f32: values, gradients, strided tensors, the order of
//! packed rows.

use candle_core::{DType, Tensor};
use spectralkd_nn::attention::{class_attention, composed, softmax_attention, talking_attention};
use spectralkd_nn::kernels::attention::Mixing;

use crate::common::CPU;
use crate::{assert_close, compare, var};

#[test]
fn softmax_attention_agrees_with_the_composed_one() {
    for (batch, tokens, heads, d) in [
        (1, 1, 1, 1),
        (3, 50, 3, 16),
        (2, 37, 1, 13),
        (2, 197, 3, 64),
    ] {
        let qkv = var("qkv", &[batch, tokens, 3 * heads * d], 1.0, DType::F32);
        compare(
            &[&qkv],
            5e-5,
            |vars| softmax_attention(vars[0], heads),
            |vars| composed::softmax_attention(vars[0], heads),
        );
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
        let qkv = var("qkv", &[batch, tokens, 3 * heads * d], 1.0, DType::F32);
        let mixing = var("mixing", &[Mixing::len(heads)], 1.0, DType::F32);
        compare(
            &[&qkv, &mixing],
            5e-5,
            |vars| talking_attention(vars[0], vars[1], heads),
            |vars| composed::talking_attention(vars[0], vars[1], heads),
        );
    }
}

#[test]
fn class_attention_agrees_with_the_composed_one() {
    for (batch, queries, keys, heads, d) in [(3, 1, 50, 4, 24), (1, 1, 1, 1, 1), (2, 5, 17, 3, 13)]
    {
        let q = var("q", &[batch, queries, heads * d], 1.0, DType::F32);
        let k = var("k", &[batch, keys, heads * d], 1.0, DType::F32);
        let v = var("v", &[batch, keys, heads * d], 1.0, DType::F32);
        compare(
            &[&q, &k, &v],
            5e-5,
            |vars| class_attention(vars[0], vars[1], vars[2], heads),
            |vars| composed::class_attention(vars[0], vars[1], vars[2], heads),
        );
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
    let fused = softmax_attention(&qkv.to_dtype(DType::F32).unwrap(), 2).unwrap();
    let want = composed::softmax_attention(&qkv, 2).unwrap();
    assert_close(&fused, &want, 1e-2, "f32");
}

/// No gradient reaches what is frozen.
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
    let qkv = Tensor::from_vec(qkv, (1, tokens, 3 * c), &CPU).unwrap();
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
