//! Values that NumPy computed (see `tests/golden/make_numpy.py`).

use std::collections::HashMap;

use candle_core::{D, DType, Device, Tensor};
use spectralkd_spectral::{
    FrequencyGrid, Norm, Result, Spectrum, band_average, fft, fft2, fft2_over, fftshift, ifft,
    ifft2, ifftshift, irfft, irfft2, radial_average, resize, resize_axis, rfft, rfft2, rfft2_over,
};
use spectralkd_testing::distance;

const NORMS: [(Norm, &str); 3] = [
    (Norm::Backward, "backward"),
    (Norm::Ortho, "ortho"),
    (Norm::Forward, "forward"),
];
const LINES: [usize; 4] = [1, 2, 5, 8];
const PLANES: [(usize, usize); 4] = [(1, 4), (5, 7), (4, 6), (6, 5)];

struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn load() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/numpy.safetensors"
        );
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.0[name]
    }

    fn complex(&self, name: &str) -> Spectrum {
        Spectrum::from_full(self.get(name), (), Norm::Backward).unwrap()
    }

    fn assert(&self, name: &str, got: &Tensor) {
        let error = distance(got, self.get(name));
        assert!(error < 1e-13, "{name}: {error}");
    }
}

#[test]
fn transforms_along_an_axis_are_numpys() -> Result<()> {
    let golden = Golden::load();
    for n in LINES {
        let (x, z) = (
            golden.get(&format!("{n}.x")),
            golden.complex(&format!("{n}.z")),
        );
        let half = golden.complex(&format!("{n}.half"));
        for (norm, name) in NORMS {
            let check = |op: &str, got: &Tensor| golden.assert(&format!("{n}.{name}.{op}"), got);
            check("rfft", rfft(x, 1, norm)?.as_tensor());
            check("real_fft", fft(x, D::Minus2, norm)?.as_tensor());
            check("fft", fft(&z, 1, norm)?.as_tensor());
            check("ifft", ifft(&z, D::Minus2, norm)?.as_tensor());
            check("irfft", &irfft(&half, n, 1, norm)?);
        }
    }
    Ok(())
}

#[test]
fn transforms_over_planes_are_numpys() -> Result<()> {
    let golden = Golden::load();
    for (h, w) in PLANES {
        let size = format!("{h}x{w}");
        let (x, z) = (
            golden.get(&format!("{size}.x")),
            golden.complex(&format!("{size}.z")),
        );
        let half = golden.complex(&format!("{size}.half"));
        for (norm, name) in NORMS {
            let check = |op: &str, got: &Tensor| golden.assert(&format!("{size}.{name}.{op}"), got);
            check("rfft2", rfft2(x, norm)?.as_tensor());
            check("real_fft2", fft2(x, norm)?.as_tensor());
            check("fft2", fft2(&z, norm)?.as_tensor());
            check("ifft2", ifft2(&z, norm)?.as_tensor());
            check("irfft2", &irfft2(&half, w, norm)?);
            // The bins that a half spectrum leaves out are those of the full one.
            check("real_fft2", rfft2(x, norm)?.to_full()?.as_tensor());
        }
        let turned = x.transpose(0, 1)?;
        let over = rfft2_over(&turned, [2, 0], Norm::Ortho)?;
        golden.assert(&format!("{size}.over.rfft2"), over.as_tensor());
        golden.assert(&format!("{size}.over.fft2"), over.to_full()?.as_tensor());
        let over = fft2_over(&turned, (D::Minus1, D::Minus(3)), Norm::Ortho)?;
        golden.assert(&format!("{size}.over.fft2"), over.as_tensor());
    }
    Ok(())
}

#[test]
fn amplitude_phase_and_power_are_numpys() -> Result<()> {
    let golden = Golden::load();
    for (h, w) in PLANES {
        let spectrum = rfft2(golden.get(&format!("{h}x{w}.x")), Norm::Ortho)?;
        golden.assert(&format!("{h}x{w}.amplitude"), &spectrum.amplitude()?);
        golden.assert(&format!("{h}x{w}.power"), &spectrum.power()?);
        // The phase of a negative real number is pi or -pi, by the sign of a zero.
        let golden = golden.get(&format!("{h}x{w}.phase"));
        for turn in [Tensor::sin, Tensor::cos] {
            let error = distance(&turn(&spectrum.phase()?)?, &turn(golden)?);
            assert!(error < 1e-13, "{h}x{w} phase: {error}");
        }
    }
    Ok(())
}

#[test]
fn rings_bands_and_masks_are_numpys() -> Result<()> {
    let golden = Golden::load();
    for (h, w) in PLANES {
        let x = golden.get(&format!("{h}x{w}.x"));
        let half = rfft2(x, Norm::Ortho)?;
        for spectrum in [half.to_full()?, half.clone()] {
            let amplitude = spectrum.amplitude()?;
            let radial = radial_average(&amplitude, w)?;
            golden.assert(&format!("{h}x{w}.radial"), &radial);
            let bands = band_average(&amplitude, w, &[0.0, 0.1, 0.3, 0.8])?;
            golden.assert(&format!("{h}x{w}.bands"), &bands);

            let grid = FrequencyGrid::of(&spectrum)?;
            let low = grid.low_pass(0.2, DType::F64, &Device::Cpu)?;
            let high = grid.high_pass(0.2, DType::F64, &Device::Cpu)?;
            let ones = (&low + &high)?;
            assert!(distance(&ones, &ones.ones_like()?) == 0.0);
            let masked = spectrum.mask(&low)?;
            let back = match spectrum.half_axis() {
                Some(_) => masked.to_signal()?,
                None => ifft2(&masked, Norm::Ortho)?.re()?,
            };
            golden.assert(&format!("{h}x{w}.low_pass"), &back);
        }
    }
    Ok(())
}

#[test]
fn shifts_are_numpys() -> Result<()> {
    let golden = Golden::load();
    for n in [1, 2, 5, 6] {
        let x = golden.get(&format!("shift.{n}.x"));
        golden.assert(&format!("shift.{n}.fftshift"), &fftshift(x, 0)?);
        golden.assert(&format!("shift.{n}.ifftshift"), &ifftshift(x, D::Minus2)?);
        assert!(distance(&ifftshift(&fftshift(x, (0, 1))?, (0, 1))?, x) == 0.0);
    }
    Ok(())
}

#[test]
fn resizing_is_scipys_resample() -> Result<()> {
    let golden = Golden::load();
    let mut cases = 0;
    for (name, x) in &golden.0 {
        let Some(case) = name
            .strip_prefix("resize.")
            .and_then(|n| n.strip_suffix(".x"))
        else {
            continue;
        };
        let size: usize = case.split("to").nth(1).unwrap().parse().unwrap();
        golden.assert(&format!("resize.{case}.out"), &resize_axis(x, 1, size)?);
        // A plane of one row becomes three such rows.
        let plane = resize(&x.unsqueeze(1)?, [3, size])?;
        let expected = golden.get(&format!("resize.{case}.out")).unsqueeze(1)?;
        let error = distance(&plane, &expected.broadcast_as((2, 3, size))?);
        assert!(error < 1e-13, "{case} as a plane: {error}");
        cases += 1;
    }
    assert_eq!(cases, 10);
    Ok(())
}
