//! How a run stops when something is wrong: with a name, a place, and its state saved.

#[path = "common/mod.rs"]
mod common;

use std::cell::Cell;
use std::fs;

use common::{Net, Quirks, bits, config, log, run};
use spectralkd_base::progress::Silent;
use spectralkd_trainer::events::{self, Event};
use spectralkd_trainer::{Error, GradientSync, Gradients, Result, TaskError, Trainer};

#[test]
fn a_nan_loss_stops_with_all_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let quirks = Quirks {
        nan_at: Some(14),
        ..Quirks::default()
    };
    let mut net = Net::with(1, quirks);
    let error = run(&mut net, &config(), folder.path()).unwrap_err();
    let text = error.to_string();
    for said in [
        "the loss is NaN at step 14 (epoch 1, step 4 in it",
        "learning rate 1e-6",
        "total NaN",
        "kd ",
        "mse ",
        "step-00000014.json",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    match log(folder.path()).last() {
        Some(Event::Stop { step: 14, reason }) => assert_eq!(*reason, text),
        other => panic!("{other:?}"),
    }
    // Nothing of the step was applied: without its cause, the run goes on from before it.
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!(rest.resumed_from, Some(14));
    let clean = tempfile::tempdir().unwrap();
    let reference = run(&mut Net::new(1), &config(), clean.path()).unwrap();
    assert_eq!(bits(&rest.weights), bits(&reference.weights));
}

#[test]
fn a_gradient_that_is_not_finite_stops_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let quirks = Quirks {
        infinite_gradient_at: Some(2),
        ..Quirks::default()
    };
    let mut net = Net::with(1, quirks);
    let error = run(&mut net, &config(), folder.path()).unwrap_err();
    assert!(matches!(error, Error::NonFinite(_)));
    assert!(
        error.to_string().contains("the gradient of `fc2.bias` is "),
        "{error}"
    );
    let bias = net.vars["fc2.bias"].to_vec1::<f32>().unwrap()[0];
    assert!(bias.is_finite());
}

#[test]
fn an_error_of_the_task_says_where_and_keeps_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let quirks = Quirks {
        fail_at: Some(25),
        ..Quirks::default()
    };
    let error = run(&mut Net::with(1, quirks), &config(), folder.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "drawing a batch failed at step 25 (epoch 2, step 5 in it, from 0): \
         the disk with the images is gone"
    );
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!((rest.resumed_from, rest.steps), (Some(25), 40));
}

/// Hands the optimiser a gradient that it cannot use.
struct Mangle {
    at: u64,
}

impl GradientSync for Mangle {
    fn sync(&mut self, gradients: &mut Gradients) -> Result<(), TaskError> {
        if self.at == 0 {
            let flat = gradients["fc1.weight"].flatten_all()?;
            gradients.insert("fc1.weight".into(), flat);
        }
        self.at = self.at.wrapping_sub(1);
        Ok(())
    }
}

#[test]
fn after_an_update_that_failed_the_checkpoint_before_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let error = Trainer::new(&config(), folder.path())
        .sync(&mut Mangle { at: 4 })
        .run(&mut Net::new(1), &Silent)
        .unwrap_err();
    assert!(
        error.to_string().contains("the gradient of `fc1.weight`"),
        "{error}"
    );
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!(rest.resumed_from, Some(3));
}

#[test]
fn errors_of_the_disk_name_the_path() {
    let home = tempfile::tempdir().unwrap();

    // The folder's name is taken by a file.
    let file = home.path().join("run");
    fs::write(&file, "").unwrap();
    let error = run(&mut Net::new(1), &config(), &file).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );

    // The log's name is taken by a folder.
    let second = home.path().join("second");
    fs::create_dir_all(second.join(events::FILE)).unwrap();
    let error = run(&mut Net::new(1), &config(), &second).unwrap_err();
    assert!(error.to_string().contains("events.jsonl"), "{error}");

    // The name of a checkpoint's tensors is taken by a folder, in the middle of the run.
    let third = home.path().join("third");
    let taken = third.join("checkpoints/step-00000006.safetensors");
    fs::create_dir_all(&taken).unwrap();
    let error = run(&mut Net::new(1), &config(), &third).unwrap_err();
    assert!(matches!(error, Error::File(_)));
    assert!(
        error.to_string().contains(taken.to_str().unwrap()),
        "{error}"
    );
    // The checkpoint before it is whole, and the run goes on once the disk is in order.
    fs::remove_dir(&taken).unwrap();
    assert_eq!(
        run(&mut Net::new(1), &config(), &third)
            .unwrap()
            .resumed_from,
        Some(3)
    );
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Cell::new(false);
    let raised = || {
        let error = run(&mut Net::new(1), &config(), folder.path()).unwrap_err();
        refused.set(matches!(error, Error::Busy { .. }));
        true
    };
    Trainer::new(&config(), folder.path())
        .interrupt(&raised)
        .run(&mut Net::new(1), &Silent)
        .unwrap();
    assert!(refused.get());
}

#[test]
fn a_task_with_nothing_to_train_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Net::new(1);
    net.vars.clear();
    let error = run(&mut net, &config(), folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("no trainable parameters"),
        "{error}"
    );
}
