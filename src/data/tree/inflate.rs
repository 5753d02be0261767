use std::io::{Cursor, Read, Write};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tempfile::SpooledTempFile;

use crate::data::{Error, Limits, Result};

/// Unpacked data up to this size stays in memory; more goes to an unnamed temporary file.
const IN_MEMORY: usize = 1 << 30;
/// Below this size no ratio is suspicious: small archives of equal pixels pack well.
const UNSUSPICIOUS: u64 = 64 << 20;

/// What all compressed files of a data set may unpack to together.
pub struct Budget {
    limits: Limits,
    /// Bytes packed and unpacked so far.
    spent: Mutex<(u64, u64)>,
}

impl Budget {
    /// The limits of a data set of which nothing is unpacked yet.
    pub fn new(limits: &Limits) -> Self {
        Budget { limits: limits.clone(), spent: Mutex::new((0, 0)) }
    }

    /// A file of `packed` bytes is about to be unpacked.
    pub fn begin(&self, packed: u64) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.0 = spent.0.saturating_add(packed);
    }

    /// So many bytes have come out of `file`.
    pub fn spend(&self, file: &str, unpacked: u64) -> Result<()> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.1 = spent.1.saturating_add(unpacked);
        let Limits { ratio, unpacked: most, .. } = self.limits;
        let suspicious = spent.0.saturating_mul(ratio).max(UNSUSPICIOUS);
        let why = match spent.1 {
            n if n > most => format!("it unpacks to more than {most} bytes"),
            n if n > suspicious => {
                format!("it unpacks to more than {ratio} times its size, as an archive bomb does")
            }
            _ => return Ok(()),
        };
        Err(Error::Limit { file: file.to_owned(), why })
    }
}

/// Whether bytes begin as gzip does.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

/// Unpacks gzip, once, within the limits.
pub fn inflate(label: &str, packed: &[u8], budget: &Budget) -> Result<Bytes> {
    budget.begin(packed.len() as u64);
    let mut from = MultiGzDecoder::new(Cursor::new(packed));
    let mut to = SpooledTempFile::new(IN_MEMORY);
    let mut block = vec![0; 1 << 17];
    loop {
        let n = from.read(&mut block).map_err(|e| Error::broken(label, format!("as gzip: {e}")))?;
        let Some(part) = block.get(..n).filter(|p| !p.is_empty()) else { break };
        budget.spend(label, part.len() as u64)?;
        to.write_all(part).map_err(|e| Error::broken(label, format!("unpacking it: {e}")))?;
    }
    match to.into_inner() {
        tempfile::SpooledData::InMemory(cursor) => Ok(cursor.into_inner().into()),
        tempfile::SpooledData::OnDisk(file) => {
            crate::onnx::map_open_file(&file).map_err(|e| Error::broken(label, format!("unpacking it: {e}")))
        }
    }
}
