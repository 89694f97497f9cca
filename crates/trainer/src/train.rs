//! A training run: what it is told, and how it ends.

mod epochs;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use spectralkd_base::progress::{Progress, Silent};

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::gradients::GradientSync;
use crate::group::{Alone, Group, message};
use crate::outcome::{Outcome, Status};
use crate::reads::Reads;
use crate::session::Session;
use crate::task::{Task, TaskError};

/// Trains a task in a folder, or goes on with the run that is there: [`Trainer`] with nothing
/// but its defaults.
///
/// # Errors
/// As [`Trainer::run`].
pub fn train(
    task: &mut impl Task,
    config: &TrainConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Outcome> {
    Trainer::new(config, folder).run(task, progress)
}

/// A training run to be: a configuration, a folder, and what is out of the ordinary.
pub struct Trainer<'a> {
    config: &'a TrainConfig,
    folder: &'a Path,
    name: &'a str,
    interrupt: Option<&'a dyn Fn() -> bool>,
    sync: Option<&'a mut dyn GradientSync>,
    group: Option<&'a mut dyn Group>,
    reads: Reads,
    read_every: Option<u64>,
}

impl<'a> Trainer<'a> {
    /// A run of this configuration in this folder, which is made if it does not exist.
    pub fn new(config: &'a TrainConfig, folder: &'a Path) -> Self {
        Self {
            config,
            folder,
            name: "training",
            interrupt: None,
            sync: None,
            group: None,
            reads: Reads::default(),
            read_every: None,
        }
    }

    /// What the progress stage is called ("training" without).
    pub fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// Asked before every step and every evaluation (with several ranks: where the steps before were read); once it says
    /// true, the run saves its state and stops. For ctrl-c, let it read an `AtomicBool` that the signal handler sets.
    pub fn interrupt(mut self, raised: &'a dyn Fn() -> bool) -> Self {
        self.interrupt = Some(raised);
        self
    }

    /// What happens to the gradients between the backward pass and the optimiser (nothing without).
    pub fn sync(mut self, sync: &'a mut dyn GradientSync) -> Self {
        self.sync = Some(sync);
        self
    }

    /// Trains as one of several ranks, which all make this call with a task of their own and the same configuration and
    /// folder. [`Task::share`] deals the batches out; gradients and losses are the means over all ranks' samples; a step
    /// of the schedule is one of all ranks. Rank 0 alone writes to the folder, reports progress and evaluates: the others'
    /// outcomes have no metrics. An interrupt on any rank stops all before the same step, an error or a panic ends all,
    /// and the state as of the last complete step is saved. How many ranks there are is no part of what a run is: one with
    /// another number goes on from its checkpoints.
    pub fn group(mut self, group: &'a mut dyn Group) -> Self {
        self.group = Some(group);
        self
    }

    /// Counts there how often the host reads from the device.
    pub fn reads(mut self, reads: &Reads) -> Self {
        self.reads = reads.clone();
        self
    }

    /// How many steps' numbers are read at once: 1 on a CPU without this, [`TrainConfig::log_every_steps`] elsewhere. A
    /// step that is not finite is named when its numbers are read, and the state is then that before it.
    pub fn read_every(mut self, steps: u64) -> Self {
        self.read_every = Some(steps);
        self
    }

    /// Trains to the end of the last epoch, from the newest intact checkpoint in the folder if
    /// there is one. A run that is complete already is not trained further: its outcome is
    /// returned, and the task's variables hold its final weights.
    ///
    /// # Errors
    /// A configuration or task that makes no sense ([`Error::Config`], [`Error::Task`]); a folder
    /// that holds another run ([`Error::OtherConfig`], [`Error::OtherTensors`]) or is in use
    /// ([`Error::Busy`]); parameters that do not train ([`Error::Audit`]); a NaN or infinite loss
    /// or gradient ([`Error::NonFinite`]); a task that cannot be shared out ([`Error::Ranks`]), or another rank that
    /// stopped ([`Error::Rank`]); an error of the task ([`Error::InTask`]); files that
    /// cannot be read or written. Where the run had begun, its state as of the last complete
    /// step is saved, the events file says why it stopped, and the next call goes on from there.
    pub fn run<T: Task>(mut self, task: &mut T, progress: &dyn Progress) -> Result<Outcome> {
        let mut alone = Alone;
        let group = match self.group.take() {
            Some(group) => group,
            None => &mut alone,
        };
        let result = self.run_as(group, task, progress);
        if let Err(error) = &result {
            group.fail(&error.to_string());
        }
        result
    }

    /// The run of one rank.
    fn run_as<T: Task>(
        mut self,
        group: &mut dyn Group,
        task: &mut T,
        progress: &dyn Progress,
    ) -> Result<Outcome> {
        let (rank, world) = (group.rank(), group.world());
        if world > 1 {
            let refused = |reason: TaskError| Error::Ranks {
                world,
                reason: reason.to_string(),
            };
            task.share(rank, world).map_err(refused)?;
        }
        let reading = (self.reads.clone(), self.read_every);
        let keeper = rank == 0;
        let mut session = Session::open(task, self.config, self.folder, keeper, reading)?;
        let total = self.config.epochs.saturating_mul(session.steps_per_epoch);
        let progress = if keeper { progress } else { &Silent };
        let mut stage = progress.stage(self.name, total, "steps");
        stage.skip(session.state.step);
        let looped = catch_unwind(AssertUnwindSafe(|| {
            self.epochs(group, task, &mut session, stage.as_mut())
        }));
        match looped {
            Ok(Ok(Status::Finished)) => session.outcome(Status::Finished),
            Ok(Ok(Status::Interrupted)) => session.interrupt(),
            Ok(Err(error)) => Err(session.fail(error)),
            Err(panic) => {
                let message = message(panic.as_ref());
                session.fail(Error::Panicked { message });
                resume_unwind(panic)
            }
        }
    }
}
