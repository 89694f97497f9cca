//! The machine a program runs on, in words.

/// The processor's name, its cores, the widest vector extension that our kernels use, and the
/// operating system.
pub fn machine() -> String {
    format!(
        "{}, {} cores, {}, {}",
        processor(),
        cores(),
        vectors(),
        std::env::consts::OS
    )
}

/// The processor's name as the system has it, or else its architecture.
pub fn processor() -> String {
    let name = |text: String| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let info = std::fs::read_to_string("/proc/cpuinfo").ok();
    info.and_then(name)
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The widest vector extension that our kernels use here.
#[cfg(target_arch = "x86_64")]
pub fn vectors() -> &'static str {
    if std::is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        "AVX2"
    } else {
        "SSE2"
    }
}

/// The widest vector extension that our kernels use here.
#[cfg(not(target_arch = "x86_64"))]
pub fn vectors() -> &'static str {
    std::env::consts::ARCH
}
