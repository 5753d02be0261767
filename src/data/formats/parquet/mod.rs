mod compact;
mod file;
mod lies;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{Format, MOST_CLASSES, check_class};
use crate::data::dataset::{Content, Dataset, Sample, numbered};
use crate::data::split::{self, Wanted};
use crate::data::tree::{Entry, Tree};
use crate::data::{Error, Label, Result};
use file::File;

/// Parquet files with a column of image files and one of labels, as Hugging Face writes them: `image` as
/// `struct{bytes, path}` (or plain bytes), `label` as an integer, names of classes in the metadata. Files are splits:
/// `train-00000-of-00002.parquet`.
pub struct Parquet;

/// Row groups that stay decoded: several threads read forwards, each at most a block of samples ahead.
const KEPT: usize = 8;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn summary(&self) -> &'static str {
        "Parquet with an image column, as of Hugging Face"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let files: Vec<&Entry> = tree.entries().iter().filter(|e| e.has_extension(&["parquet"])).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let names = split::names(files.iter().map(|f| split_of(f)));
        let chosen = names.get(wanted.choose(&names)?).cloned().unwrap_or_default();
        let mut groups = Vec::new();
        let mut classes = None;
        let mut rows = 0;
        for entry in files.into_iter().filter(|f| split_of(f) == chosen) {
            let label = tree.label(&entry.path);
            let file = Arc::new(File::open(tree.read(entry)?, label, tree.limits())?);
            classes = classes.or_else(|| file.classes());
            for (group, count) in file.rows().iter().enumerate() {
                groups.push(Group { file: Arc::clone(&file), group, first: rows });
                rows += count;
            }
        }
        let mut set = Table { groups, rows, classes: Vec::new(), decoded: Mutex::default() };
        set.classes = match classes {
            Some(names) => names,
            None => numbered(set.largest_class()?.map_or(0, |n| n + 1)),
        };
        Ok(Some(Box::new(set)))
    }
}

/// `train` of `train-00000-of-00002.parquet`; the whole stem of other names.
fn split_of(entry: &Entry) -> &str {
    let stem = entry.stem();
    let Some((head, shard)) = stem.split_once('-') else { return stem };
    let counts = shard.split('-').all(|p| p == "of" || !p.is_empty() && p.bytes().all(|b| b.is_ascii_hexdigit()));
    if counts || split::is_split(head) { head } else { stem }
}

struct Group {
    file: Arc<File>,
    group: usize,
    /// Rows before it.
    first: usize,
}

struct Decoded {
    images: Vec<Option<Bytes>>,
    labels: Vec<Option<i64>>,
}

struct Table {
    groups: Vec<Group>,
    rows: usize,
    classes: Vec<String>,
    decoded: Mutex<VecDeque<(usize, Arc<Decoded>)>>,
}

impl Table {
    fn largest_class(&self) -> Result<Option<usize>> {
        let mut largest = None;
        for g in &self.groups {
            for class in g.file.labels(g.group)?.into_iter().flatten() {
                let fail = |why| Error::labels(&g.file.label, why);
                largest = largest.max(Some(check_class(class, MOST_CLASSES).map_err(fail)?));
            }
        }
        Ok(largest)
    }

    /// The row group `at`, from those that stay decoded if it is there.
    fn decoded(&self, at: usize, group: &Group) -> Result<Arc<Decoded>> {
        // Held while decoding: the other threads most likely want the same group.
        let mut kept = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, decoded)) = kept.iter().find(|(i, _)| *i == at) {
            return Ok(Arc::clone(decoded));
        }
        let (images, labels) = (group.file.images(group.group)?, group.file.labels(group.group)?);
        let decoded = Arc::new(Decoded { images, labels });
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((at, Arc::clone(&decoded)));
        Ok(decoded)
    }
}

impl Dataset for Table {
    fn len(&self) -> usize {
        self.rows
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let at = self.groups.partition_point(|g| g.first <= index);
        let file = at.checked_sub(1).and_then(|i| self.groups.get(i)).map_or("", |g| g.file.label.as_str());
        format!("row {index} of {file}")
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let bad = |why: &str| Error::sample(self.name(index), why);
        let at = self.groups.partition_point(|g| g.first <= index).checked_sub(1);
        let found = at.and_then(|at| Some((at, self.groups.get(at)?)));
        let (at, group) = found.filter(|_| index < self.rows).ok_or_else(|| bad("there is no such sample"))?;
        let decoded = self.decoded(at, group)?;
        let row = index - group.first;
        let image = decoded.images.get(row).cloned().flatten();
        let image = image.ok_or_else(|| bad("the image is missing (a path without bytes)"))?;
        let target = match decoded.labels.get(row).copied().flatten() {
            None => Label::Unknown,
            Some(class) => Label::Class(check_class(class, self.classes.len()).map_err(|why| bad(&why))?),
        };
        Ok(Sample { content: Content::Encoded(image), target })
    }
}
