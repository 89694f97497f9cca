//! The worked examples of docs/SPECTRAL.md: their numbers are computed here and looked for on the page.

use candle_core::{Device, Tensor};
use spectralkd_losses::{mean_squared_error, spectral_loss, spectral_loss_by_fft};
use spectralkd_spectral::ChannelSpectrum;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SPECTRAL.md");
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn stands(part: &str) {
    assert!(page().contains(part), "`{part}` does not stand on the page");
}

fn spectrum(channels: [f32; 4]) -> ChannelSpectrum {
    let token = Tensor::new(&channels, &Device::Cpu).unwrap();
    let mut spectrum = ChannelSpectrum::new(4);
    spectrum
        .push(&token.reshape((1, 4, 1, 1)).unwrap())
        .unwrap();
    spectrum
}

#[test]
fn four_channels_in_two_orders() {
    let first = spectrum([1.0, -1.0, 1.0, -1.0]);
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(&first.amplitude(), &[0.0, 0.0, 1.0, 0.0]));
    stands(&format!(
        "L = 1/4 = {:.2}, RMS = {}",
        first.intensity(),
        first.rms()
    ));
    let normalised = first.normalised_intensity();
    stands(&format!("0.25 * 2 / 0.8862 = {normalised:.4}"));

    let second = spectrum([1.0, 1.0, -1.0, -1.0]);
    let half = second.amplitude()[1];
    assert!(close(&second.amplitude(), &[0.0, half, 0.0, half]));
    stands(&format!("S = (0, {half:.4}, 0, {half:.4})"));
    stands(&format!("L = {:.4}", second.intensity()));
    stands(&format!("{:.4} normalised", second.normalised_intensity()));

    let energy = |s: &ChannelSpectrum| s.amplitude().iter().map(|a| a * a).sum::<f64>();
    assert!((energy(&first) - 1.0).abs() < 1e-6 && (energy(&second) - 1.0).abs() < 1e-6);
}

#[test]
fn the_parseval_split_of_a_row_of_four() {
    let losses = |row: [f32; 4]| {
        let a = Tensor::new(&row, &Device::Cpu).unwrap();
        let a = a.reshape((1, 1, 1, 4)).unwrap();
        let zero = a.zeros_like().unwrap();
        let of = |loss: fn(&Tensor, &Tensor) -> spectralkd_losses::Result<Tensor>| {
            let loss = loss(&a, &zero).unwrap();
            f64::from(loss.to_scalar::<f32>().unwrap())
        };
        let (fft, split) = (of(spectral_loss_by_fft), of(spectral_loss));
        assert!((fft - split).abs() < 1e-6, "{fft} and {split}");
        (fft, of(mean_squared_error))
    };
    let (spectral, mse) = losses([1.0, -1.0, 0.0, 0.0]);
    stands(&format!("spectral loss 3/12 = {spectral:.2}, MSE {mse:.1}"));
    let (spectral, mse) = losses([1.0; 4]);
    stands(&format!("spectral loss 8/12 = {spectral:.4}, MSE {mse:.0}"));
}
