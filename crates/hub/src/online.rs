//! A fetch over the network: attempts within bounds, each verified before it is shown.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use spectralkd_base::progress::{Progress, Stage};
use tokio::time::{sleep, timeout};

use crate::cache::{Incomplete, Lock};
use crate::digest::Digest;
use crate::error::{Cause, HubError, Result};
use crate::hub::Hub;
use crate::reference::{RemoteFile, Revision};
use crate::transport::{Metadata, Transport};
use crate::{Fetched, Origin};

/// The longest wait that a server may ask for between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The most bytes that are taken of a file whose size is not announced: 8 GiB.
const MOST_UNANNOUNCED: u64 = 8 << 30;
/// How often a lock that somebody else holds is tried.
const LOCK_POLL: Duration = Duration::from_millis(100);

impl Hub {
    /// Runs the fetch on a runtime of its own, on a thread of its own (the caller's may have a
    /// runtime already), and leaves nothing running behind when the time is up.
    pub(crate) fn online(&self, file: &RemoteFile, progress: &dyn Progress) -> Result<Fetched> {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| {
                self.failed(
                    file,
                    0,
                    Cause::Client {
                        reason: error.to_string(),
                    },
                )
            })?;
            let total = self.settings.limits.total;
            let fetched =
                runtime.block_on(async { timeout(total, self.attempts(file, progress)).await });
            // Does not wait for a name look-up that hangs.
            runtime.shutdown_background();
            fetched.unwrap_or_else(|_| Err(self.failed(file, 0, Cause::TimedOut { total })))
        };
        thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    async fn attempts(&self, file: &RemoteFile, progress: &dyn Progress) -> Result<Fetched> {
        let transport =
            Transport::new(&self.settings).map_err(|cause| self.failed(file, 0, cause))?;
        let mut meter = Meter {
            progress,
            stage: None,
            done: 0,
        };
        let mut pause = self.settings.limits.pause;
        let mut attempt = 1;
        loop {
            let cause = match self.attempt(file, &transport, &mut meter).await {
                Ok(fetched) => return Ok(fetched),
                Err(Ended::ForGood(error)) => return Err(*error),
                Err(Ended::With(cause)) => cause,
            };
            let wait = if let Cause::RateLimited { wait: Some(wait) } = cause {
                wait.max(pause)
            } else {
                pause
            };
            let hopeless = wait > LONGEST_WAIT;
            if attempt >= self.settings.limits.attempts || !cause.is_transient() || hopeless {
                return Err(self.failed(file, attempt, cause));
            }
            tracing::warn!(file = %file, attempt, %cause, wait_s = wait.as_secs_f32(), "trying again");
            sleep(wait).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        file: &RemoteFile,
        transport: &Transport,
        meter: &mut Meter<'_>,
    ) -> std::result::Result<Fetched, Ended> {
        let Metadata {
            digest,
            commit,
            bytes,
            elsewhere,
        } = transport.metadata(file).await?;
        if let Revision::Commit(expected) = file.revision()
            && *expected != commit
        {
            return Err(Cause::OtherCommit {
                expected: expected.clone(),
                actual: commit,
            }
            .into());
        }
        let lock = self
            .lock(&self.cache.lock_path(file.repo(), &digest))
            .await?;
        let (bytes, origin) = match self.cache.good_blob(file.repo(), &digest)? {
            Some(bytes) => (bytes, Origin::Cache),
            None => {
                meter.start(file, bytes.unwrap_or(0));
                let mut blob = self.cache.begin(file.repo(), &digest, &lock)?;
                let received =
                    receive(file, transport, (bytes, elsewhere), &mut blob, meter).await?;
                verify(&blob, &digest)?;
                blob.finish()?;
                (received, Origin::Network)
            }
        };
        let path = self.cache.link(file, &commit, &digest)?;
        if let Revision::Name(name) = file.revision() {
            self.cache.write_ref(file.repo(), name, &commit)?;
        }
        Ok(Fetched {
            path,
            commit,
            digest,
            bytes,
            origin,
        })
    }

    /// Waits for the lock on a blob; whoever has it is most likely fetching the same file.
    async fn lock(&self, path: &Path) -> std::result::Result<Lock, Ended> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(lock) = self.cache.try_lock(path)? {
                return Ok(lock);
            }
            if waited.is_zero() {
                tracing::info!(lock = %path.display(), "waiting for another process that fetches the same file");
            }
            if waited >= self.settings.limits.total / 2 {
                return Err(Cause::Locked {
                    path: path.to_owned(),
                    waited,
                }
                .into());
            }
            sleep(LOCK_POLL).await;
            waited += LOCK_POLL;
        }
    }
}

/// Transfers the file into `blob`, and gives the number of bytes, which is the announced one if there is one.
async fn receive(
    file: &RemoteFile,
    transport: &Transport,
    (announced, elsewhere): (Option<u64>, bool),
    blob: &mut Incomplete,
    meter: &mut Meter<'_>,
) -> std::result::Result<u64, Ended> {
    let mut received = 0;
    transport
        .contents(file, elsewhere, |piece| {
            received += piece.len() as u64;
            if let Some(expected) = announced.filter(|&announced| received > announced) {
                return Err(Cause::Length {
                    expected,
                    actual: received,
                }
                .into());
            }
            if announced.is_none() && received > MOST_UNANNOUNCED {
                let limit = MOST_UNANNOUNCED;
                return Err(Cause::Endless { limit }.into());
            }
            meter.reach(received);
            Ok::<(), Ended>(blob.write(piece)?)
        })
        .await?;
    match announced {
        Some(expected) if expected != received => Err(Cause::Length {
            expected,
            actual: received,
        }
        .into()),
        _ => Ok(received),
    }
}

fn verify(blob: &Incomplete, expected: &Digest) -> std::result::Result<(), Ended> {
    let actual = blob.digest(expected)?;
    if actual == *expected {
        Ok(())
    } else {
        Err(Cause::Damaged {
            expected: *expected,
            actual,
        }
        .into())
    }
}

/// How an attempt ended, short of success.
enum Ended {
    /// In a way that further attempts may or may not mend.
    With(Cause),
    /// In a failure of this machine.
    ForGood(Box<HubError>),
}

impl From<Cause> for Ended {
    fn from(cause: Cause) -> Self {
        Self::With(cause)
    }
}

impl From<HubError> for Ended {
    fn from(error: HubError) -> Self {
        Self::ForGood(Box::new(error))
    }
}

/// Progress in bytes that never goes back, although an attempt may start anew.
struct Meter<'a> {
    progress: &'a dyn Progress,
    stage: Option<Box<dyn Stage>>,
    done: u64,
}

impl Meter<'_> {
    fn start(&mut self, file: &RemoteFile, total: u64) {
        self.stage
            .get_or_insert_with(|| self.progress.stage(&file.to_string(), total, "bytes"));
    }

    fn reach(&mut self, done: u64) {
        if let Some(stage) = &mut self.stage
            && done > self.done
        {
            stage.advance(done - self.done);
            self.done = done;
        }
    }
}
