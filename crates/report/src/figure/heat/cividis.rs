//! The colours of heat maps.

/// The cividis colour at `t` in 0 ..= 1, by the polynomials that d3 uses
/// (d3-scale-chromatic 3, `interpolateCividis`).
pub(super) fn cividis(t: f64) -> [u8; 3] {
    let t = t.clamp(0.0, 1.0);
    let horner = |c: [f64; 6]| c.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let byte = |v: f64| v.round().clamp(0.0, 255.0) as u8;
    [
        byte(horner([-4.54, -35.34, 2381.73, -6402.7, 7024.72, -2710.57])),
        byte(horner([32.49, 170.73, 52.82, -131.46, 176.58, -67.37])),
        byte(horner([
            81.24, 442.36, -2482.43, 6167.24, -6614.94, 2475.67,
        ])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_rises_evenly() {
        let light = |t: f64| {
            let [r, g, b] = cividis(t).map(f64::from);
            0.299 * r + 0.587 * g + 0.114 * b
        };
        let steps: Vec<f64> = (0..=20).map(|i| light(f64::from(i) / 20.0)).collect();
        assert!(steps.windows(2).all(|w| w[1] > w[0] + 2.0), "{steps:?}");
        assert_eq!(cividis(0.0), [0, 32, 81]);
        assert_eq!(cividis(1.0), [253, 234, 69]);
    }
}
