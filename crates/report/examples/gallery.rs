//! Draws every kind of figure, and a report that holds them, into a folder.
//!
//! ```text
//! cargo run -p spectralkd-report --example gallery -- /tmp/gallery
//! ```
//!
//! The numbers are made up. The gallery is there to be looked at: at the width
//! of a desktop and of a phone, in light and dark.

use std::path::PathBuf;

use spectralkd_report::figure::{
    Axis, Figure, HeatMap, IntervalPlot, LineChart, Panel, Series, SmallMultiples,
};
use spectralkd_report::page::{Cell, Column, Report, Section, Table};
use spectralkd_report::statistics::{Judgement, Summary};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err("name the folder to draw into".into());
    };
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("report.html"), report()?.to_html()?)?;
    for figure in figures()? {
        std::fs::write(
            folder.join(format!("{}.svg", figure.id)),
            figure.standalone(),
        )?;
        std::fs::write(folder.join(format!("{}.csv", figure.id)), &figure.csv)?;
    }
    Ok(())
}

const VARIANTS: [&str; 4] = [
    "no distillation",
    "logits only",
    "logits + spectral",
    "logits + MSE",
];

fn figures() -> Outcome<Vec<Figure>> {
    Ok(vec![
        learning_curves()?,
        named_curves()?,
        many_curves()?,
        verdicts()?,
        crowded_verdicts()?,
        intensity_over_depth()?,
        spectra()?,
        trajectory()?,
        pairs()?,
        large_pairs()?,
        chosen_pairs()?,
    ])
}

fn learning_curves() -> Outcome<Figure> {
    let ends = [80.5, 81.5, 82.0, 81.7];
    let starts = [41.7, 48.4, 55.5, 54.8];
    let mut chart = LineChart::new("learning-curves", "Top-1 accuracy while training")
        .caption(
            "Mean of three seeds on 10,000 test images; bands from the worst to the best seed.",
        )
        .x(Axis::new("epoch").whole())
        .y(Axis::new("top-1 accuracy").unit("%"))
        .reference("linear classifier", 84.0);
    for (i, name) in VARIANTS.iter().enumerate() {
        let curve = |e: f64| ends[i] - (ends[i] - starts[i]) * (-(e - 1.0) / 1.7).exp();
        let points: Vec<_> = (1..=8)
            .map(|e| (f64::from(e), curve(f64::from(e))))
            .collect();
        let band = points.iter().map(|p| (p.1 - 1.2, p.1 + 0.9)).collect();
        chart = chart.series(Series::new(*name, points).band(band));
    }
    Ok(chart.draw()?)
}

fn named_curves() -> Outcome<Figure> {
    let curve = |top: f64, rate: f64| {
        let at = |e: u32| (f64::from(e), top - 40.0 * (-f64::from(e) * rate).exp());
        (1..=30).map(at).collect()
    };
    Ok(
        LineChart::new("named-curves", "Few series carry their names")
            .caption("Names stand at the ends of the lines and are moved apart where they meet.")
            .x(Axis::new("epoch").whole())
            .y(Axis::new("top-1 accuracy").unit("%"))
            .reference("teacher", 90.2)
            .series(Series::new("logits only", curve(81.5, 0.2)))
            .series(Series::new("logits + spectral", curve(82.0, 0.35)))
            .series(Series::new("logits + MSE", curve(81.7, 0.33)))
            .draw()?,
    )
}

fn many_curves() -> Outcome<Figure> {
    let mut chart = LineChart::new("loss-terms", "Loss by layer")
        .caption("A logarithmic axis and more series than can be named at their ends.")
        .x(Axis::new("training step"))
        .y(Axis::new("spectral loss")
            .unit("squared feature units")
            .logarithmic());
    for i in 0..8 {
        let fall = |s: f64| 2.0 * f64::from(i + 1) * (-s / 250.0).exp() + 0.004 * f64::from(i + 1);
        let points = (0..120).map(|s| (f64::from(s) * 10.0, fall(f64::from(s) * 10.0)));
        chart = chart.series(Series::new(format!("layer {i}"), points.collect()));
    }
    Ok(chart.draw()?)
}

fn judged(differences: &[f64], effect: f64) -> Outcome<Judgement> {
    Ok(Judgement::of_differences(
        differences.to_vec(),
        effect,
        0.95,
    )?)
}

fn verdicts() -> Outcome<Figure> {
    Ok(IntervalPlot::new("verdicts", "Difference to logits only")
        .caption("Rings: one seed each. Thick line: 95 % paired t-interval of the mean.")
        .x(Axis::new("difference in top-1 accuracy").unit("percentage points"))
        .row("no distillation", judged(&[-1.1, -0.9, -1.2], 0.5)?, 0)
        .row("logits + spectral", judged(&[0.2, 0.9, 0.6], 0.5)?, 2)
        .row("logits + MSE", judged(&[0.8, 0.86, 0.95], 0.5)?, 3)
        .draw()?)
}

