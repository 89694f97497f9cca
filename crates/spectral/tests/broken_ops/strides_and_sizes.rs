//! Ops that ignore strides, and wrong ways to pool and to resize.

use candle_core::{Result as CandleResult, Storage, Tensor};
use spectralkd_spectral::properties::{pooling, resizing, strides};
use spectralkd_spectral::{
    Norm, Spectrum, adaptive_avg_pool_channels, fft2, irfft2, resize, rfft2,
};
use spectralkd_testing::tensor;

use super::{CLAIM, input};

#[test]
fn an_op_that_ignores_strides() {
    let careless = |x: &Tensor| -> CandleResult<Tensor> {
        let (storage, _) = x.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            candle_core::bail!("on the CPU only")
        };
        let values = &storage.as_slice::<f64>()?[..x.elem_count()];
        Tensor::from_slice(values, x.shape(), x.device())
    };
    let strided = input().transpose(1, 2).unwrap();
    let message = strides(&strided, careless).unwrap_err().to_string();
    assert!(message.contains("strides"), "{message}");
    strides(&input(), careless).unwrap();
    strides(&strided, |x| fft2(x, CLAIM)).unwrap();
}

#[test]
fn pooling_with_bins_that_do_not_overlap() {
    let x = tensor(12, &[2, 10, 2, 2]);
    let disjoint = |x: &Tensor| -> CandleResult<Tensor> {
        let bins = (0..4).map(|i| {
            x.narrow(1, i * 10 / 4, (i + 1) * 10 / 4 - i * 10 / 4)?
                .mean_keepdim(1)
        });
        Tensor::cat(&bins.collect::<CandleResult<Vec<_>>>()?, 1)
    };
    let message = pooling(&x, &[1], &[4], disjoint).unwrap_err().to_string();
    assert!(message.contains("pooling"), "{message}");
    pooling(&x, &[1], &[4], |x| adaptive_avg_pool_channels(x, 4)).unwrap();
}

#[test]
fn resizing_that_doubles_the_nyquist_frequency() {
    let whole = |x: &Tensor| {
        let data = rfft2(x, Norm::Forward)?.into_tensor();
        let zeros = data.narrow(3, 0, 2)?.zeros_like()?;
        let data = Tensor::cat(&[data, zeros], 3)?;
        irfft2(
            &Spectrum::from_half(&data, (1, 2), 12, Norm::Forward)?,
            12,
            Norm::Forward,
        )
    };
    let message = resizing(&input(), &[2], &[12], whole)
        .unwrap_err()
        .to_string();
    assert!(message.contains("resizing"), "{message}");
    resizing(&input(), &[2], &[12], |x| resize(x, [6, 12])).unwrap();
}
