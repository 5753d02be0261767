use std::sync::Arc;

use bytes::Bytes;

use super::arrays::Pixels;
use super::{Format, MOST_CLASSES, check_class};
use crate::data::dataset::{Dataset, numbered};
use crate::data::split::{self, Wanted};
use crate::data::tree::{Entry, Tree, inflate};
use crate::data::{Error, Result};

/// IDX, the format of MNIST and its family: `train-images-idx3-ubyte` beside `train-labels-idx1-ubyte`, packed by
/// gzip or not; what stands before `-images` is the split, and `t10k` is a test split.
pub struct Idx;

impl Format for Idx {
    fn name(&self) -> &'static str {
        "idx"
    }

    fn summary(&self) -> &'static str {
        "IDX files as of MNIST (train-images-idx3-ubyte, gzipped or not)"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let images: Vec<(String, &Entry)> =
            tree.entries().iter().filter_map(|e| Some((prefix(e, "images")?, e))).collect();
        if images.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = images.iter().map(|(name, _)| name.clone()).collect();
        let Some((name, entry)) = images.get(wanted.choose(&split::names(names.iter().map(String::as_str)))?) else {
            return Ok(None);
        };
        let (sizes, pixels) = read(tree, entry)?;
        let label = tree.label(&entry.path);
        let [count, height, width] = *sizes.as_slice() else {
            return Err(Error::broken(label, format!("it has {} axes, images have 3", sizes.len())));
        };
        let labels = tree.entries().iter().find(|e| prefix(e, "labels").as_ref() == Some(name));
        let mut classes = Vec::new();
        let mut targets = None;
        if let Some(entry) = labels {
            let (sizes, bytes) = read(tree, entry)?;
            if sizes != [count] {
                let why = format!("sizes are {sizes:?} for {count} images");
                return Err(Error::labels(tree.label(&entry.path), why));
            }
            classes = numbered(bytes.iter().max().map_or(0, |m| usize::from(*m) + 1));
            let class = |b: &u8| check_class(i64::from(*b), MOST_CLASSES);
            let fail = |why| Error::labels(tree.label(&entry.path), why);
            targets = Some(bytes.iter().map(class).collect::<Result<_, _>>().map_err(fail)?);
        } else if !tree.is_single {
            let why = format!("{}-labels-idx1-ubyte is missing", name);
            return Err(Error::labels(label, why));
        }
        let pixels = Pixels::new(pixels, count, [height, width, 1], false)
            .ok_or_else(|| Error::broken(label.clone(), "images without pixels"))?;
        Ok(Some(pixels.dataset(label, targets, classes)))
    }
}

/// What stands before `-images` (or `-labels`) in the name of an IDX file.
fn prefix(entry: &Entry, kind: &str) -> Option<String> {
    let name = entry.file_name().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    // Both `-idx3-ubyte` and `.idx3-ubyte` are around.
    let stem = name.strip_suffix("ubyte")?.trim_end_matches(['-', '.']);
    let (stem, _) = stem.rsplit_once("idx")?;
    let stem = stem.trim_end_matches(['-', '.']).strip_suffix(kind)?;
    Some(stem.trim_end_matches(['-', '.']).to_owned())
}

/// Sizes and bytes of an IDX file.
fn read(tree: &Tree, entry: &Entry) -> Result<(Vec<usize>, Bytes)> {
    let label = tree.label(&entry.path);
    let mut bytes = tree.read(entry)?;
    if bytes.starts_with(b"\x1f\x8b") {
        bytes = inflate(&label, &bytes, tree.budget())?;
    }
    let fail = |why: &str| Error::broken(&label, why);
    let [0, 0, kind, rank] = *bytes.first_chunk::<4>().ok_or_else(|| fail("it is too short for an IDX file"))? else {
        return Err(fail("it does not begin as an IDX file does"));
    };
    if kind != 8 {
        return Err(fail("its elements are no bytes"));
    }
    let header = 4 + 4 * usize::from(rank);
    let words = bytes.get(4..header).ok_or_else(|| fail("its header is cut off"))?;
    let sizes: Vec<usize> = words.as_chunks::<4>().0.iter().map(|w| u32::from_be_bytes(*w) as usize).collect();
    let need = sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
    let rest = bytes.slice(header..);
    match need == Some(rest.len()) {
        true => Ok((sizes, rest)),
        false => Err(fail(&format!("it holds {} bytes, its sizes {sizes:?} need others", rest.len()))),
    }
}