fn crowded_verdicts() -> Outcome<Figure> {
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

/// A U over depth, as the paper's Figure 3 has it.
fn depth(layers: usize, scale: f64) -> Vec<f64> {
    let at = |l: usize| l as f64 / (layers - 1) as f64;
    let u = |x: f64| 0.02 + 0.11 * (x - 0.45).powi(4) * 10.0 + 0.004 * (9.0 * x).sin();
    (0..layers).map(|l| scale * u(at(l))).collect()
}

fn intensity_over_depth() -> Outcome<Figure> {
    let points = |values: &[f64]| {
        let last = (values.len() - 1) as f64;
        let point = |(l, v): (usize, &f64)| (l as f64 / last, v * 12.0);
        values.iter().enumerate().map(point).collect::<Vec<_>>()
    };
    let mut chart = LineChart::new("intensity-depth", "Intensity of models of different depth")
        .caption("White noise has the value 1. The order of channels is arbitrary.")
        .x(Axis::new("depth").unit("0: first block, 1: last block"))
        .y(Axis::new("normalised intensity").unit("white noise of the same width and RMS: 1"))
        .series(Series::new("teacher", points(&depth(24, 1.0))).style(5));
    for (i, name) in VARIANTS.iter().enumerate() {
        let points = points(&depth(6, 0.7 + 0.1 * i as f64));
        let band = points.iter().map(|p| (p.1 * 0.95, p.1 * 1.05)).collect();
        chart = chart.series(Series::new(*name, points).band(band).style(i));
    }
    Ok(chart.draw()?)
}

fn spectra() -> Outcome<Figure> {
    let mut figure = SmallMultiples::new("spectra", "Channel spectra by layer")
        .caption("Mean amplitude over images and positions. The order of channels is arbitrary.")
        .x(Axis::new("normalised frequency").unit("cycles per channel"))
        .y(Axis::new("amplitude").unit("feature units").logarithmic());
    for layer in 0..12 {
        let mut panel = Panel::new(format!("layer {layer}"));
        for (s, name) in VARIANTS[1..].iter().enumerate() {
            let wave = |k: f64| {
                let dc = if k == 0.0 { 6.0 } else { 1.0 };
                dc * (0.02 + 0.004 * (k * 0.7 + s as f64 + f64::from(layer)).sin())
                    * (1.0 + 0.3 * f64::from(layer))
            };
            let points = (0..=24).map(|k| (f64::from(k) / 48.0, wave(f64::from(k))));
            panel = panel.series(Series::new(*name, points.collect()).style(s + 1));
        }
        figure = figure.panel(panel);
    }
    Ok(figure.draw()?)
}

fn trajectory() -> Outcome<Figure> {
    let mut figure = SmallMultiples::new("trajectory", "Distance to the teacher while training")
        .x(Axis::new("epoch").whole())
        .y(Axis::new("log-spectral distance").unit("dB").from_zero());
    for (layer, teacher) in [(0, 0), (1, 1), (3, 9), (4, 10), (5, 11)] {
        let mut panel = Panel::new(format!("block {layer} ← teacher {teacher}"));
        for (s, name) in VARIANTS.iter().enumerate() {
            let fall = |e: f64| 2.0 + (9.0 - 2.0 * s as f64) * (-e / 3.0).exp() + f64::from(layer);
            let points: Vec<_> = (1..=8)
                .map(|e| (f64::from(e), fall(f64::from(e))))
                .collect();
            panel = panel.series(Series::new(*name, points).style(s));
        }
        figure = figure.panel(panel);
    }
    Ok(figure.draw()?)
}

fn grid(id: &str, rows: usize, columns: usize) -> Outcome<Figure> {
    let value = |r: usize, c: usize| {
        let (x, y) = (r as f64 / rows as f64, c as f64 / columns as f64);
        (r != 2 || c != 3).then_some(0.05 + 2.0 * (x - y).powi(2) + 0.4 * x * y)
    };
    let names = |n: usize| (0..n).map(|l| l.to_string()).collect::<Vec<_>>();
    let values = (0..rows).map(|r| (0..columns).map(|c| value(r, c)).collect());
    Ok(HeatMap::new(id, "Spectral loss of every pair of layers")
        .rows("student layer", names(rows))
        .columns("teacher layer", names(columns))
        .values(Axis::new("spectral loss").logarithmic(), values.collect())
        .draw()?)
}

fn pairs() -> Outcome<Figure> {
    grid("pairs", 6, 10)
}

fn large_pairs() -> Outcome<Figure> {
    grid("pairs-large", 12, 24)
}

fn chosen_pairs() -> Outcome<Figure> {
    let value = |r: usize, c: usize| 1.5 + (2.0 * r as f64 - c as f64).abs();
    let names = |n: usize| (0..n).map(|l| l.to_string()).collect::<Vec<_>>();
    let row = |r: usize| (0..10).map(|c| Some(value(r, c))).collect();
    Ok(
        HeatMap::new("pairs-path", "Layer pairs by strategy: monotone")
            .caption("Chosen pairs: the rising sequence of least total distance.")
            .rows("student block", names(6))
            .columns("teacher block", names(10))
            .values(
                Axis::new("log-spectral distance").unit("dB"),
                (0..6).map(row).collect(),
            )
            .path("chosen pairs", vec![(0, 0), (1, 2), (4, 8), (5, 9)])
            .draw()?,
    )
}

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

fn report() -> Outcome<Report> {
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
