//! The table of variants over seeds, and its verdicts.

use spectralkd_report::csv::{Field, Writer};
use spectralkd_report::statistics::{Judgement, Summary};

use super::{FLOOR, RunResult};
use crate::config::{Comparison, Experiment};
use crate::error::Result;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The variant's name.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Top-1 over seeds, in percent.
    pub top1: Summary,
    /// Top-1 of the moving average of the weights, where there is one.
    pub average: Option<Summary>,
    /// Difference to the baseline, paired by seed, in percentage points.
    pub difference: Option<Judgement>,
}

/// The table and what follows from it.
#[derive(Clone, Debug)]
pub struct Table {
    /// One row per variant with at least one finished run, in the experiment's order.
    pub rows: Vec<Row>,
    /// The linear classifier.
    pub floor: Option<Row>,
    /// The claim: candidate against baseline.
    pub claim: Option<Judgement>,
    /// The explanation: candidate against control.
    pub control: Option<Judgement>,
    /// What speaks against judging by this profile at all.
    pub objection: Option<String>,
}

impl Table {
    /// Builds the table from finished runs.
    ///
    /// # Errors
    /// A result is not a finite number.
    pub fn new(experiment: &Experiment, results: &[RunResult]) -> Result<Self> {
        let comparison = experiment.comparison.as_ref();
        let mut rows = Vec::new();
        for variant in &experiment.variants {
            let Some((top1, average)) = summaries(&variant.name, results)? else {
                continue;
            };
            let difference = match comparison {
                Some(c) if c.baseline != variant.name => {
                    judge(&variant.name, &c.baseline, c, results)?
                }
                _ => None,
            };
            rows.push(Row {
                name: variant.name.clone(),
                label: variant.label().to_owned(),
                top1,
                average,
                difference,
            });
        }
        let floor = summaries(FLOOR, results)?.map(|(top1, average)| Row {
            name: FLOOR.to_owned(),
            label: "linear classifier on pixels".to_owned(),
            top1,
            average,
            difference: None,
        });
        let (mut claim, mut control) = (None, None);
        if let Some(c) = comparison {
            claim = judge(&c.candidate, &c.baseline, c, results)?;
            if let Some(name) = &c.control {
                control = judge(&c.candidate, name, c, results)?;
            }
        }
        let objection = objection(comparison, &rows, floor.as_ref());
        Ok(Self {
            rows,
            floor,
            claim,
            control,
            objection,
        })
    }

