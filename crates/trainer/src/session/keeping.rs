//! Checkpoints of a run, and its stops.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::{EMA, Session, WEIGHTS};
use crate::error::{Error, Result};
use crate::events::Event;
use crate::outcome::{Outcome, Status};

impl Session<'_> {
    /// Makes sure that the present state has a checkpoint, and drops superseded ones.
    pub(crate) fn save(&mut self) -> Result<()> {
        self.save_beside()?;
        self.prune()
    }

    /// Drops superseded checkpoints.
    fn prune(&self) -> Result<()> {
        match self.log {
            Some(_) => self.store.prune(self.state.step),
            None => Ok(()),
        }
    }

    /// Makes sure that the present state has a checkpoint, unless nothing was done yet or an
    /// update was cut short; all older ones stay.
    fn save_beside(&mut self) -> Result<()> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        if !self.saved && self.whole && self.state.step > 0 {
            let events = log.sync()?;
            let tensors = self.tensors()?;
            let path = self
                .store
                .save(&self.identity, &self.state, &tensors, events)?;
            self.checkpoint = Some(path);
            self.saved = true;
        }
        Ok(())
    }

    /// Everything that a checkpoint keeps as tensors.
    pub(super) fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut all = self.optimiser.tensors()?;
        for (name, var) in &self.vars {
            all.insert(format!("{WEIGHTS}{name}"), var.as_detached_tensor());
        }
        if let Some(ema) = &self.ema {
            for (name, average) in ema.tensors() {
                all.insert(format!("{EMA}{name}"), average.clone());
            }
        }
        Ok(all)
    }

    /// Keeps the state as of the last step that was applied as a whole, where there is one, and
    /// writes down why the run stops.
    pub(crate) fn fail(&mut self, mut error: Error) -> Error {
        match self.read() {
            Ok(_) => {}
            // A step before the one that failed was not finite: that came first.
            Err(earlier @ Error::NonFinite(_)) => {
                tracing::error!(%error, "the run stops for a step before this error");
                error = earlier;
            }
            // What the device did not tell is not known to be whole.
            Err(second) => {
                self.whole = false;
                tracing::error!(%second, "the last steps could not be read");
            }
        }
        if let Err(second) = self.save_beside() {
            tracing::error!(%second, "the state could not be saved");
        }
        if let Error::NonFinite(facts) = &mut error {
            facts.checkpoint = self.checkpoint.clone();
        }
        if let Err(second) = self.stop(error.to_string()) {
            tracing::error!(%second, "the stop could not be logged");
        }
        error
    }

    /// Stops between two steps because somebody asked for it.
    pub(crate) fn interrupt(mut self) -> Result<Outcome> {
        self.stop("interrupted".into())?;
        self.prune()?;
        self.outcome(Status::Interrupted)
    }

    /// Logs a stop, and saves the state behind it: a resumed run goes on after this line.
    fn stop(&mut self, reason: String) -> Result<()> {
        let step = self.state.step;
        self.write(&Event::Stop { step, reason })?;
        self.saved = false;
        self.save_beside()
    }
}
