//! What does not fit is an error that says the shapes.

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use spectralkd_nn::attention::{class_attention, softmax_attention, talking_attention};
use spectralkd_nn::{Attention, Error, Result};

use crate::common::{CPU, assert_refused};

#[test]
fn errors_say_the_shapes() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &CPU).unwrap();
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
    let mixed = zeros(&[24]).to_dtype(DType::F64).unwrap();
    assert!(talking_attention(&zeros(&[2, 5, 18]), &mixed, 3).is_err());

    let vb = VarBuilder::zeros(DType::F32, &CPU);
    let error = Attention::new(10, 3, true, vb).unwrap_err();
    assert!(matches!(error, Error::Config { .. }) && error.to_string().contains("10 channels"));
}

#[test]
fn kernels_refuse_other_types() {
    for dtype in [DType::F16, DType::F64] {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, dtype, &CPU).unwrap();
        let (qkv, mixing) = (zeros(&[2, 5, 18]), zeros(&[24]));
        assert_refused(softmax_attention(&qkv, 3), "softmax attention", dtype);
        let result = talking_attention(&qkv, &mixing, 3);
        assert_refused(result, "talking-heads attention", dtype);
        let (q, k) = (zeros(&[2, 1, 6]), zeros(&[2, 4, 6]));
        let result = class_attention(&q, &k, &k, 2);
        assert_refused(result, "class attention", dtype);
    }
}
