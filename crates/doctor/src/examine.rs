//! Facts about this machine.

use std::path::{Path, PathBuf};

use spectralkd_base::machine::{cores, processor, vectors};
use spectralkd_hub::{Hub, Reached};
use spectralkd_runtime::{Choice, Precision, Runtime, has_cuda};
use sysinfo::{DiskRefreshKind, Disks, MemoryRefreshKind, System};

/// Free disk below which a warning is due: the largest weights of the registry are 1.4 GB.
const LITTLE_DISK: u64 = 2 << 30;
/// Free memory below which a warning is due.
const LITTLE_MEMORY: u64 = 1 << 30;

/// How a fact bears on work with this toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// Works, and could be better; the text says how.
    Warning,
    /// Something will fail until it is mended; the text says how.
    Bad,
}

/// One fact.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is about, a word or two.
    pub topic: &'static str,
    /// What to think of it.
    pub state: State,
    /// The fact, and what to do where something is amiss.
    pub text: String,
}

impl Finding {
    /// A fact.
    pub fn new(topic: &'static str, state: State, text: impl Into<String>) -> Self {
        Self {
            topic,
            state,
            text: text.into(),
        }
    }

    fn good(topic: &'static str, text: impl Into<String>) -> Self {
        Self::new(topic, State::Good, text)
    }
}

/// Looks at processor, threads, allocator, memory, devices, the hub's cache and network, and the disk under
/// `runs`. Asks the hub one bounded question, unless the environment says offline.
pub fn examine(runs: &Path) -> Vec<Finding> {
    let mut findings = vec![
        processor_finding(),
        threads(),
        allocator(),
        memory(),
        devices(),
    ];
    match Hub::from_env() {
        Ok(hub) => findings.extend(hub_findings(&hub)),
        Err(error) => findings.push(Finding::new("hub", State::Bad, error.to_string())),
    }
    findings.push(disk("runs", runs));
    findings
}

fn processor_finding() -> Finding {
    let (cores, vectors) = (cores(), vectors());
    let text = format!("{}, {cores} cores, {vectors}", processor());
    match vectors {
        "SSE2" => Finding::new(
            "processor",
            State::Warning,
            format!("{text}: without AVX2 the kernels run several times slower"),
        ),
        _ => Finding::good("processor", text),
    }
}

/// candle has a pool of threads of its own beside rayon's, sized by a variable of its own.
fn threads() -> Finding {
    match std::env::var("CANDLE_NUM_THREADS").as_deref() {
        Ok("1") => Finding::good(
            "threads",
            format!("{} workers, candle's own pool off", cores()),
        ),
        other => Finding::new(
            "threads",
            State::Warning,
            format!(
                "CANDLE_NUM_THREADS is {}: candle's own pool spins beside ours and slows both; set it to 1 \
                 (cargo does, from .cargo/config.toml)",
                other.unwrap_or("not set")
            ),
        ),
    }
}

/// Tensors are freed and made again at every step.
fn allocator() -> Finding {
    let set = |name: &str, value: &str| std::env::var(name).as_deref() == Ok(value);
    if set("MIMALLOC_PURGE_DELAY", "-1") && set("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1") {
        return Finding::good("allocator", "keeps freed memory, in large pages");
    }
    Finding::new(
        "allocator",
        State::Warning,
        "freed memory goes back to the system, which clears it again at every step: set \
         MIMALLOC_PURGE_DELAY=-1 and MIMALLOC_ALLOW_LARGE_OS_PAGES=1 (cargo does, from .cargo/config.toml)",
    )
}

fn memory() -> Finding {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::everything());
    let (total, free) = (system.total_memory(), system.available_memory());
    let text = format!("{} of {} free", bytes(free), bytes(total));
    if free < LITTLE_MEMORY {
        let text = format!("{text}: use a smaller --batch, or close other programs");
        return Finding::new("memory", State::Warning, text);
    }
    Finding::good("memory", text)
}