    /// The table for a terminal.
    pub fn text(&self) -> String {
        let width = self
            .rows
            .iter()
            .chain(&self.floor)
            .map(|r| r.label.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = format!(
            "{:<width$}  seeds  top-1 % (mean ± sd)  difference (points)  interval\n",
            "variant"
        );
        for row in self.rows.iter().chain(&self.floor) {
            let spread = row
                .top1
                .sd
                .map_or_else(String::new, |sd| format!(" ± {sd:.2}"));
            let difference = row.difference.as_ref();
            let estimate = difference.map_or_else(String::new, |d| format!("{:+.2}", d.estimate()));
            let interval = difference
                .and_then(Judgement::interval)
                .map_or_else(String::new, |i| format!("{:+.2} to {:+.2}", i.low, i.high));
            let line = format!(
                "{:<width$}  {:>5}  {:>19}  {estimate:>19}  {interval}",
                row.label,
                row.top1.n,
                format!("{:.2}{spread}", row.top1.mean),
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// `table.csv`: one row per variant and one for the floor; differences in percentage points.
    pub fn csv(&self) -> String {
        let mut out = Writer::new(&[
            "variant",
            "seeds",
            "top1_mean",
            "top1_sd",
            "top1_min",
            "top1_max",
            "difference",
            "difference_low",
            "difference_high",
            "verdict",
            "average_top1_mean",
        ]);
        for row in self.rows.iter().chain(&self.floor) {
            let interval = row.difference.as_ref().and_then(Judgement::interval);
            out.row([
                Field::text(&row.name),
                Field::whole(row.top1.n as u64),
                Field::number(row.top1.mean),
                Field::optional(row.top1.sd),
                Field::number(row.top1.min),
                Field::number(row.top1.max),
                Field::optional(row.difference.as_ref().map(Judgement::estimate)),
                Field::optional(interval.map(|i| i.low)),
                Field::optional(interval.map(|i| i.high)),
                Field::text(row.difference.as_ref().map_or("", |d| d.verdict().word())),
                Field::optional(row.average.as_ref().map(|top1| top1.mean)),
            ]);
        }
        out.finish()
    }
}

/// Top-1 of the weights over seeds, and of their average where every run has one; `None` without a run.
fn summaries(variant: &str, results: &[RunResult]) -> Result<Option<(Summary, Option<Summary>)>> {
    let values: Vec<f64> = of(variant, results).map(|r| r.scores.top1).collect();
    if values.is_empty() {
        return Ok(None);
    }
    let averages = of(variant, results).map(|r| r.average.map(|scores| scores.top1));
    let averages: Option<Vec<f64>> = averages.collect();
    let average = averages.map(|values| Summary::of(&values)).transpose()?;
    Ok(Some((Summary::of(&values)?, average)))
}

fn of<'a>(variant: &'a str, results: &'a [RunResult]) -> impl Iterator<Item = &'a RunResult> {
    results.iter().filter(move |r| r.variant == variant)
}

/// Judges `a` against `b` on the seeds that both have finished.
fn judge(
    a: &str,
    b: &str,
    comparison: &Comparison,
    results: &[RunResult],
) -> Result<Option<Judgement>> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for r in of(a, results) {
        if let Some(partner) = of(b, results).find(|p| p.seed == r.seed) {
            left.push(r.scores.top1);
            right.push(partner.scores.top1);
        }
    }
    if left.is_empty() {
        return Ok(None);
    }
    let judged = Judgement::paired(&left, &right, comparison.effect, comparison.confidence)?;
    Ok(Some(judged))
}

/// A profile whose undistilled student does not beat a linear classifier judges nothing.
fn objection(comparison: Option<&Comparison>, rows: &[Row], floor: Option<&Row>) -> Option<String> {
    let name = comparison?.undistilled.as_ref()?;
    let student = rows.iter().find(|r| &r.name == name)?;
    let floor = floor?;
    (student.top1.mean <= floor.top1.mean).then(|| {
        format!(
            "This profile cannot judge the claim: the student without distillation reaches {:.2} % top-1, \
             no more than a linear classifier on pixels ({:.2} %).",
            student.top1.mean, floor.top1.mean,
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spectralkd_report::statistics::Verdict;

    use super::*;
    use crate::config;
    use crate::results::Scores;

    fn experiment() -> Experiment {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/headline.toml");
        config::load(&path, Some("quick"), &[]).unwrap()
    }

    fn run(variant: &str, seed: u64, top1: f64) -> RunResult {
        RunResult {
            variant: variant.to_owned(),
            seed,
            epochs: 1,
            scores: Scores {
                top1,
                top5: 99.0,
                loss: 0.5,
            },
            average: None,
            seconds: 1.0,
        }
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let results = [
            run("logits", 0, 80.0),
            run("logits", 1, 70.0),
            run("spectral", 1, 71.0),
            run("spectral", 0, 81.2),
            run("spectral", 2, 99.0),
        ];
        let table = Table::new(&experiment(), &results).unwrap();
        let claim = table.claim.unwrap();
        assert_eq!(claim.differences().len(), 2);
        assert!((claim.estimate() - 1.1).abs() < 1e-12);
        // t(1) at 95 % is 12.7: two seeds decide nothing here.
        assert_eq!(claim.verdict(), Verdict::Undecided);
        assert_eq!(table.rows.len(), 2);
    }

    #[test]
    fn a_student_below_the_floor_is_an_objection() {
        let results = [run("none", 0, 80.0), run(FLOOR, 0, 84.0)];
        let table = Table::new(&experiment(), &results).unwrap();
        assert!(table.objection.unwrap().contains("cannot judge"));
        let results = [run("none", 0, 85.0), run(FLOOR, 0, 84.0)];
        assert!(
            Table::new(&experiment(), &results)
                .unwrap()
                .objection
                .is_none()
        );
    }
}
