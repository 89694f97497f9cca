//! The memory of this process.

/// Peak resident memory of this process so far, MiB: `VmHWM` of Linux's `/proc/self/status`. `None` where there is no
/// such file.
pub(crate) fn peak_mib() -> Option<f64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmHWM:    1234 kB`, in MiB.
fn parse(status: &str) -> Option<f64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_its_line() {
        let status = "Name:\tx\nVmPeak:\t 9999 kB\nVmHWM:\t    3072 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!(parse(status), Some(3.0));
        assert_eq!(parse("Name:\tx\n"), None);
        assert_eq!(parse("VmHWM:\tmuch\n"), None);
    }
}
