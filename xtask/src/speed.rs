//! `speed`: how fast this machine trains and runs the models.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use spectralkd_base::progress::Progress;
use spectralkd_runtime::Runtime;
use spectralkd_speed::{self as speed, Case, Error, Length, Named, Precision, Record};

use crate::cli::{Speed, SpeedCase};
use crate::failure::{Failure, Result};
use crate::model::workers;
use crate::output::say;
use crate::provenance::provenance;
use crate::terminal::Terminal;

/// The cases without a case, each as it is typed.
const STANDARD: [&str; 8] = [
    "step",
    "train",
    "infer",
    "infer --student cait_s24_224 --batch 8",
    "infer --student swin_tiny_patch4_window7_224 --batch 8",
    "step --student swin_tiny_patch4_window7_224 --teacher swin_small_patch4_window7_224",
    "loss --shape 8,192,14,14",
    "loss --shape 8,96,56,56",
];

static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// Times one case, or the standard list.
///
/// # Errors
/// A case that makes no sense, one that fails, or Ctrl-C.
pub fn speed(arguments: &Speed) -> Result<()> {
    // A second Ctrl-C ends the process at once.
    let handler = || {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Failure::Machine(format!("cannot listen for Ctrl-C: {e}")))?;
    let records = match &arguments.case {
        Some(case) => vec![one(case, arguments)?],
        None => list(arguments)?,
    };
    if !arguments.json {
        say!("{}", speed::table(&records));
    }
    Ok(())
}

/// Measures a case in this process.
fn one(case: &SpeedCase, arguments: &Speed) -> Result<Record> {
    let case = checked(case, arguments.dtype)?;
    let length = Length {
        warmup: arguments.warmup.unwrap_or(case.length().warmup),
        runs: arguments.runs.unwrap_or(case.length().runs),
    };
    case.check(length)?;
    let runtime = Runtime::open(arguments.device, arguments.precision)?;
    workers(arguments.threads)?;
    if std::env::var("CANDLE_NUM_THREADS").as_deref() != Ok("1") {
        Terminal::new().note(
            "note: CANDLE_NUM_THREADS is not 1, so that candle's own threads disturb ours; `cargo xtask` sets it",
        );
    }
    let record = rayon::scope(|_| speed::measure(&case, length, &runtime, &version(), &INTERRUPT))?;
    if arguments.json {
        say!("{}", record.json()?);
    }
    Ok(record)
}

/// The case with its models found.
fn checked(case: &SpeedCase, precision: Precision) -> Result<Case> {
    let case = match case {
        SpeedCase::Step {
            student,
            teacher,
            batch,
        } => Case::Step {
            student: Named::find(student)?,
            teacher: Named::find(teacher)?,
            batch: *batch,
            precision,
        },
        SpeedCase::Train { student, batch } => Case::Train {
            student: Named::find(student)?,
            batch: *batch,
        },
        SpeedCase::Infer { student, batch } => Case::Infer {
            student: Named::find(student)?,
            batch: *batch,
        },
        SpeedCase::Loss { shape, form } => Case::Loss {
            shape: shape.0,
            form: *form,
        },
    };
    if case.precision() == precision {
        return Ok(case);
    }
    let (name, asked) = (case.name(), precision.name());
    Err(Failure::Usage(format!(
        "`{name}` has no teacher, so --dtype {asked} means nothing to it; it goes with `step`"
    )))
}

/// Measures the standard list, each case in a process of its own, so that its peak memory is its own.
fn list(arguments: &Speed) -> Result<Vec<Record>> {
    if arguments.dtype != Precision::F32 {
        let dtype = arguments.dtype.name();
        return Err(Failure::Usage(format!(
            "--dtype {dtype} goes with one case: cargo xtask speed step --dtype {dtype}"
        )));
    }
    if arguments.threads == Some(0) {
        return Err(Failure::Usage("--threads must be at least 1".into()));
    }
    let mut shared = Vec::new();
    let numbers = [
        ("--threads", arguments.threads),
        ("--runs", arguments.runs),
        ("--warmup", arguments.warmup),
    ];
    for (flag, number) in numbers {
        if let Some(number) = number {
            shared.extend([flag.to_owned(), number.to_string()]);
        }
    }
    let (device, precision) = (arguments.device, arguments.precision);
    shared.extend([
        format!("--device={device}"),
        format!("--precision={precision}"),
    ]);
    let mut records = Vec::new();
    for case in STANDARD {
        let record = child(case, &shared)?;
        if arguments.json {
            say!("{}", record.json()?);
        } else {
            Terminal::new().note(&speed::line(&record));
        }
        records.push(record);
    }
    Ok(records)
}

/// Measures a case in a process of its own.
fn child(case: &str, shared: &[String]) -> Result<Record> {
    let failed =
        |problem: String| Failure::Machine(format!("`cargo xtask speed {case}`: {problem}"));
    let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
    let mut command = Command::new(program);
    command.arg("speed").args(case.split(' ')).args(shared);
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        command.env("CANDLE_NUM_THREADS", "1");
    }
    let output = command
        .arg("--json")
        .output()
        .map_err(|e| failed(e.to_string()))?;
    // Ctrl-C reaches the child too, which ends with an error of its own.
    if INTERRUPT.load(Ordering::Relaxed) {
        return Err(Error::Interrupted.into());
    }
    if !output.status.success() {
        // The child's report without its frame.
        let report = String::from_utf8_lossy(&output.stderr).replace(['×', '│'], " ");
        let words: Vec<&str> = report.split_whitespace().collect();
        return Err(failed(format!("{} ({})", words.join(" "), output.status)));
    }
    Ok(Record::parse(
        String::from_utf8_lossy(&output.stdout).trim(),
    )?)
}

/// This program's version and revision.
fn version() -> String {
    let provenance = provenance();
    let dirty = if provenance.revision.ends_with('+') {
        "+"
    } else {
        ""
    };
    match provenance.revision.get(..12) {
        Some(revision) => format!("{} {revision}{dirty}", provenance.version),
        None => provenance.version,
    }
}
