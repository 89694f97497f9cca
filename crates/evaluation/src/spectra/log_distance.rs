//! The log-spectral distance of two spectra.

use crate::error::{Error, Result};

/// The log-spectral distance of two amplitude spectra over the same C bins,
///
/// d = √( mean over k of (20 · log10(S_a\[k\] / S_b\[k\]))² ) dB,
///
/// as it is used for speech (Gray and Markel, 1976). It is symmetric, zero for
/// equal spectra, and 6.02 dB when one is twice the other in every bin: the
/// level counts. Amplitudes below a millionth of the largest of both spectra
/// are raised to that, so that rounding in empty bins does not decide.
///
/// # Errors
/// [`Error::TooFew`] without bins, [`Error::Lengths`] when the numbers of bins
/// differ, [`Error::NotFinite`] for an amplitude that is not finite,
/// [`Error::OutOfRange`] for a negative one.
pub fn log_spectral_distance(a: &[f64], b: &[f64]) -> Result<f64> {
    if a.is_empty() {
        return Err(Error::TooFew {
            what: "a distance of spectra",
            got: 0,
            need: 1,
        });
    }
    if a.len() != b.len() {
        return Err(Error::Lengths {
            left: "one spectrum".into(),
            left_len: a.len(),
            right: "the other".into(),
            right_len: b.len(),
        });
    }
    let both = || a.iter().chain(b);
    if let Some((index, &value)) = both().enumerate().find(|v| !v.1.is_finite()) {
        return Err(Error::NotFinite {
            what: "a spectrum".into(),
            index: index % a.len(),
            value,
        });
    }
    if let Some(&value) = both().find(|&&v| v < 0.0) {
        return Err(Error::OutOfRange {
            what: "an amplitude",
            range: "zero or more",
            value,
        });
    }
    let floor = 1e-6 * both().copied().fold(0.0, f64::max);
    if floor == 0.0 {
        return Ok(0.0);
    }
    let decibels = |(a, b): (&f64, &f64)| 20.0 * (a.max(floor) / b.max(floor)).log10();
    let squares: f64 = a.iter().zip(b).map(decibels).map(|d| d * d).sum();
    Ok((squares / a.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_amplitude_is_six_decibels() {
        let (a, b) = ([1.0, 2.0, 0.5, 2.0], [2.0, 4.0, 1.0, 4.0]);
        let d = log_spectral_distance(&a, &b).unwrap();
        assert!((d - 6.020_599_913_279_624).abs() < 1e-12, "{d}");
        assert_eq!(d, log_spectral_distance(&b, &a).unwrap());
        assert_eq!(log_spectral_distance(&a, &a).unwrap(), 0.0);
        // 20 dB in one bin of four: 20 / sqrt(4).
        let d = log_spectral_distance(&[1.0, 1.0, 1.0, 10.0], &[1.0; 4]).unwrap();
        assert!((d - 10.0).abs() < 1e-12);
    }

    #[test]
    fn empty_bins_count_as_the_floor() {
        let d = log_spectral_distance(&[1.0, 1e-17], &[1.0, 0.0]).unwrap();
        assert_eq!(d, 0.0);
        let d = log_spectral_distance(&[1.0], &[0.0]).unwrap();
        assert!((d - 120.0).abs() < 1e-9);
        assert_eq!(log_spectral_distance(&[0.0], &[0.0]).unwrap(), 0.0);
    }

    #[test]
    fn bad_spectra_are_errors() {
        let d = log_spectral_distance;
        assert!(matches!(d(&[], &[]), Err(Error::TooFew { .. })));
        assert!(matches!(d(&[1.0], &[]), Err(Error::Lengths { .. })));
        assert!(matches!(
            d(&[1.0], &[f64::NAN]),
            Err(Error::NotFinite { index: 0, .. })
        ));
        assert!(matches!(d(&[-1.0], &[1.0]), Err(Error::OutOfRange { .. })));
    }
}
