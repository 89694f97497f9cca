//! A table and the report that holds the figures.

use spectralkd_report::page::{Cell, Column, Report, Section, Table};
use spectralkd_report::statistics::{Judgement, Summary};

use super::Outcome;
use super::heat_maps::{chosen_pairs, large_pairs, pairs};
use super::intervals::{crowded_verdicts, judged, verdicts};
use super::lines::{intensity_over_depth, learning_curves, many_curves, named_curves};
use super::panels::{spectra, trajectory};

fn table() -> Outcome<Table> {
    let mut table =
        Table::new("Top-1 accuracy after the last epoch, 10,000 test images").columns([
            Column::text("variant"),
            Column::number("top-1").unit("%, mean ± sd"),
            Column::number("seeds"),
            Column::number("difference").unit("to logits only, points"),
            Column::number("95 % interval").unit("paired, points"),
            Column::text("at least +0.5 points"),
        ]);
    let results = [
        ("no distillation", [80.4, 80.6, 80.3]),
        ("logits only", [81.5, 81.5, 81.5]),
        ("logits + spectral", [81.7, 82.4, 82.1]),
        ("logits + feature MSE × 0.53", [82.3, 82.36, 82.45]),
    ];
    for (name, values) in results {
        let judged = Judgement::paired(&values, &results[1].1, 0.5, 0.95)?;
        let mut cells = vec![
            Cell::text(name),
            Cell::spread(&Summary::of(&values)?, 2),
            Cell::count(3),
        ];
        match judged.interval().filter(|_| name != "logits only") {
            Some(interval) => cells.extend([
                Cell::difference(judged.estimate(), 2),
                Cell::interval(interval, 2),
                Cell::verdict(judged.verdict()),
            ]),
            None => cells.extend([Cell::none(), Cell::none(), Cell::none()]),
        }
        table = table.row(cells);
    }
    Ok(table.row([
        Cell::text("linear classifier on pixels"),
        Cell::number(84.0, 2),
        Cell::count(1),
        Cell::none(),
        Cell::none(),
        Cell::none(),
    ]))
}

pub fn report() -> Outcome<Report> {
    let claim = |name: &str, differences: &[f64], baseline: &str| -> Outcome<_> {
        let judged = judged(differences, 0.5)?;
        let sentence = judged.sentence(name, baseline, "percentage points");
        Ok((judged.verdict(), sentence))
    };
    let (gain, gain_words) = claim("logits + spectral", &[0.2, 0.9, 0.6], "logits only")?;
    let (fft, fft_words) = claim("logits + spectral", &[-0.6, 0.04, -0.35], "logits + MSE")?;
    let (any, any_words) = claim("logits only", &[1.1, 0.9, 1.2], "no distillation")?;
    let shown = [
        learning_curves()?,
        verdicts()?,
        named_curves()?,
        trajectory()?,
    ];
    let depth = [intensity_over_depth()?, spectra()?];
    let other = [
        pairs()?,
        large_pairs()?,
        chosen_pairs()?,
        many_curves()?,
        crowded_verdicts()?,
    ];
    let config = "[student]\nfamily = \"deit\"\nembed_dim = 48\n\n[distillation]\n".to_owned()
        + "pairs = { list = [[0, 0], [1, 1], [4, 10], [5, 11]] } # a long line that must scroll within its own box";
    Ok(Report::new("Does the spectral loss help? <made-up numbers>")
        .subtitle("headline · profile `quick` · Fashion-MNIST, 10,000 training images · 3 seeds")
        .warning(
            "This profile cannot judge the claim: the undistilled student (80.4 %) is below a \
             linear classifier on pixels (84.0 %).",
        )
        .verdict("The spectral term adds at least 0.5 points to logit distillation.", gain, gain_words)
        .verdict("The transform adds at least 0.5 points to plain feature matching.", fft, fft_words)
        .verdict("Logit distillation adds at least 0.5 points.", any, any_words)
        .lead(
            "A CaiT teacher, a DeiT student, four ways to train it. All students see the same \
             images in the same order; only the loss differs.",
        )
        .section(
            Section::new("Results")
                .table(table()?)
                .figures(shown)
                .paragraph("Accuracy is taken after the last epoch, never the best (`last`)."),
        )
        .section(Section::new("Spectra").figures(depth))
        .section(Section::new("Other kinds of figures").figures(other))
        .section(Section::new("What this run can and cannot say").list([
            "It can compare variants that share everything but the feature term.",
            "It cannot speak about ImageNet: images are 28 pixels wide, and the models small.",
            "Frequencies along channels depend on the order of the channels, which is arbitrary.",
        ]))
        .section(
            Section::new("How it was run")
                .facts([
                    ("git revision", "0123456789abcdef0123456789abcdef01234567"),
                    ("device", "CPU, 2 threads"),
                    ("teacher weights, sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
                ])
                .details("Resolved configuration", config)
                .files([("every run's result", "results.csv"), ("one figure", "pairs.svg")]),
        ))
}
