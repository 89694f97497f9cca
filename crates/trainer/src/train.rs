//! The training loop.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Tensor};
use spectralkd_base::progress::{Progress, Stage};

use crate::audit::audit;
use crate::config::TrainConfig;
use crate::error::{Error, NonFinite, Result};
use crate::events::StepRecord;
use crate::gradients::{self, GradientSync, Local, clip_factor};
use crate::outcome::{Outcome, Status};
use crate::schedule::Schedule;
use crate::session::Session;
use crate::task::{Parts, Step, Task};

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
        }
    }

    /// What the progress stage is called ("training" without).
    pub fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// Asked before every step and every evaluation; once it says true, the run saves its
    /// state and stops. For ctrl-c, let it read an `AtomicBool` that the signal handler sets.
    pub fn interrupt(mut self, raised: &'a dyn Fn() -> bool) -> Self {
        self.interrupt = Some(raised);
        self
    }

    /// What happens to the gradients between the backward pass and the optimiser (nothing without).
    pub fn sync(mut self, sync: &'a mut dyn GradientSync) -> Self {
        self.sync = Some(sync);
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
    /// or gradient ([`Error::NonFinite`]); an error of the task ([`Error::InTask`]); files that
    /// cannot be read or written. Where the run had begun, its state as of the last complete
    /// step is saved, the events file says why it stopped, and the next call goes on from there.
    pub fn run<T: Task>(mut self, task: &mut T, progress: &dyn Progress) -> Result<Outcome> {
        let mut session = Session::open(task, self.config, self.folder)?;
        let total = self.config.epochs.saturating_mul(session.steps_per_epoch);
        let mut stage = progress.stage(self.name, total, "steps");
        stage.skip(session.state.step);
        match self.epochs(task, &mut session, stage.as_mut()) {
            Ok(Status::Finished) => session.outcome(Status::Finished),
            Ok(Status::Interrupted) => session.interrupt(),
            Err(error) => Err(session.fail(error)),
        }
    }

    /// The loop: steps, and an evaluation after each epoch.
    fn epochs<T: Task>(
        &mut self,
        task: &mut T,
        session: &mut Session,
        stage: &mut dyn Stage,
    ) -> Result<Status> {
        let schedule = Schedule::new(self.config, session.steps_per_epoch);
        let mut audited = !self.config.audit;

        while !session.finished() {
            if self.interrupt.is_some_and(|raised| raised()) {
                return Ok(Status::Interrupted);
            }
            let step = session.state.next();
            if session.epoch_is_over() {
                let metrics = session.measure(|| {
                    task.evaluate(step.epoch)
                        .map_err(Error::in_task("evaluating the epoch", step))
                })?;
                session.end_epoch(metrics)?;
                continue;
            }

            let clock = Instant::now();
            let lr = schedule.at(step);
            let (batch, cursor) = task
                .next(&session.state.cursor)
                .map_err(Error::in_task("drawing a batch", step))?;
            let parts = task
                .loss(&batch, step)
                .map_err(Error::in_task("computing the loss", step))?;
            let (mut gradients, store) = gradients::backward(&parts.total, &session.vars)?;
            self.sync
                .as_deref_mut()
                .unwrap_or(&mut Local)
                .sync(&mut gradients)
                .map_err(Error::in_task("synchronising the gradients", step))?;

            // Judged after the exchange: what one process cannot use, all see and stop at.
            let losses = Losses::read(&parts)?;
            losses.check("the loss", losses.total, step, lr)?;
            if !audited {
                let zero = |name: &str| task.zero_gradient(name, step);
                let frozen = task.frozen();
                audit(
                    &parts.total,
                    &session.vars,
                    frozen,
                    &gradients,
                    &store,
                    zero,
                )?;
                audited = true;
            }
            let norm = gradients::norm(&gradients)?;
            if let Some((name, value)) = norm.bad {
                losses.check(&format!("the gradient of `{name}`"), value, step, lr)?;
            }

            let scale = clip_factor(norm.global, self.config.clip_grad);
            session.update(&gradients, lr, scale)?;
            stage.advance(1);
            stage.message(&format!(
                "epoch {}/{}, loss {:.4}, lr {:.2e}",
                step.epoch + 1,
                self.config.epochs,
                losses.total,
                lr
            ));
            let record = losses.record(step, lr, norm.global, parts.samples, clock);
            session.record(record, cursor)?;
        }
        Ok(Status::Finished)
    }
}

/// The values of [`Parts`].
struct Losses {
    total: f64,
    parts: BTreeMap<String, f64>,
}

impl Losses {
    fn read(parts: &Parts) -> Result<Self> {
        let scalar = |name: &str, tensor: &Tensor| {
            tensor
                .detach()
                .to_dtype(DType::F64)
                .and_then(|t| t.to_scalar::<f64>())
                .map_err(Error::tensor(format!("reading the scalar `{name}`")))
        };
        Ok(Self {
            total: scalar("total", &parts.total)?,
            parts: parts
                .parts
                .iter()
                .map(|(name, tensor)| Ok((name.clone(), scalar(name, tensor)?)))
                .collect::<Result<_>>()?,
        })
    }

    /// An error with all that is known of the step, unless `value` is finite.
    fn check(&self, what: &str, value: f64, step: Step, lr: f64) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let mut losses = vec![("total".to_string(), self.total)];
        losses.extend(self.parts.iter().map(|(name, x)| (name.clone(), *x)));
        Err(Error::NonFinite(Box::new(NonFinite {
            what: what.to_string(),
            value,
            step,
            lr,
            losses,
            checkpoint: None,
        })))
    }

    fn record(
        self,
        step: Step,
        lr: f64,
        grad_norm: f64,
        samples: u64,
        clock: Instant,
    ) -> StepRecord {
        StepRecord {
            step: step.global + 1,
            epoch: step.epoch,
            step_in_epoch: step.step_in_epoch,
            lr,
            loss: self.total,
            parts: self.parts,
            grad_norm,
            samples,
            seconds: clock.elapsed().as_secs_f64(),
        }
    }
}
