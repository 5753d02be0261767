//! What the headers of a Parquet file claim, held against the file before anything is made room for.

use std::io::Read;

use ::parquet::basic::Compression;
use ::parquet::file::metadata::ColumnChunkMetaData;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::compact::{Event, walk};
use crate::data::tree::Budget;
use crate::data::{Error, Limits, Result};

/// Groups of columns in groups of columns.
const DEEPEST: usize = 64;

/// Whether the schema has as many columns as it says, none too deep.
pub fn check_schema(bytes: &[u8]) -> Result<(), String> {
    let tail = bytes.len().checked_sub(8).and_then(|at| bytes.split_at_checked(at));
    let Some((body, [a, b, c, d, b'P', b'A', b'R', b'1'])) = tail else {
        return Err("it does not end as a Parquet file does".into());
    };
    let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    let footer = body.len().checked_sub(length).and_then(|at| body.get(at..));
    let footer = footer.ok_or("its footer is cut off")?;
    // For each column group that is open, how many columns of it are still to come.
    let (mut elements, mut children) = (0usize, Vec::<i64>::new());
    walk(footer, &mut |path, event| match (path, event) {
        ([2], Event::Begin) => {
            elements += 1;
            children.push(0);
        }
        ([2, 5], Event::Int(n)) => {
            if let Some(last) = children.last_mut() {
                *last = n;
            }
        }
        _ => {}
    })
    .ok_or("its footer is no footer")?;
    let mut open: Vec<i64> = vec![1];
    for n in children {
        while open.last() == Some(&0) {
            open.pop();
        }
        let Some(left) = open.last_mut() else { break };
        *left -= 1;
        if n < 0 || n as u64 > elements as u64 {
            return Err(format!("a group of {n} columns among {elements}"));
        }
        if n > 0 {
            open.push(n);
        }
        if open.len() > DEEPEST {
            return Err(format!("more than {DEEPEST} groups of columns lie one in the other"));
        }
    }
    Ok(())
}

/// Bytes that a row takes in memory at least, with its level, its label and where its image lies.
const ROW: u64 = 32;

/// Whether the pages of a row group's `chunks` hold `rows` rows, and no more than a file of this size would.
pub fn check_group<'c>(
    file: &Bytes,
    chunks: impl Iterator<Item = &'c ColumnChunkMetaData>,
    rows: usize,
    label: &str,
    limits: &Limits,
) -> Result<()> {
    let budget = Budget::new(limits);
    budget.begin(file.len() as u64);
    let room = budget.spend(label, (rows as u64).saturating_mul(ROW));
    room.map_err(|_| Error::broken(label, format!("a row group of {rows} rows in a file of {} bytes", file.len())))?;
    for chunk in chunks {
        check_pages(file, chunk, rows, label, &budget)?;
    }
    Ok(())
}

fn check_pages(file: &Bytes, chunk: &ColumnChunkMetaData, rows: usize, label: &str, budget: &Budget) -> Result<()> {
    let mut found = 0i64;
    let sum = each_page(file, chunk, &mut |page, _| {
        if page.words.is_some_and(|n| n < 0 || n > page.unpacked) {
            return Err("a dictionary of more words than bytes".into());
        }
        found = page.values.filter(|n| *n >= 0).map_or(Some(found), |n| found.checked_add(n)).unwrap_or(i64::MAX);
        Ok(page.unpacked as u64)
    });
    budget.spend(label, sum.map_err(|why| broken(chunk, label, why))?)?;
    match usize::try_from(found) {
        Ok(n) if n == rows => Ok(()),
        _ => Err(broken(chunk, label, format!("{rows} rows are promised, its pages hold {found}"))),
    }
}

/// Whether pages unpack to what they say, where their decoder would go on for as long as it is given something.
pub fn check_decoder(file: &Bytes, chunk: &ColumnChunkMetaData, label: &str) -> Result<()> {
    if !matches!(chunk.compression(), Compression::GZIP(_)) {
        return Ok(());
    }
    let checked = each_page(file, chunk, &mut |page, body| {
        let said = page.unpacked as u64;
        let mut more = MultiGzDecoder::new(body).take(said + 1);
        match std::io::copy(&mut more, &mut std::io::sink()).map_err(|e| e.to_string())? {
            n if n > said => Err(format!("a page unpacks to more than the {said} bytes that it says")),
            n => Ok(n),
        }
    });
    checked.map(drop).map_err(|why| broken(chunk, label, why))
}

fn broken(chunk: &ColumnChunkMetaData, label: &str, why: String) -> Error {
    Error::broken(label, format!("column {}: {why}", chunk.column_path().string()))
}

/// Is shown the header of a page and what follows it.
type Look<'l> = dyn FnMut(&Page, &[u8]) -> Result<u64, String> + 'l;

/// Goes through the pages of a column, and sums up what `see` makes of each header and what follows it.
fn each_page(file: &Bytes, chunk: &ColumnChunkMetaData, see: &mut Look) -> Result<u64, String> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let range = usize::try_from(start).ok().zip(usize::try_from(chunk.compressed_size()).ok());
    let range = range.and_then(|(start, size)| Some(start..start.checked_add(size)?));
    let Some(mut rest) = range.and_then(|r| file.get(r)) else {
        let size = chunk.compressed_size();
        return Err(format!("it says that it has {size} bytes at {start}, in a file of {}", file.len()));
    };
    let mut sum = 0u64;
    while !rest.is_empty() {
        let mut page = Page::default();
        let length = walk(rest, &mut |path, event| page.see(path, event)).ok_or("a broken page")?;
        let body = rest.get(length..).unwrap_or_default();
        let size = usize::try_from(page.packed).ok().filter(|n| *n <= body.len()).ok_or("a page that is cut off")?;
        if page.unpacked < 0 {
            return Err("a page of negative size".into());
        }
        let (body, after) = body.split_at(size);
        sum = sum.saturating_add(see(&page, body)?);
        rest = after;
    }
    Ok(sum)
}

/// What the header of a page says.
#[derive(Default)]
struct Page {
    unpacked: i64,
    packed: i64,
    /// Values of a data page.
    values: Option<i64>,
    /// Words of a dictionary.
    words: Option<i64>,
}

impl Page {
    fn see(&mut self, path: &[i16], event: Event) {
        let Event::Int(n) = event else { return };
        match path {
            [2] => self.unpacked = n,
            [3] => self.packed = n,
            [5 | 8, 1] => self.values = Some(n),
            [7, 1] => self.words = Some(n),
            _ => {}
        }
    }
}
