//! From an update on the device to the books of the host.

use super::Session;
use crate::error::Result;
use crate::events::{Event, StepRecord};
use crate::gradients::Gradients;
use crate::measured::Measured;
use crate::task::{Cursor, Step};
use crate::unread::{self, Unread};

impl Session<'_> {
    /// The step to be made.
    pub(crate) fn next(&self) -> Step {
        let step = self.state.next();
        let made = self.unread.len() as u64;
        Step {
            step_in_epoch: step.step_in_epoch + made,
            global: step.global + made,
            ..step
        }
    }

    /// The cursor of its batch.
    pub(crate) fn cursor(&self) -> &Cursor {
        match self.unread.last() {
            Some(last) => &last.cursor,
            None => &self.state.cursor,
        }
    }

    /// Whether the host knows of all steps that were made.
    pub(crate) fn all_read(&self) -> bool {
        self.unread.is_empty()
    }

    /// Applies gradients if they are finite and all before them were, and moves the average along. The host learns of it
    /// with [`Session::made`].
    pub(crate) fn update(
        &mut self,
        gradients: &Gradients,
        lr: f64,
        measured: &Measured,
    ) -> Result<Vec<u64>> {
        let counts = self.optimiser.counts();
        let guard = measured.guard(self.alive.as_ref())?;
        self.whole = false;
        self.optimiser.guarded_step(gradients, lr, &guard)?;
        if let Some(ema) = &mut self.ema {
            ema.guarded_update(&guard)?;
        }
        self.alive = Some(guard.go);
        Ok(counts)
    }

    /// Reads a step before it is made, and says whether its loss is finite.
    pub(crate) fn look_at(&self, unread: &Unread) -> Result<()> {
        let step = std::slice::from_ref(unread);
        for numbers in unread::read(step, &self.reads)? {
            numbers.check_loss(unread)?;
        }
        Ok(())
    }

    /// Takes a step that was handed to the device into the books, and reads where it is time; the loss of the last step
    /// that was read.
    pub(crate) fn made(&mut self, unread: Unread) -> Result<Option<f64>> {
        let step = unread.step.global + 1;
        self.whole = true;
        self.unread.push(unread);
        let every = self.config.checkpoint_every_steps;
        // The end of an epoch has a checkpoint of its own, after the evaluation.
        let due = every.is_some_and(|every| step.is_multiple_of(every)) && !self.epoch_is_over();
        let loss = match due || step.is_multiple_of(self.read_every) {
            true => self.read()?,
            false => None,
        };
        if due {
            self.save()?;
        }
        Ok(loss)
    }

    /// Reads the numbers of all steps that wait, in one read, and takes them into the books; the last loss.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for the first step that was not finite: it and those after it were not made.
    pub(crate) fn read(&mut self) -> Result<Option<f64>> {
        let steps = std::mem::take(&mut self.unread);
        self.alive = None;
        // Where nothing can be read, nobody knows what state the variables are in.
        let whole = std::mem::replace(&mut self.whole, false);
        let numbers = unread::read(&steps, &self.reads)?;
        self.whole = whole;
        let last = steps.len().saturating_sub(1);
        let (mut records, mut bad) = (Vec::new(), None);
        for (i, (mut unread, numbers)) in steps.into_iter().zip(numbers).enumerate() {
            if let Err(error) = numbers.check(&unread) {
                self.optimiser.recount(&unread.counts);
                bad = Some(error);
                break;
            }
            if i == last {
                // The host has waited for the device, and for all steps at once.
                unread.seconds = unread.clock.elapsed().as_secs_f64();
            }
            let record = numbers.record(&unread);
            self.state.advance(&record, unread.cursor);
            self.saved = false;
            records.push(record);
        }
        // The books are those of the variables before anything is written, which may fail.
        let loss = records.last().map(|record| record.loss);
        let every = self.config.log_every_steps;
        let told = |record: &StepRecord| {
            every > 0 && (record.step == 1 || record.step.is_multiple_of(every))
        };
        for record in records.into_iter().filter(told) {
            self.write(&Event::Step(record))?;
        }
        bad.map_or(Ok(loss), Err)
    }
}
