//! Progress on a terminal: a bar per stage with rate and remaining time; plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use spectralkd_base::progress::{Progress, Stage};

/// Seconds between two lines of one stage where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The unit that is counted in powers of 1024.
const BYTES: &str = "bytes";

/// Draws stages as bars, or as lines when standard error is not a terminal.
pub struct Terminal {
    bars: Option<MultiProgress>,
}

impl Terminal {
    /// Looks at standard error to decide.
    pub fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars }
    }
}

impl Progress for Terminal {
    fn stage(&self, name: &str, total: u64, unit: &'static str) -> Box<dyn Stage> {
        match &self.bars {
            Some(bars) => {
                let bar = bars.add(ProgressBar::new(total));
                let counts = match unit {
                    BYTES => "{bytes:>10}/{total_bytes} {bytes_per_sec:>14}".to_owned(),
                    _ => format!("{{pos:>7}}/{{len}} {unit} {{per_sec:>12}}"),
                };
                let template =
                    format!("{{prefix:32!}} {{bar:24}} {counts} {{eta:>5}} left  {{wide_msg}}");
                if let Ok(style) = ProgressStyle::with_template(&template) {
                    bar.set_style(style);
                }
                bar.set_prefix(name.to_owned());
                bar.enable_steady_tick(Duration::from_millis(250));
                Box::new(Bar { bar })
            }
            None => Box::new(Lines::new(name, total, unit)),
        }
    }

    fn note(&self, text: &str) {
        match &self.bars {
            // A closed terminal is no reason to stop a run.
            Some(bars) => drop(bars.println(text)),
            None => line(text),
        }
    }
}

/// One stage as a bar.
struct Bar {
    bar: ProgressBar,
}

impl Stage for Bar {
    fn skip(&mut self, by: u64) {
        self.bar.inc(by);
        self.bar.reset_eta();
    }

    fn advance(&mut self, by: u64) {
        self.bar.inc(by);
    }

    fn message(&mut self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.disable_steady_tick();
        self.bar.abandon();
    }
}

/// One stage as lines: its start, every [`LINE_EVERY`], its end.
struct Lines {
    name: String,
    unit: &'static str,
    total: u64,
    done: u64,
    skipped: u64,
    /// What the last line said; starts past any count.
    last: u64,
    message: String,
    started: Instant,
    printed: Instant,
}

impl Lines {
    fn new(name: &str, total: u64, unit: &'static str) -> Self {
        line(&format!("{name}: {}", count(total, unit)));
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            unit,
            total,
            done: 0,
            skipped: 0,
            last: u64::MAX,
            message: String::new(),
            started: now,
            printed: now,
        }
    }

    fn print(&mut self) {
        self.printed = Instant::now();
        self.last = self.done;
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = (self.done - self.skipped) as f64 / seconds.max(1e-9);
        let left = self.total.saturating_sub(self.done) as f64 / rate.max(1e-9);
        let left = if self.done < self.total && rate > 0.0 {
            format!(", {} left", minutes(left))
        } else {
            String::new()
        };
        let message = if self.message.is_empty() {
            String::new()
        } else {
            format!(", {}", self.message)
        };
        let done = match self.unit {
            BYTES => HumanBytes(self.done).to_string(),
            _ => self.done.to_string(),
        };
        let rate = match self.unit {
            BYTES => HumanBytes(rate as u64).to_string(),
            unit => format!("{rate:.1} {unit}"),
        };
        line(&format!(
            "{}: {done}/{} in {}, {rate}/s{left}{message}",
            self.name,
            count(self.total, self.unit),
            minutes(seconds),
        ));
    }
}

impl Stage for Lines {
    fn skip(&mut self, by: u64) {
        self.done += by;
        self.skipped += by;
    }

    fn advance(&mut self, by: u64) {
        self.done += by;
        if self.printed.elapsed() >= LINE_EVERY {
            self.print();
        }
    }

    fn message(&mut self, text: &str) {
        text.clone_into(&mut self.message);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.last != self.done {
            self.print();
        }
    }
}

/// A number with its unit, bytes in powers of 1024.
fn count(number: u64, unit: &str) -> String {
    match unit {
        BYTES => HumanBytes(number).to_string(),
        unit => format!("{number} {unit}"),
    }
}

/// `75.2` as `1:15`.
pub fn minutes(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}

/// A line on standard error; a closed pipe is no reason to stop a run.
fn line(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
