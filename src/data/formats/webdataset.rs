use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Format, MOST_CLASSES, check_class};
use crate::data::dataset::{Content, Dataset, Sample, numbered};
use crate::data::split::{self, Wanted};
use crate::data::tree::{IMAGES, Tree};
use crate::data::{Error, Label, Result};

/// WebDataset: files of one sample share a key, the name up to its first dot. `000.jpg` and `000.cls`, or a `label`
/// in `000.json`. Shards are `train-0000.tar` and so on; class names stand in `classes.txt`, if anywhere.
pub struct WebDataset;

impl Format for WebDataset {
    fn name(&self) -> &'static str {
        "webdataset"
    }

    fn summary(&self) -> &'static str {
        "WebDataset archives with key.jpg and key.cls or key.json"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let mut keys: BTreeMap<&str, Key> = BTreeMap::new();
        let mut labelled = false;
        for (i, entry) in tree.entries().iter().enumerate() {
            let from = entry.path.len() - entry.file_name().len();
            let Some((key, extension)) = entry.file_name().split_once('.') else { continue };
            let key = entry.path.get(..from + key.len()).unwrap_or_default();
            let slot = keys.entry(key).or_default();
            match extension.to_lowercase().as_str() {
                "cls" => (slot.label, labelled) = (Some(i), true),
                "json" => slot.json = Some(i),
                e if IMAGES.iter().any(|p| e == *p || e.ends_with(&format!(".{p}"))) => slot.image = Some(i),
                _ => {}
            }
        }
        // Without a label beside an image it may as well be a folder of images.
        let json = |k: &Key| k.json.is_some() && k.image.is_some();
        if !labelled && !keys.values().any(json) {
            return Ok(None);
        }
        keys.retain(|_, k| k.image.is_some());
        let names = split::names(keys.keys().map(|k| shard_split(k)));
        let chosen = names.get(wanted.choose(&names)?).cloned().unwrap_or_default();
        keys.retain(|k, _| shard_split(k) == chosen);
        let mut samples = Vec::new();
        let mut largest = None;
        for (key, files) in keys {
            let label = files.label.or(files.json);
            let Some((image, label)) = files.image.zip(label) else {
                return Err(Error::labels(tree.label(key), "it has neither .cls nor .json"));
            };
            let class = class(tree, label, files.label.is_none())?;
            largest = largest.max(Some(class));
            samples.push((image, class));
        }
        let classes = classes(tree)?.unwrap_or_else(|| numbered(largest.map_or(0, |n| n + 1)));
        if let Some(n) = largest.filter(|n| *n >= classes.len()) {
            let why = format!("class {n} has no name among the {} in classes.txt", classes.len());
            return Err(Error::labels(tree.root.display().to_string(), why));
        }
        Ok(Some(Box::new(Keys { tree: Arc::clone(tree), samples, classes })))
    }
}

#[derive(Default)]
struct Key {
    image: Option<usize>,
    label: Option<usize>,
    json: Option<usize>,
}

/// The split of a key: its shard's name without the number, where that is one.
fn shard_split(key: &str) -> &str {
    let shard = key.split_once('/').map_or("", |(shard, _)| shard);
    let stem = shard.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_']);
    if split::is_split(stem) { stem } else { "" }
}

fn class(tree: &Tree, index: usize, json: bool) -> Result<usize> {
    let Some(entry) = tree.entries().get(index) else { return Ok(0) };
    let text = tree.read_text(entry)?;
    let fail = |why: String| Error::labels(tree.label(&entry.path), why);
    let number = match json {
        false => text.trim().parse().map_err(|_| fail(format!("'{}' is no number", text.trim())))?,
        true => {
            let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?;
            let label = ["label", "cls", "class_id"].iter().find_map(|k| value.get(*k)?.as_i64());
            label.ok_or_else(|| fail("it has no number named label, cls or class_id".into()))?
        }
    };
    check_class(number, MOST_CLASSES).map_err(fail)
}

fn classes(tree: &Tree) -> Result<Option<Vec<String>>> {
    let names = ["classes.txt", "classnames.txt", "labels.txt"];
    let Some(entry) = tree.entries().iter().find(|e| names.contains(&e.file_name())) else { return Ok(None) };
    let text = tree.read_text(entry)?;
    Ok(Some(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()))
}

struct Keys {
    tree: Arc<Tree>,
    /// Entry of the image, and its class.
    samples: Vec<(usize, usize)>,
    classes: Vec<String>,
}

impl Dataset for Keys {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let entry = self.samples.get(index).and_then(|(image, _)| self.tree.entries().get(*image));
        entry.map_or_else(|| index.to_string(), |e| e.path.clone())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let missing = || Error::sample(index.to_string(), "there is no such sample");
        let (image, class) = self.samples.get(index).ok_or_else(missing)?;
        let entry = self.tree.entries().get(*image).ok_or_else(missing)?;
        Ok(Sample { content: Content::Encoded(self.tree.read(entry)?), target: Label::Class(*class) })
    }
}
