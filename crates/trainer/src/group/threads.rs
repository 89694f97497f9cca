//! A group of threads of this process.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, scope};

use candle_core::{DType, Device, Tensor};

use super::Group;
use super::meeting::{Meeting, Offer};
use crate::error::{Error, Result};

/// A rank of [`ranks`]. When it goes away the others no longer wait for it.
pub struct Member {
    rank: usize,
    world: usize,
    meeting: Arc<Meeting>,
}

/// Runs `work` on `world` ranks and gives what each returns, in their order. Every rank is an OS thread with a rayon
/// pool of `threads` of its own.
///
/// # Errors
/// If any rank returns an error or panics, all end: the error of the first rank (of rank 0, where it has one; another
/// rank's stop reaches it as [`Error::Rank`]). [`Error::Threads`] if threads cannot be started.
pub fn ranks<T, E>(
    world: usize,
    threads: usize,
    work: impl Fn(&mut Member) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E>
where
    T: Send,
    E: From<Error> + Display + Send,
{
    let meeting = Arc::new(Meeting::new(world));
    let members = (0..world).map(|rank| Member {
        rank,
        world,
        meeting: Arc::clone(&meeting),
    });
    let members: Vec<Member> = members.collect();
    let work = &work;
    let results: Vec<Result<T, E>> = scope(|scope| {
        let start = |member: Member| {
            let name = format!("rank {}", member.rank);
            let thread = Builder::new().name(name);
            thread.spawn_scoped(scope, move || one(member, threads, work))
        };
        // A member that could not be started is dropped, and ends those that were.
        let started: Vec<_> = members.into_iter().map(start).collect();
        let ended = started.into_iter().map(|thread| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| {
                let message = message(panic.as_ref());
                Err(Error::Panicked { message }.into())
            }),
            Err(error) => {
                let message = error.to_string();
                Err(Error::Threads { world, message }.into())
            }
        });
        ended.collect()
    });
    results.into_iter().collect()
}

/// The work of one rank, in its own pool.
fn one<T: Send, E: From<Error> + Display + Send>(
    mut member: Member,
    threads: usize,
    work: &(impl Fn(&mut Member) -> Result<T, E> + Sync),
) -> Result<T, E> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build();
    let world = member.world;
    let result = match pool {
        Ok(pool) => {
            let worked = catch_unwind(AssertUnwindSafe(|| pool.install(|| work(&mut member))));
            worked.unwrap_or_else(|panic| {
                let message = message(panic.as_ref());
                Err(Error::Panicked { message }.into())
            })
        }
        Err(error) => {
            let message = error.to_string();
            Err(Error::Threads { world, message }.into())
        }
    };
    if let Err(error) = &result {
        member.fail(&error.to_string());
    }
    result
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "of an unknown kind".into())
}

impl Group for Member {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.world
    }

    fn sum(&mut self, flat: &Tensor) -> Result<Tensor> {
        let failed = || Error::tensor("summing over the ranks");
        let here = flat.to_device(&Device::Cpu).map_err(failed())?;
        let offer = match flat.dtype() {
            DType::F64 => Offer::Double(here.to_vec1().map_err(failed())?),
            _ => Offer::Single(here.to_vec1().map_err(failed())?),
        };
        let sum = match &*self.meeting.hold(self.rank, offer)? {
            Offer::Single(sum) => Tensor::new(sum.as_slice(), flat.device()),
            Offer::Double(sum) => Tensor::new(sum.as_slice(), flat.device()),
            Offer::Flag(_) => return Err(self.confused()),
        };
        sum.map_err(failed())
    }

    fn any(&mut self, flag: bool) -> Result<bool> {
        match &*self.meeting.hold(self.rank, Offer::Flag(flag))? {
            Offer::Flag(any) => Ok(*any),
            Offer::Single(_) | Offer::Double(_) => Err(self.confused()),
        }
    }

    fn fail(&mut self, why: &str) {
        self.meeting.stop(self.rank, why);
    }
}

impl Member {
    fn confused(&self) -> Error {
        Error::Ranks {
            world: self.world,
            reason: "an answer to another question".into(),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.meeting.stop(self.rank, "it left before the others");
    }
}
