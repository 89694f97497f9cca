//! Whether the hub answers: one question with a short bound.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use crate::error::Cause;
use crate::hub::Hub;
use crate::transport;

/// The longest wait for an answer.
const BOUND: Duration = Duration::from_secs(4);

/// What became of the question whether the hub answers, see [`Hub::reach`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reached {
    /// It was not asked: `HF_HUB_OFFLINE` (or local files only) forbids it.
    Offline,
    /// Something at the endpoint answered.
    Answered {
        /// The HTTP status; any below 500 is that of a server that works.
        status: u16,
        /// From the question to the head of the answer, with making the connection.
        latency: Duration,
    },
    /// Nothing answered, or not in time.
    Unreachable {
        /// Why not.
        cause: Cause,
    },
}

impl Hub {
    /// Asks the endpoint for one head, without the token, and waits for 4 seconds at most (or
    /// for [`Limits::idle`](crate::Limits::idle), where that is less). For a report on what
    /// works here; a fetch needs no such question before it.
    ///
    /// ```
    /// use spectralkd_hub::{Hub, Reached, Settings};
    ///
    /// let mut settings = Settings::from_lookup(|_| None)?;
    /// settings.local_files_only = true;
    /// assert_eq!(Hub::new(settings).reach(), Reached::Offline);
    /// # Ok::<(), spectralkd_hub::HubError>(())
    /// ```
    #[must_use]
    pub fn reach(&self) -> Reached {
        if self.settings.local_files_only {
            return Reached::Offline;
        }
        let bound = BOUND.min(self.settings.limits.idle);
        let ask = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| Cause::Client {
                reason: error.to_string(),
            })?;
            let answer = runtime.block_on(transport::knock(&self.settings, bound));
            // Does not wait for a name look-up that hangs.
            runtime.shutdown_background();
            answer
        };
        // On a thread of its own: the caller's may have a runtime already.
        let answer = thread::scope(|scope| scope.spawn(ask).join())
            .unwrap_or_else(|panic| resume_unwind(panic));
        match answer {
            Ok((status, latency)) => Reached::Answered { status, latency },
            Err(cause) => Reached::Unreachable { cause },
        }
    }
}
