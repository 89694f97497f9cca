//! Several ranks come to what one comes to.

use super::*;

#[test]
fn ranks_come_to_what_one_comes_to() {
    let whole = tempfile::tempdir().unwrap();
    let reference = run(&mut Net::new(1), &config(), whole.path()).unwrap();
    // Eight samples: four each; three, three and two.
    for world in [2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let outcomes = train_on(world, &config(), folder.path(), |_, _| {}).unwrap();
        close(whole.path(), folder.path(), 1e-5);
        let first = &outcomes[0];
        assert!(apart(&reference.weights, &first.weights) < 1e-5);
        let average = |outcome: &Outcome| outcome.ema.clone().unwrap();
        assert!(apart(&average(&reference), &average(first)) < 1e-5);
        for other in &outcomes[1..] {
            assert_eq!(common::bits(&first.weights), common::bits(&other.weights));
            assert_eq!(other.checkpoint, None, "rank 0 alone writes");
        }
        // One log and one set of checkpoints, as one rank leaves them.
        assert_eq!(checkpoints(folder.path()), checkpoints(whole.path()));
        assert_eq!(log(folder.path()).len(), log(whole.path()).len());
        let (then, now) = (&reference.history[3], &first.history[3]);
        assert_eq!((now.samples, now.lr), (8 * STEPS, then.lr));
        let (then, now) = (then.metrics["ema.mse"], now.metrics["ema.mse"]);
        assert!((then - now).abs() < 1e-5 * then, "{then} {now}");
    }
}

#[test]
fn a_checkpoint_of_one_world_goes_on_in_another() {
    let whole = tempfile::tempdir().unwrap();
    let reference = run(&mut Net::new(1), &config(), whole.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stop_after = |(teller, world): (usize, usize), polls: u64, folder: &Path| {
        let folder = folder.to_owned();
        in_time(move || {
            ranks(world, 1, |group: &mut Member| {
                // One rank alone is told to stop.
                let told = group.rank() == teller;
                let asked = Cell::new(0);
                let raised = || {
                    asked.set(asked.get() + 1);
                    told && asked.get() > polls
                };
                Trainer::new(&config(), &folder)
                    .group(group)
                    .interrupt(&raised)
                    .run(&mut Part::of(Net::new(1)), &Silent)
            })
        })
        .unwrap()
    };
    for (who, polls, from, to) in [
        ((1, 2), 8, None, 8),
        ((0, 1), 9, Some(8), 16),
        ((1, 3), 6, Some(16), 21),
    ] {
        for outcome in stop_after(who, polls, folder.path()) {
            assert_eq!(outcome.status, Status::Interrupted);
            assert_eq!((outcome.resumed_from, outcome.steps), (from, to));
        }
    }
    let rest = train_on(2, &config(), folder.path(), |_, _| {}).unwrap();
    assert_eq!(rest[0].resumed_from, Some(21));
    close(whole.path(), folder.path(), 1e-5);
    assert!(apart(&reference.weights, &rest[0].weights) < 1e-5);
}