/// What tensors can lie on.
fn devices() -> Finding {
    if !has_cuda() {
        return Finding::good("devices", "the CPU (this program is built without CUDA)");
    }
    match Runtime::open(Choice::Cuda(0), Precision::F32) {
        Ok(runtime) => {
            let card = runtime.card();
            let card = card.as_deref().unwrap_or("of no name");
            Finding::good("devices", format!("the CPU; card 0, {card}"))
        }
        Err(error) => Finding::new("devices", State::Warning, format!("the CPU alone: {error}")),
    }
}

fn hub_findings(hub: &Hub) -> Vec<Finding> {
    let settings = hub.settings();
    let token = match &settings.token {
        Some(_) => "found (not shown)",
        None => "none; public repositories need none",
    };
    let (cache, endpoint) = (&settings.cache, settings.endpoint_shown());
    let mut findings = vec![
        match hub.reach() {
            Reached::Offline => Finding::new(
                "hub",
                State::Warning,
                "HF_HUB_OFFLINE is set: only what the cache holds is found",
            ),
            Reached::Answered { status, latency } if status < 500 => Finding::good(
                "hub",
                format!("{endpoint} answers in {} ms", latency.as_millis()),
            ),
            other => {
                let cause = match other {
                    Reached::Answered { status, .. } => format!("it answers {status}"),
                    Reached::Unreachable { cause } => cause.to_string(),
                    _ => "it was not asked".to_owned(),
                };
                let text = format!(
                    "{endpoint} cannot be used now ({cause}): weights come from the cache or local files; \
                     HF_ENDPOINT names a mirror"
                );
                Finding::new("hub", State::Warning, text)
            }
        },
        Finding::good("token", token),
        writable("cache", cache),
    ];
    findings.push(disk("cache disk", cache));
    findings
}

/// Whether files can be made in `folder` or in the nearest folder above it that exists.
fn writable(topic: &'static str, folder: &Path) -> Finding {
    let existing = nearest(folder);
    let probe = existing.join(format!(".spectralkd-{}", std::process::id()));
    match std::fs::write(&probe, b"") {
        Ok(()) => {
            // A file of no bytes that cannot be removed again does no harm.
            let _ = std::fs::remove_file(&probe);
            let made = if existing == folder {
                ""
            } else {
                " (will be made)"
            };
            Finding::good(topic, format!("{}{made}", folder.display()))
        }
        Err(error) => Finding::new(
            topic,
            State::Bad,
            format!(
                "{} cannot be written ({error}): name another folder in HF_HUB_CACHE",
                folder.display()
            ),
        ),
    }
}

/// The folder itself, or the first one above it that exists.
fn nearest(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let existing = absolute.ancestors().find(|path| path.is_dir());
    existing.map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// Free space where `folder` lies.
fn disk(topic: &'static str, folder: &Path) -> Finding {
    let folder = nearest(folder);
    let folder = folder.canonicalize().unwrap_or(folder);
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage());
    let disk = disks
        .list()
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len());
    let Some(disk) = disk else {
        return Finding::good(topic, format!("free space of {} unknown", folder.display()));
    };
    let free = disk.available_space();
    let text = format!("{} free under {}", bytes(free), folder.display());
    if free < LITTLE_DISK {
        let text = format!("{text}: a large model's weights may not fit");
        return Finding::new(topic, State::Warning, text);
    }
    Finding::good(topic, text)
}

/// A size for people: "1.5 GiB".
fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(252 << 30), "252 GiB");
    }

    #[test]
    fn a_folder_that_will_be_made_is_judged_by_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a").join("b");
        let finding = writable("cache", &inner);
        assert_eq!(finding.state, State::Good);
        assert!(finding.text.contains("will be made"), "{}", finding.text);
        assert!(!inner.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_cache_is_bad_or_unused() {
        // The nearest folder above is the test's own; the probe goes there and is removed.
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&dir.path().join("x/y/z")), dir.path());
    }

    #[test]
    fn every_machine_has_disk_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(disk("runs", dir.path()).text.contains("free"));
        assert!(memory().text.contains("free"));
    }
}
