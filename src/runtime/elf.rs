//! Whether a shared library is whole and for this processor. The loader maps a file that was cut short (a broken
//! download) without complaint, and the process dies when the missing part is touched; of another processor's library
//! it says that there is no such file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const INCOMPLETE: Option<&str> = Some("the file is incomplete");

/// An error if `path` is a 64-bit little-endian ELF file for another processor or with segments beyond its end. Other
/// files pass: judging them is the loader's job.
pub(super) fn check(path: &Path) -> Result<(), String> {
    match fault(path) {
        Ok(None) => Ok(()),
        Ok(Some(fault)) => Err(fault.to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

fn fault(path: &Path) -> std::io::Result<Option<&'static str>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    file.by_ref().take(64).read_to_end(&mut header)?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let (Some(machine), Some(start)) = (half(&header, 18), word(&header, 32)) else { return Ok(INCOMPLETE) };
    let (Some(size), Some(count)) = (half(&header, 54), half(&header, 56)) else { return Ok(INCOMPLETE) };
    if MACHINE.is_some_and(|own| own != machine) {
        return Ok(Some("the library is for another processor"));
    }
    file.seek(SeekFrom::Start(start))?;
    let mut table = Vec::new();
    file.take(u64::from(size) * u64::from(count)).read_to_end(&mut table)?;
    // In a program header, the offset of its bytes stands at 8 and their number at 32.
    let whole = |i: u16| {
        let at = usize::from(i) * usize::from(size);
        let end = word(&table, at + 8)?.checked_add(word(&table, at + 32)?)?;
        Some(end <= length)
    };
    Ok(if (0..count).all(|i| whole(i) == Some(true)) { None } else { INCOMPLETE })
}

/// How ELF numbers this processor.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else if cfg!(target_arch = "riscv64") {
    Some(243)
} else {
    None
};

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_cut_short_is_found_out() {
        let program = std::env::current_exe().unwrap();
        assert_eq!(check(&program), Ok(()));
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.so");
        let whole = fs::read(&program).unwrap();
        // Debug information may be most of the file: cut where code must follow.
        for length in [10, 60, 1000, 4096] {
            fs::write(&cut, &whole[..length]).unwrap();
            assert!(check(&cut).is_err(), "{length}");
        }
        let mut foreign = whole;
        foreign[18] = 2;
        fs::write(&cut, foreign).unwrap();
        assert!(check(&cut).unwrap_err().contains("another processor"));
        fs::write(&cut, "no library").unwrap();
        assert_eq!(check(&cut), Ok(()));
    }
}
