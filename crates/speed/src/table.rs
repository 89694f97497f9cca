//! Records for people.

use std::fmt::Write;

use crate::record::Record;

/// The columns: heading and width.
const COLUMNS: [(&str, usize); 8] = [
    ("median", 10),
    ("quartiles", 21),
    ("images/s", 9),
    ("GFLOP/s", 8),
    ("of sgemm", 9),
    ("of FMA", 7),
    ("peak MiB", 9),
    ("runs", 5),
];

/// What was measured, in one line: `step deit_tiny_patch16_224 from cait_s24_224, batch 8`.
fn title(record: &Record) -> String {
    let mut title = record.case.clone();
    if let Some(student) = &record.student {
        let _ = write!(title, " {student}");
    }
    if let Some(teacher) = &record.teacher {
        let _ = write!(title, " from {teacher}");
    }
    match &record.shape {
        Some([b, c, h, w]) => {
            let _ = write!(title, " {b}x{c}x{h}x{w}");
        }
        None => {
            let _ = write!(title, ", batch {}", record.batch);
        }
    }
    for word in [record.form.as_deref(), Some(record.dtype.as_str())] {
        if let Some(word) = word.filter(|word| *word != "f32") {
            let _ = write!(title, ", {word}");
        }
    }
    title
}

/// The case and its median in one line.
pub fn line(record: &Record) -> String {
    format!("{}: {}", title(record), time(record.median_s))
}

/// All records, each a line with the case and one with its numbers; the machine below them.
pub fn table(records: &[Record]) -> String {
    let mut out = row(COLUMNS.map(|(heading, _)| heading.to_owned()));
    for record in records {
        let percent =
            |share: Option<f64>| or_dash(share, |share| format!("{:.1} %", 100.0 * share));
        let _ = writeln!(out, "{}", title(record));
        out += &row([
            time(record.median_s),
            format!("{} - {}", time(record.q1_s), time(record.q3_s)),
            format!("{:.1}", record.images_per_s),
            or_dash(record.gflop_per_s, |rate| format!("{rate:.1}")),
            percent(record.share_of_sgemm),
            percent(record.share_of_fma),
            or_dash(record.peak_rss_mib, |mib| format!("{mib:.0}")),
            record.runs.to_string(),
        ]);
    }
    if let Some(last) = records.last() {
        let best = |rate: fn(&Record) -> Option<f64>| {
            let rates = records.iter().filter_map(rate);
            rates.max_by(f64::total_cmp)
        };
        let fma = best(|r| r.ceiling.fma_gflop_per_s);
        let fma = fma.map(|rate| format!(", FMA {rate:.0} GFLOP/s"));
        let _ = write!(
            out,
            "\nOn {}; {}. At best: sgemm {:.0} GFLOP/s{}.\n\
             Weights and images were drawn. {} {}",
            last.machine,
            threads(last.threads),
            best(|r| Some(r.ceiling.sgemm_gflop_per_s)).unwrap_or_default(),
            fma.unwrap_or_default(),
            last.tool,
            last.version,
        );
    }
    out
}

/// A line of the columns' widths.
fn row(cells: [String; COLUMNS.len()]) -> String {
    let cells = cells.iter().zip(COLUMNS);
    let cells: Vec<String> = cells
        .map(|(cell, (_, width))| format!("{cell:>width$}"))
        .collect();
    format!("{}\n", cells.join(" "))
}

fn threads(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} thread{plural}")
}

fn or_dash(number: Option<f64>, show: impl Fn(f64) -> String) -> String {
    number.map_or_else(|| "-".to_owned(), show)
}

/// Seconds for people: `1.234 s`, `12.34 ms`, `56.7 us`.
fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.3} s"),
        s if s >= 0.1 => format!("{:.1} ms", s * 1e3),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        assert_eq!(time(12.3456), "12.346 s");
        assert_eq!(time(0.4), "400.0 ms");
        assert_eq!(time(0.0042), "4.20 ms");
        assert_eq!(time(0.0000123), "12.3 us");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        assert_eq!(or_dash(None, |mib| format!("{mib:.0}")), "-");
        assert_eq!(or_dash(Some(12.4), |mib| format!("{mib:.0}")), "12");
    }
}
