//! Interval plots of verdicts.

use spectralkd_report::figure::{Axis, Figure, IntervalPlot};
use spectralkd_report::statistics::Judgement;

use super::Outcome;

pub fn judged(differences: &[f64], effect: f64) -> Outcome<Judgement> {
    Ok(Judgement::of_differences(
        differences.to_vec(),
        effect,
        0.95,
    )?)
}

pub fn verdicts() -> Outcome<Figure> {
    Ok(IntervalPlot::new("verdicts", "Difference to logits only")
        .caption("Rings: one seed each. Thick line: 95 % paired t-interval of the mean.")
        .x(Axis::new("difference in top-1 accuracy").unit("percentage points"))
        .row("no distillation", judged(&[-1.1, -0.9, -1.2], 0.5)?, 0)
        .row("logits + spectral", judged(&[0.2, 0.9, 0.6], 0.5)?, 2)
        .row("logits + MSE", judged(&[0.8, 0.86, 0.95], 0.5)?, 3)
        .draw()?)
}

pub fn crowded_verdicts() -> Outcome<Figure> {
    Ok(
        IntervalPlot::new("verdicts-crowded", "Long names, one seed, zero at the edge")
            .x(Axis::new("difference in top-1 accuracy").unit("percentage points"))
            .row(
                "logits + plain feature MSE at the measured ratio of the losses",
                judged(&[2.0, 2.5, 3.3], 0.05)?,
                0,
            )
            .row("one seed only", judged(&[3.0], 0.05)?, 1)
            .draw()?,
    )
}
