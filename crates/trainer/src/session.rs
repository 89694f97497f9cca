//! A run under way: its variables and their state, its log and its checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Tensor, Var};

use crate::checkpoint::{Checkpoint, Store};
use crate::config::TrainConfig;
use crate::ema::{Ema, copies};
use crate::error::{Error, Result};
use crate::events::{Event, EventLog, StepRecord};
use crate::gradients::Gradients;
use crate::identity::Identity;
use crate::optimiser::{AdamW, Hyper, count};
use crate::outcome::{Outcome, Status};
use crate::state::State;
use crate::task::{Cursor, Metrics, Task};

/// Prefixes of tensors in a checkpoint, besides the optimiser's.
const WEIGHTS: &str = "weights/";
const EMA: &str = "ema/";

/// Before the names of metrics that were measured on the moving average of the weights.
pub const AVERAGE: &str = "ema.";

pub(crate) struct Session<'a> {
    pub config: &'a TrainConfig,
    pub steps_per_epoch: u64,
    pub vars: BTreeMap<String, Var>,
    pub state: State,
    identity: Identity,
    optimiser: AdamW,
    ema: Option<Ema>,
    log: EventLog,
    store: Store,
    resumed_from: Option<u64>,
    /// The newest checkpoint, and whether it holds the present state.
    checkpoint: Option<PathBuf>,
    saved: bool,
    /// False while an update is being applied: such a state is no point to go on from.
    whole: bool,
}

impl<'a> Session<'a> {
    /// Begins a run in a folder, or goes on with the one that is there.
    pub(crate) fn open(task: &impl Task, config: &'a TrainConfig, folder: &Path) -> Result<Self> {
        config.validate()?;
        let vars = task.trainable().clone();
        if vars.is_empty() {
            return Err(Error::Task("it has no trainable parameters".into()));
        }
        let steps_per_epoch = task.steps_per_epoch();
        if steps_per_epoch == 0 {
            return Err(Error::Task(
                "its epochs have no steps; is there less data than one batch?".into(),
            ));
        }
        let hyper = Hyper {
            betas: config.betas,
            eps: config.eps,
            weight_decay: config.weight_decay,
        };
        let optimiser = AdamW::new(&vars, hyper, |name, rank| task.decays(name, rank))?;
        let ema = config.ema.map(|decay| Ema::new(&vars, decay)).transpose()?;
        let store = Store::open(folder, config.keep_checkpoints)?;
        let mut session = Self {
            config,
            steps_per_epoch,
            vars,
            state: State::start(task.start()),
            identity: Identity::of(task, config)?,
            optimiser,
            ema,
            log: EventLog::open(folder)?,
            store,
            resumed_from: None,
            checkpoint: None,
            saved: false,
            whole: true,
        };
        match session.store.newest(&session.identity)? {
            Some(checkpoint) => session.resume(checkpoint)?,
            None => session.begin()?,
        }
        Ok(session)
    }

    fn begin(&mut self) -> Result<()> {
        self.cut(0)?;
        self.log.write(&Event::Start {
            digest: self.identity.digest.clone(),
            parameters: count(&self.vars),
            epochs: self.config.epochs,
            steps_per_epoch: self.steps_per_epoch,
        })
    }

    fn resume(&mut self, checkpoint: Checkpoint) -> Result<()> {
        checkpoint.check_tensors(&self.tensors()?)?;
        let tensors = &checkpoint.tensors;
        for (name, var) in &self.vars {
            let saved = &tensors[&format!("{WEIGHTS}{name}")];
            saved
                .to_device(var.device())
                .and_then(|saved| var.set(&saved))
                .map_err(Error::tensor(format!("restoring `{name}`")))?;
        }
        self.optimiser.restore(tensors)?;
        if let Some(ema) = &mut self.ema {
            let averages = tensors
                .iter()
                .filter_map(|(name, t)| Some((name.strip_prefix(EMA)?.to_string(), t.clone())))
                .collect();
            ema.restore(&averages)?;
        }
        self.state = checkpoint.state;
        self.resumed_from = Some(self.state.step);
        self.saved = true;
        self.cut(checkpoint.events)?;
        tracing::info!(checkpoint = %checkpoint.path.display(), step = self.state.step, "resuming");
        if !self.finished() {
            let name = checkpoint.path.file_name().unwrap_or_default();
            self.log.write(&Event::Resume {
                step: self.state.step,
                checkpoint: name.to_string_lossy().into_owned(),
            })?;
        }
        self.checkpoint = Some(checkpoint.path);
        Ok(())
    }

