use std::sync::Arc;

use bytes::BytesMut;

use super::arrays::Pixels;
use super::{Format, check_class};
use crate::data::dataset::Dataset;
use crate::data::split::Wanted;
use crate::data::tree::{Entry, Tree};
use crate::data::{Error, Result};

/// CIFAR's binary version: `data_batch_1.bin` … and `test_batch.bin` with one label byte (CIFAR-10), `train.bin` and
/// `test.bin` with two (CIFAR-100; the fine label is used). Names of classes stand beside them.
pub struct Cifar;

const PIXELS: usize = 3 * 32 * 32;

/// CIFAR-10 or CIFAR-100: bytes before the pixels, classes, and where their names stand.
struct CifarKind {
    labels: usize,
    classes: usize,
    names: &'static str,
    splits: fn(&str) -> Option<&'static str>,
}

const KINDS: [CifarKind; 2] = [
    CifarKind {
        labels: 1,
        classes: 10,
        names: "batches.meta.txt",
        splits: |name| match name {
            "test_batch.bin" => Some("test"),
            n if n.starts_with("data_batch_") && n.ends_with(".bin") => Some("train"),
            _ => None,
        },
    },
    CifarKind {
        labels: 2,
        classes: 100,
        names: "fine_label_names.txt",
        splits: |name| match name {
            "train.bin" => Some("train"),
            "test.bin" => Some("test"),
            _ => None,
        },
    },
];

impl Format for Cifar {
    fn name(&self) -> &'static str {
        "cifar"
    }

    fn summary(&self) -> &'static str {
        "CIFAR-10 or CIFAR-100, binary version"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        for kind in &KINDS {
            let files = |split: &str| -> Vec<&Entry> {
                tree.entries().iter().filter(|e| (kind.splits)(e.file_name()) == Some(split)).collect()
            };
            let names = ["train", "test"].iter().filter(|s| !files(s).is_empty()).map(|s| (*s).to_owned());
            let names: Vec<String> = names.collect();
            if names.is_empty() {
                continue;
            }
            let split = names.get(wanted.choose(&names)?).cloned().unwrap_or_default();
            return open(tree, kind, &files(&split)).map(Some);
        }
        Ok(None)
    }
}

fn open(tree: &Tree, kind: &CifarKind, files: &[&Entry]) -> Result<Box<dyn Dataset>> {
    let (mut pixels, mut targets) = (BytesMut::new(), Vec::new());
    let mut label = String::new();
    for entry in files {
        label = tree.label(&entry.path);
        let bytes = tree.read(entry)?;
        let records = bytes.chunks_exact(kind.labels + PIXELS);
        if bytes.is_empty() || !records.remainder().is_empty() {
            let why = format!("its {} bytes are not a whole number of samples", bytes.len());
            return Err(Error::broken(label, why));
        }
        for record in records {
            let (head, body) = record.split_at(kind.labels);
            // Of CIFAR-100's two labels the second is the fine one.
            let class = head.last().map_or(0, |l| i64::from(*l));
            targets.push(check_class(class, kind.classes).map_err(|why| Error::labels(&label, why))?);
            pixels.extend_from_slice(body);
        }
    }
    let mut classes = crate::data::dataset::numbered(kind.classes);
    if let Some(entry) = tree.entries().iter().find(|e| e.file_name() == kind.names) {
        let text = tree.read_text(entry)?;
        let names: Vec<String> = text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect();
        if names.len() != kind.classes {
            return Err(Error::labels(tree.label(&entry.path), format!("{} names of classes", names.len())));
        }
        classes = names;
    }
    let label = if files.len() > 1 { tree.root.display().to_string() } else { label };
    let pixels = Pixels::new(pixels.freeze(), targets.len(), [32, 32, 3], true)
        .ok_or_else(|| Error::broken(&label, "images without pixels"))?;
    Ok(pixels.dataset(label, Some(targets), classes))
}
