//! An experiment whose steps are shared out to two ranks comes to the numbers of one rank.

use std::path::Path;

use serde_json::Value;
use spectralkd_experiment::reproduce::Status;

use crate::disk;
use crate::four_variants::EXPERIMENT;
use crate::resume::Stopper;
use crate::schema::{Loss, Written, measures, terms};
use crate::workplace::{Workplace, run_folder};

const ONE: Written = Written {
    seeds: &[0],
    variants: &[("spectral", Loss::Spectral), ("mse", Loss::MatchedMse)],
    compared: false,
    ..EXPERIMENT
};

/// The experiment with every step in its log.
fn written(ranks: usize) -> String {
    let more = format!("eval_batch_size = 16\nlog_every_steps = 1\nranks = {ranks}\n");
    ONE.toml().replace("eval_batch_size = 16\n", &more)
}

/// Steps and epochs of two runs agree to rounding.
fn close(whole: &Path, shared: &Path) {
    for kind in ["step", "epoch"] {
        let (one, two) = (disk::events(whole, kind), disk::events(shared, kind));
        assert_eq!(
            (one.len(), two.len()),
            if kind == "step" { (15, 15) } else { (3, 3) }
        );
        for (one, two) in one.iter().zip(&two) {
            let exact =
                |record: &Value| ["step", "epoch", "lr", "samples"].map(|key| record[key].clone());
            assert_eq!(exact(one), exact(two));
            let (one, two) = (numbers(one), numbers(two));
            assert_eq!(one.len(), two.len());
            for ((name, x), (_, y)) in one.into_iter().zip(two) {
                assert!(
                    (x - y).abs() < 1e-4 * x.abs() + 1e-6,
                    "{kind} {name}: {x} {y}"
                );
            }
        }
    }
}

fn numbers(record: &Value) -> Vec<(String, f64)> {
    let own = ["loss", "grad_norm"].map(|key| (key.to_owned(), record[key].as_f64().unwrap()));
    let terms = terms(record)
        .into_iter()
        .map(|(name, x)| (name.to_owned(), x));
    let measured = match record.get("metrics") {
        Some(_) => measures(record),
        None => Vec::new(),
    };
    own.into_iter().chain(terms).chain(measured).collect()
}

#[test]
fn two_ranks_come_to_the_numbers_of_one() {
    let workplace = Workplace::new();
    let (_, whole) = workplace.run("whole", &written(1));
    let (summary, shared) = workplace.run("shared", &written(2));
    assert_eq!(summary.status, Status::Done);
    for name in ["spectral", "mse"] {
        let (one, two) = (run_folder(&whole, name, 0), run_folder(&shared, name, 0));
        close(&one, &two);
        assert!(two.join("weights.safetensors").is_file());
        let norms = |run: &Path| -> Vec<Value> {
            let steps = disk::events(run, "step").into_iter();
            steps.map(|step| step["grad_norm"].clone()).collect()
        };
        assert_ne!(
            norms(&one),
            norms(&two),
            "sums of two ranks are rounded elsewhere"
        );
    }
}

#[test]
fn a_run_that_two_ranks_began_is_ended_by_one() {
    let workplace = Workplace::new();
    let (_, whole) = workplace.run("whole", &written(1));
    workplace.write("moved", &written(2));
    let options = workplace.options("moved");
    let stopper = Stopper::after(7);
    let summary = workplace.try_run("moved", &options, &stopper, &stopper.interrupt);
    assert_eq!(summary.unwrap().status, Status::Interrupted { missing: 2 });
    let (summary, moved) = workplace.run("moved", &written(1));
    assert_eq!(summary.status, Status::Done);
    assert_eq!(
        disk::events(&run_folder(&moved, "spectral", 0), "resume").len(),
        1
    );
    for name in ["spectral", "mse"] {
        close(&run_folder(&whole, name, 0), &run_folder(&moved, name, 0));
    }
}

#[test]
fn what_cannot_be_shared_out_is_refused_at_its_line() {
    let workplace = Workplace::new();
    let error = |text: String| {
        workplace.write("refused", &text);
        workplace.error("refused", &workplace.options("refused"))
    };
    let odd = error(written(3));
    assert!(odd.contains("ranks") && odd.contains("batch_size"), "{odd}");
    let none = error(written(0));
    assert!(none.contains("ranks"), "{none}");
    let relating = written(2).replace("kind = \"kl\", weight = 0.7, tau = 2.0", "kind = \"dist\"");
    let relating = error(relating);
    assert!(relating.contains("`train.ranks` = 2"), "{relating}");
}
