//! What happened in a run, one JSON object per line.
//!
//! The file is appended to. A checkpoint remembers how long it was, so that a resumed run first
//! moves the lines after that point into a file of their own (`events.discarded-N.jsonl`): the
//! log then tells each step once, and nothing written is lost.

mod records;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use spectralkd_base::files::write_atomic;

use crate::error::{Error, Result};

pub use records::{EpochRecord, Event, StepRecord};

/// The log's name in the run's folder.
pub const FILE: &str = "events.jsonl";

/// Reads a log.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Event`] with the number of a line that is
/// no event. A last line without its end, which a killed process may leave, is left out.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete
        .lines()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|source| Error::Event {
                path: path.to_owned(),
                line: i + 1,
                source,
            })
        })
        .collect()
}

/// The log of a run, locked against other processes.
pub(crate) struct EventLog {
    file: File,
    path: PathBuf,
    /// Length of the file in bytes, all lines complete.
    length: u64,
}

impl EventLog {
    /// Opens and locks the log in a folder, and leaves it as it is: [`EventLog::cut`] comes first.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Busy {
                    folder: folder.to_owned(),
                    lock: path,
                });
            }
            // Some network file systems have no locks; the run is the user's to keep alone.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "cannot lock the events file");
            }
        }
        let length = file.metadata().map_err(Error::io("read", &path))?.len();
        Ok(Self { file, path, length })
    }

    /// Keeps the first `length` bytes and moves the rest into a file beside this one, which
    /// it names.
    pub(crate) fn cut(&mut self, length: u64) -> Result<Option<PathBuf>> {
        if self.length < length {
            tracing::warn!(
                path = %self.path.display(), bytes = self.length, expected = length,
                "the events file is shorter than its checkpoint says; earlier events are missing"
            );
        }
        if self.length <= length {
            return Ok(None);
        }
        let mut tail = Vec::new();
        self.file
            .seek(SeekFrom::Start(length))
            .and_then(|_| self.file.read_to_end(&mut tail))
            .map_err(Error::io("read", &self.path))?;
        let aside = self.unused_name()?;
        write_atomic(&aside, &tail)?;
        self.file
            .set_len(length)
            .and_then(|()| self.file.sync_all())
            .map_err(Error::io("shorten", &self.path))?;
        self.length = length;
        Ok(Some(aside))
    }

    /// The first `events.discarded-N.jsonl` that does not exist.
    fn unused_name(&self) -> Result<PathBuf> {
        let mut number = 1u64;
        loop {
            let path = self
                .path
                .with_file_name(format!("events.discarded-{number}.jsonl"));
            if !path.try_exists().map_err(Error::io("look for", &path))? {
                return Ok(path);
            }
            number += 1;
        }
    }

    /// Appends a line. It reaches the operating system at once, the disk with the next
    /// [`EventLog::sync`].
    pub(crate) fn write(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event).map_err(|source| Error::Json {
            what: "an event",
            source,
        })?;
        line.push(b'\n');
        if let Err(source) = self.file.write_all(&line) {
            // Half a line must not stay, or the next one would be glued to it.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::warn!(path = %self.path.display(), %error, "cannot remove a partial line");
            }
            return Err(Error::io("append to", &self.path)(source));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Forces everything written to the disk and returns the file's length in bytes.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        self.file
            .sync_data()
            .map_err(Error::io("sync", &self.path))?;
        Ok(self.length)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn step(step: u64, loss: f64) -> Event {
        Event::Step(StepRecord {
            step,
            epoch: 0,
            step_in_epoch: step - 1,
            lr: 1e-3 / 3.0,
            loss,
            parts: BTreeMap::from([("kd".to_string(), f64::NEG_INFINITY)]),
            grad_norm: 0.1 + 0.2,
            samples: 64,
            seconds: 0.5,
        })
    }

    #[test]
    fn what_is_written_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::open(folder.path()).unwrap();
        let events = [
            Event::Start {
                digest: "0".repeat(64),
                parameters: 3,
                epochs: 2,
                steps_per_epoch: 5,
            },
            step(1, std::f64::consts::PI * 1e-17),
            Event::Done { step: 10 },
        ];
        for event in &events {
            log.write(event).unwrap();
        }
        assert_eq!(read(&folder.path().join(FILE)).unwrap(), events);
        log.write(&step(2, f64::NAN)).unwrap();
        match &read(&folder.path().join(FILE)).unwrap()[3] {
            Event::Step(record) => assert!(record.loss.is_nan()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cut_moves_the_tail_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut log = EventLog::open(folder.path()).unwrap();
        log.write(&step(1, 1.0)).unwrap();
        let length = log.sync().unwrap();
        for round in 1..3 {
            log.write(&step(2, f64::from(round))).unwrap();
            let aside = log.cut(length).unwrap().unwrap();
            assert!(aside.ends_with(format!("events.discarded-{round}.jsonl")));
            assert_eq!(read(&aside).unwrap(), [step(2, f64::from(round))]);
            assert_eq!(read(&path).unwrap(), [step(1, 1.0)]);
        }
        log.write(&step(2, 9.0)).unwrap();
        assert_eq!(read(&path).unwrap(), [step(1, 1.0), step(2, 9.0)]);
        assert_eq!(log.cut(log.length).unwrap(), None);
    }

    #[test]
    fn half_a_line_is_left_out_and_nonsense_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let line = serde_json::to_string(&Event::Done { step: 1 }).unwrap();
        std::fs::write(&path, format!("{line}\n{}", &line[..9])).unwrap();
        assert_eq!(read(&path).unwrap(), [Event::Done { step: 1 }]);
        std::fs::write(&path, format!("{line}\nnonsense\n{line}\n")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("events.jsonl, line 2"), "{error}");
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let folder = tempfile::tempdir().unwrap();
        let _first = EventLog::open(folder.path()).unwrap();
        // A second handle in this process conflicts like one of another process.
        let error = EventLog::open(folder.path()).err().unwrap();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
    }
}
