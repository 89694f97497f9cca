//! The loop of a run.

use std::time::Instant;

use spectralkd_base::progress::Stage;

use super::Trainer;
use crate::audit::audit;
use crate::error::{Error, Result};
use crate::exchange::exchange;
use crate::gradients::{self, Local};
use crate::group::Group;
use crate::measured::Measured;
use crate::outcome::Status;
use crate::schedule::Schedule;
use crate::session::Session;
use crate::task::{Metrics, Task};
use crate::unread::Unread;

impl Trainer<'_> {
    /// The loop: steps, and an evaluation after each epoch.
    pub(super) fn epochs<T: Task>(
        &mut self,
        group: &mut dyn Group,
        task: &mut T,
        session: &mut Session,
        stage: &mut dyn Stage,
    ) -> Result<Status> {
        session.agree(group)?;
        let schedule = Schedule::new(self.config, session.steps_per_epoch);
        let mut audited = !self.config.audit;

        while !session.finished() {
            // Ranks ask one another where they have read anyway.
            if group.world() == 1 || session.all_read() {
                let raised = self.interrupt.is_some_and(|raised| raised());
                if group.any(raised)? {
                    session.read()?;
                    return Ok(Status::Interrupted);
                }
            }
            let step = session.next();
            if session.epoch_is_over() {
                session.read()?;
                let metrics = match group.rank() {
                    0 => session.measure(|| {
                        task.evaluate(step.epoch)
                            .map_err(Error::in_task("evaluating the epoch", step))
                    })?,
                    _ => Metrics::new(),
                };
                session.end_epoch(metrics)?;
                continue;
            }

            let clock = Instant::now();
            let lr = schedule.at(step);
            let (batch, cursor) = task
                .next(session.cursor())
                .map_err(Error::in_task("drawing a batch", step))?;
            let parts = task
                .loss(&batch, step)
                .map_err(Error::in_task("computing the loss", step))?;
            let (mut gradients, store) = gradients::backward(&parts.total, &session.vars)?;
            let (met, samples) = if group.world() > 1 {
                let (met, samples) = exchange(group, &mut gradients, &parts)?;
                (met, Some(samples))
            } else {
                (parts.clone(), None)
            };
            self.sync
                .as_deref_mut()
                .unwrap_or(&mut Local)
                .sync(&mut gradients)
                .map_err(Error::in_task("synchronising the gradients", step))?;

            // Measured after the exchange: what one rank cannot use, all see and stop at.
            let clip = self.config.clip_grad;
            let measured = Measured::of(&met, &gradients, samples.as_ref(), clip)?;
            let mut unread = Unread {
                step,
                lr,
                cursor,
                clock,
                seconds: 0.0,
                measured,
                counts: Vec::new(),
            };
            if !audited {
                session.look_at(&unread)?;
                audit(
                    &parts.total,
                    &session.vars,
                    task.frozen(),
                    &gradients,
                    &store,
                    |name| task.zero_gradient(name, step),
                    &self.reads,
                )?;
                audited = true;
            }

            unread.counts = session.update(&gradients, lr, &unread.measured)?;
            unread.seconds = clock.elapsed().as_secs_f64();
            let loss = session.made(unread)?;
            stage.advance(1);
            if let Some(loss) = loss {
                stage.message(&format!(
                    "epoch {}/{}, loss {loss:.4}, lr {lr:.2e}",
                    step.epoch + 1,
                    self.config.epochs,
                ));
            }
        }
        Ok(Status::Finished)
    }
}