    /// Moves the events after the first `length` bytes aside.
    fn cut(&mut self, length: u64) -> Result<()> {
        if let Some(aside) = self.log.cut(length)? {
            tracing::info!(
                path = %aside.display(),
                "events after the last checkpoint were moved aside; these steps are made again"
            );
        }
        Ok(())
    }

    pub(crate) fn finished(&self) -> bool {
        self.state.epoch >= self.config.epochs
    }

    /// Whether the present epoch waits for its evaluation.
    pub(crate) fn epoch_is_over(&self) -> bool {
        self.state.step_in_epoch >= self.steps_per_epoch
    }

    /// What `measure` finds of the weights, and, where there is an average of them, of that under the same names after
    /// [`AVERAGE`].
    pub(crate) fn measure(
        &mut self,
        mut measure: impl FnMut() -> Result<Metrics>,
    ) -> Result<Metrics> {
        let mut metrics = measure()?;
        if let Some(ema) = &mut self.ema {
            // While they are exchanged, the variables are no state to save.
            self.whole = false;
            ema.exchange()?;
            let averaged = measure();
            ema.exchange()?;
            self.whole = true;
            let renamed = averaged?
                .into_iter()
                .map(|(name, value)| (format!("{AVERAGE}{name}"), value));
            metrics.extend(renamed);
        }
        Ok(metrics)
    }

    /// Applies gradients, and moves the average along.
    pub(crate) fn update(&mut self, gradients: &Gradients, lr: f64, scale: f64) -> Result<()> {
        self.whole = false;
        self.optimiser.step(gradients, lr, scale)?;
        match &mut self.ema {
            Some(ema) => ema.update(),
            None => Ok(()),
        }
    }

    /// Takes a step that was applied into the books.
    pub(crate) fn record(&mut self, record: StepRecord, cursor: Cursor) -> Result<()> {
        self.state.advance(&record, cursor);
        (self.whole, self.saved) = (true, false);
        let every = self.config.log_every_steps;
        if every > 0 && (record.step == 1 || record.step.is_multiple_of(every)) {
            self.log.write(&Event::Step(record))?;
        }
        let due = |every: u64| self.state.step.is_multiple_of(every);
        // The end of an epoch has a checkpoint of its own, after the evaluation.
        if self.config.checkpoint_every_steps.is_some_and(due) && !self.epoch_is_over() {
            self.save()?;
        }
        Ok(())
    }

    /// Closes an epoch that was evaluated.
    pub(crate) fn end_epoch(&mut self, metrics: Metrics) -> Result<()> {
        let record = self.state.close_epoch(metrics);
        self.saved = false;
        self.log.write(&Event::Epoch(record))?;
        let every = self.config.checkpoint_every_epochs;
        if self.finished() {
            self.log.write(&Event::Done {
                step: self.state.step,
            })?;
            self.save()
        } else if self.state.epoch.is_multiple_of(every) {
            self.save()
        } else {
            Ok(())
        }
    }

    /// Makes sure that the present state has a checkpoint, and drops superseded ones.
    pub(crate) fn save(&mut self) -> Result<()> {
        self.save_beside()?;
        self.store.prune(self.state.step)
    }

    /// Makes sure that the present state has a checkpoint, unless nothing was done yet or an
    /// update was cut short; all older ones stay.
    fn save_beside(&mut self) -> Result<()> {
        if !self.saved && self.whole && self.state.step > 0 {
            let events = self.log.sync()?;
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
    fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
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
        self.store.prune(self.state.step)?;
        self.outcome(Status::Interrupted)
    }

    /// Logs a stop, and saves the state behind it: a resumed run goes on after this line.
    fn stop(&mut self, reason: String) -> Result<()> {
        let step = self.state.step;
        self.log.write(&Event::Stop { step, reason })?;
        self.saved = false;
        self.save_beside()
    }

    pub(crate) fn outcome(self, status: Status) -> Result<Outcome> {
        Ok(Outcome {
            status,
            steps: self.state.step,
            resumed_from: self.resumed_from,
            weights: copies(&self.vars)?,
            ema: self.ema.map(|ema| ema.tensors().clone()),
            checkpoint: self.checkpoint,
            history: self.state.history,
        })
    }
}
