//! The gradient audit, before the first update.

#[path = "common/mod.rs"]
mod common;

use common::{Net, Quirks, checkpoints, config, run};
use spectralkd_trainer::audit::Problem;
use spectralkd_trainer::{Error, TrainConfig};

/// What the audit finds, as (name, problem).
fn findings(quirks: Quirks) -> Vec<(String, Problem)> {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Net::with(1, quirks);
    let before = net.vars["fc2.bias"].to_vec1::<f32>().unwrap();
    let error = run(&mut net, &config(), folder.path()).unwrap_err();
    assert_eq!(
        net.vars["fc2.bias"].to_vec1::<f32>().unwrap(),
        before,
        "nothing is updated"
    );
    assert!(checkpoints(folder.path()).is_empty());
    let text = error.to_string();
    let Error::Audit { findings } = error else {
        panic!("{text}");
    };
    for finding in &findings {
        assert!(text.contains(&finding.parameter), "{text}");
    }
    findings
        .into_iter()
        .map(|f| (f.parameter, f.problem))
        .collect()
}

#[test]
fn the_audit_names_what_does_not_train_and_what_must_not() {
    let one = |name: &str, problem| vec![(name.to_string(), problem)];
    let quirks = Quirks::default;
    assert_eq!(
        findings(Quirks {
            unused: true,
            ..quirks()
        }),
        one("unused", Problem::NoGradient)
    );
    assert_eq!(
        findings(Quirks {
            dead_layer: true,
            ..quirks()
        }),
        one("fc1.weight", Problem::ZeroGradient)
    );
    assert_eq!(
        findings(Quirks {
            stray_variable: true,
            ..quirks()
        }),
        one("a variable of shape [1, 1]", Problem::UnknownVariable)
    );
    assert_eq!(
        findings(Quirks {
            tracked_teacher: true,
            ..quirks()
        }),
        one("teacher.weight", Problem::FrozenIsTracked)
    );
    assert_eq!(
        findings(Quirks {
            fed_teacher: true,
            ..quirks()
        }),
        one("teacher.weight", Problem::FrozenHasGradient)
    );
    assert_eq!(
        findings(Quirks {
            infinite_gradient_at: Some(0),
            ..quirks()
        }),
        one("fc2.bias", Problem::NonFiniteGradient)
    );
}

#[test]
fn rows_that_the_task_exempts_are_not_judged() {
    let dead = |rows| Quirks {
        dead_layer: true,
        exempt: Some(("fc1.weight", rows)),
        ..Quirks::default()
    };
    let config = TrainConfig {
        epochs: 1,
        ..config()
    };
    let folder = tempfile::tempdir().unwrap();
    run(&mut Net::with(1, dead(0..16)), &config, folder.path()).unwrap();
    assert_eq!(
        findings(dead(0..15)),
        [("fc1.weight".to_string(), Problem::ZeroGradient)],
        "one row is left to judge"
    );
}

#[test]
fn the_audit_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        audit: false,
        ..config()
    };
    let quirks = Quirks {
        unused: true,
        ..Quirks::default()
    };
    let mut net = Net::with(1, quirks);
    let before = net.vars["unused"].to_vec2::<f32>().unwrap();
    run(&mut net, &config, folder.path()).unwrap();
    assert_eq!(net.vars["unused"].to_vec2::<f32>().unwrap(), before);
}
