//! How much memory the process has, where the system tells.

/// Bytes of memory that the process occupies now; `None` where the system does not tell.
pub fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Most bytes of memory that the process has occupied since [`forget_peak`].
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// Gives back what is free: memory that an earlier model had and the allocator kept would otherwise be the next one's
/// for nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call only releases pages that the allocator holds and nothing uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Starts a new peak. Whether the system allows it: without, [`peak`] is that of the whole life of the process.
pub fn forget_peak() -> bool {
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn field(name: &str) -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_written_to_shows_in_the_peak() {
        let before = resident().unwrap();
        assert!(before > 0 && peak().unwrap() >= before);
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak().unwrap() >= before + (32 << 20), "{}", block.len());
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_given_back_shows_again() {
        // Small blocks are kept by the allocator when they are freed, and the last one keeps it from shrinking.
        let mut blocks: Vec<Vec<u8>> = (0..4096).map(|_| std::hint::black_box(vec![1u8; 16 << 10])).collect();
        let last = blocks.pop();
        drop(blocks);
        give_back();
        let before = resident().unwrap();
        let again: Vec<Vec<u8>> = (0..4096).map(|_| std::hint::black_box(vec![1u8; 16 << 10])).collect();
        let added = resident().unwrap().saturating_sub(before);
        assert!(added > 32 << 20, "{added} of {}, {}", again.len() << 14, last.is_some());
    }
}
