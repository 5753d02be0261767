use std::io::{Cursor, Read, Write};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tempfile::SpooledTempFile;

use crate::data::{Error, Limits, Result};

/// Unpacked data up to this size stays in memory; more goes to an unnamed temporary file.
const IN_MEMORY: usize = 1 << 30;
/// Below this size no ratio is suspicious: small archives of equal pixels pack well.
const UNSUSPICIOUS: u64 = 64 << 20;

/// Whether bytes begin as gzip does.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

/// Unpacks gzip, once, within the limits.
pub fn inflate(label: &str, packed: &[u8], limits: &Limits) -> Result<Bytes> {
    let most = (packed.len() as u64).saturating_mul(limits.ratio).max(UNSUSPICIOUS).min(limits.unpacked);
    let mut from = MultiGzDecoder::new(Cursor::new(packed));
    let mut to = SpooledTempFile::new(IN_MEMORY);
    let mut block = vec![0; 1 << 17];
    let mut total = 0u64;
    loop {
        let n = from.read(&mut block).map_err(|e| Error::broken(label, format!("as gzip: {e}")))?;
        let Some(part) = block.get(..n).filter(|p| !p.is_empty()) else { break };
        total += part.len() as u64;
        if total > most {
            let why = match most == limits.unpacked {
                true => format!("it unpacks to more than {most} bytes"),
                false => format!("it unpacks to more than {} times its size, as an archive bomb does", limits.ratio),
            };
            return Err(Error::Limit { file: label.to_owned(), why });
        }
        to.write_all(part).map_err(|e| Error::broken(label, format!("unpacking it: {e}")))?;
    }
    match to.into_inner() {
        tempfile::SpooledData::InMemory(cursor) => Ok(cursor.into_inner().into()),
        tempfile::SpooledData::OnDisk(file) => {
            crate::onnx::map_open_file(&file).map_err(|e| Error::broken(label, format!("unpacking it: {e}")))
        }
    }
}
