//! A run under way: its variables and their state, its log and its checkpoints.
//!
//! The state is that of the steps whose numbers were read. Steps after it were made on the device, if they were finite,
//! and wait in `unread`; a step that was not finite kept all after it from changing anything, so that the variables are
//! those before it.

mod agreement;
mod keeping;
mod steps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Tensor, Var};

use crate::checkpoint::{Checkpoint, Store};
use crate::config::TrainConfig;
use crate::ema::{Ema, copies};
use crate::error::{Error, Result};
use crate::events::{Event, EventLog};
use crate::identity::Identity;
use crate::optimiser::{AdamW, Hyper, count};
use crate::outcome::{Outcome, Status};
use crate::reads::Reads;
use crate::state::State;
use crate::task::{Metrics, Task};
use crate::unread::Unread;

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
    /// Written to by one rank alone.
    log: Option<EventLog>,
    store: Store,
    reads: Reads,
    /// How many steps wait for one read at most.
    read_every: u64,
    unread: Vec<Unread>,
    /// u8 on the device: 0 once a step that was not read yet was not finite.
    alive: Option<Tensor>,
    resumed_from: Option<u64>,
    /// The newest checkpoint, and whether it holds the present state.
    checkpoint: Option<PathBuf>,
    saved: bool,
    /// False while an update is being applied: such a state is no point to go on from.
    whole: bool,
}

/// How many steps wait for one read on a device, where the configuration logs none.
const DEVICE_READS: u64 = 50;

/// How many steps wait for one read on a device.
fn device_reads(config: &TrainConfig) -> u64 {
    match config.log_every_steps {
        0 => DEVICE_READS,
        every => every,
    }
}

impl<'a> Session<'a> {
    /// Begins a run in a folder, or goes on with the one that is there. All ranks of a run read the folder, its `keeper`
    /// writes.
    pub(crate) fn open(
        task: &impl Task,
        config: &'a TrainConfig,
        folder: &Path,
        keeper: bool,
        (reads, read_every): (Reads, Option<u64>),
    ) -> Result<Self> {
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
        let store = Store::open(folder, config.keep_checkpoints, keeper)?;
        let log = match keeper {
            true => Some(EventLog::open(folder)?),
            false => None,
        };
        let on_cpu = vars.values().all(|var| var.device().is_cpu());
        let usual = if on_cpu { 1 } else { device_reads(config) };
        let mut session = Self {
            config,
            steps_per_epoch,
            vars,
            state: State::start(task.start()),
            identity: Identity::of(task, config)?,
            optimiser,
            ema,
            log,
            store,
            reads,
            read_every: read_every.unwrap_or(usual).max(1),
            unread: Vec::new(),
            alive: None,
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
        self.write(&Event::Start {
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
            self.write(&Event::Resume {
                step: self.state.step,
                checkpoint: name.to_string_lossy().into_owned(),
            })?;
        }
        self.checkpoint = Some(checkpoint.path);
        Ok(())
    }

    /// Moves the events after the first `length` bytes aside.
    fn cut(&mut self, length: u64) -> Result<()> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        if let Some(aside) = log.cut(length)? {
            tracing::info!(
                path = %aside.display(),
                "events after the last checkpoint were moved aside; these steps are made again"
            );
        }
        Ok(())
    }

    /// Writes an event, where this is the rank that does.
    fn write(&mut self, event: &Event) -> Result<()> {
        match &mut self.log {
            Some(log) => log.write(event),
            None => Ok(()),
        }
    }

    pub(crate) fn finished(&self) -> bool {
        self.state.epoch >= self.config.epochs
    }

    /// Whether the present epoch waits for its evaluation.
    pub(crate) fn epoch_is_over(&self) -> bool {
        self.next().step_in_epoch >= self.steps_per_epoch
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

    /// Closes an epoch that was evaluated.
    pub(crate) fn end_epoch(&mut self, metrics: Metrics) -> Result<()> {
        let record = self.state.close_epoch(metrics);
        self.saved = false;
        self.write(&Event::Epoch(record))?;
        let every = self.config.checkpoint_every_epochs;
        if self.finished() {
            self.write(&Event::Done {
                step: self.state.step,
            })?;
            self.save()
        } else if self.state.epoch.is_multiple_of(every) {
            self.save()
        } else {
            Ok(())
        }
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
