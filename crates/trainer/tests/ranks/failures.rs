//! An error, a panic or a lost rank ends all.

use super::*;

/// The error of all, and what the log says of it.
fn fails(change: impl Fn(usize, &mut Part) + Send + Sync + 'static) -> (Error, String, u64) {
    let folder = tempfile::tempdir().unwrap();
    let error = train_on(2, &config(), folder.path(), change).unwrap_err();
    let Some(Event::Stop { step, reason }) = log(folder.path()).pop() else {
        panic!("the log does not end with a stop")
    };
    // The state is whole: one rank goes on from it to the end.
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!((rest.resumed_from, rest.steps), (Some(step), 4 * STEPS));
    let whole = tempfile::tempdir().unwrap();
    run(&mut Net::new(1), &config(), whole.path()).unwrap();
    close(whole.path(), folder.path(), 1e-5);
    (error, reason, step)
}

#[test]
fn an_error_of_any_rank_ends_all_with_one_message() {
    for failing in [0, 1] {
        let (error, reason, step) = fails(move |rank, part| {
            if rank == failing {
                part.net.quirks.fail_at = Some(25);
            }
        });
        assert_eq!((error.to_string(), step), (reason.clone(), 25));
        let said = "drawing a batch failed at step 25 (epoch 2, step 5 in it, from 0)";
        assert!(reason.contains(said), "{reason}");
        assert_eq!(
            reason.starts_with("rank 1 ended the run: "),
            failing == 1,
            "{reason}"
        );
    }
}

#[test]
fn what_is_not_finite_on_one_rank_stops_all_at_that_step() {
    let (error, reason, step) = fails(|rank, part| {
        if rank == 1 {
            part.net.quirks.nan_at = Some(14);
        }
    });
    assert_eq!((error.to_string(), step), (reason.clone(), 14));
    assert!(reason.contains("the loss is NaN at step 14"), "{reason}");
    let (_, reason, step) = fails(|rank, part| {
        if rank == 1 {
            part.net.quirks.infinite_gradient_at = Some(5);
        }
    });
    assert_eq!(step, 5);
    assert!(reason.contains("the gradient of `fc2.bias`"), "{reason}");
}

#[test]
fn a_panic_of_any_rank_ends_all_and_the_state_is_kept() {
    for panicking in [0, 1] {
        let (error, reason, step) = fails(move |_, part| part.panics = Some((panicking, 17)));
        assert_eq!(step, 17);
        for text in [error.to_string(), reason] {
            assert!(text.contains("a panic: a bug in the task"), "{text}");
        }
    }
}

#[test]
fn a_rank_that_is_gone_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let error = in_time(move || {
        ranks(3, 1, |group: &mut Member| {
            // Rank 2 thinks that an epoch is all.
            let own = TrainConfig {
                epochs: if group.rank() == 2 { 1 } else { 4 },
                ..config()
            };
            let trainer = Trainer::new(&own, &path).group(group);
            trainer.run(&mut Part::of(Net::new(1)), &Silent).map(|_| ())
        })
    })
    .unwrap_err();
    let said = "rank 2 ended the run: it left before the others";
    assert_eq!(error.to_string(), said);
    let last = log(folder.path()).pop();
    assert!(matches!(last, Some(Event::Stop { step: STEPS, reason }) if reason == said));
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!(rest.resumed_from, Some(STEPS));
}

#[test]
fn an_error_of_the_disk_ends_the_ranks_that_do_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("checkpoints/step-00000006.safetensors");
    fs::create_dir_all(&taken).unwrap();
    let error = train_on(2, &config(), folder.path(), |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::File(_)), "{error}");
    fs::remove_dir(&taken).unwrap();
    let rest = train_on(2, &config(), folder.path(), |_, _| {}).unwrap();
    assert_eq!(rest[1].resumed_from, Some(3));
}

#[test]
fn ranks_that_do_not_belong_together_are_refused() {
    let refused = |change: fn(usize, &mut Part)| {
        let folder = tempfile::tempdir().unwrap();
        let error = train_on(2, &config(), folder.path(), change).unwrap_err();
        assert!(checkpoints(folder.path()).is_empty());
        error.to_string()
    };
    let other_weights = refused(|rank, part| {
        if rank == 1 {
            let weight = &part.net.vars["fc2.weight"];
            weight.set(&weight.affine(1.0, 1e-3).unwrap()).unwrap();
        }
    });
    assert!(
        other_weights.contains("different weights"),
        "{other_weights}"
    );
    let other_model = refused(|rank, part| {
        if rank == 1 {
            part.net = Net::with(
                1,
                Quirks {
                    unused: true,
                    ..Quirks::default()
                },
            );
        }
    });
    assert!(other_model.contains("different weights"), "{other_model}");

    // A task that does not know how it is shared out.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let error = in_time(move || {
        ranks(2, 1, |group: &mut Member| {
            Trainer::new(&config(), &path)
                .group(group)
                .run(&mut Net::new(1), &Silent)
                .map(|_| ())
        })
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("2 ranks") && error.contains("train it with one"),
        "{error}"
    );
}

#[test]
fn ranks_out_of_step_are_an_error_and_no_wait() {
    let error = in_time(|| {
        ranks(2, 1, |group: &mut Member| {
            let count = 3 + group.rank();
            let own = Tensor::ones(count, candle_core::DType::F32, &Device::Cpu)
                .map_err(|e| Error::Task(e.to_string()))?;
            group.sum(&own).map(|_| ())
        })
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("3 numbers in f32, another 4 numbers"),
        "{error}"
    );
}

/// A group of one that remembers what it is told.
#[derive(Default)]
struct Told(Vec<String>);

impl Group for Told {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn sum(&mut self, flat: &Tensor) -> Result<Tensor> {
        Ok(flat.clone())
    }

    fn any(&mut self, flag: bool) -> Result<bool> {
        Ok(flag)
    }

    fn fail(&mut self, why: &str) {
        self.0.push(why.to_owned());
    }
}

#[test]
fn a_group_is_told_why_a_rank_stops() {
    for (fail_at, times) in [(Some(3), 1), (None, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let quirks = Quirks {
            fail_at,
            ..Quirks::default()
        };
        let mut group = Told::default();
        let ended = Trainer::new(&config(), folder.path())
            .group(&mut group)
            .run(&mut Net::with(1, quirks), &Silent);
        assert_eq!(ended.is_err(), fail_at.is_some());
        assert_eq!(group.0.len(), times);
        if let Err(error) = ended {
            assert_eq!(group.0, [error.to_string()]);
        }
    }
}
