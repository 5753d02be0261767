use std::collections::BTreeSet;
use std::sync::Arc;

use super::Format;
use crate::data::dataset::{Content, Dataset, Sample};
use crate::data::split::{self, Wanted};
use crate::data::tree::{IMAGES, Tree};
use crate::data::{Error, Label, Result};

/// Images in a folder for each class, with or without splits above: `train/cat/1.jpg` or `cat/1.jpg`. Classes are
/// sorted by name, over all splits. Images in no folder have no label.
pub struct ImageFolder;

impl Format for ImageFolder {
    fn name(&self) -> &'static str {
        "image-folder"
    }

    fn summary(&self) -> &'static str {
        "images as split/class/name.jpg or class/name.jpg"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let images: Vec<&str> =
            tree.entries().iter().filter(|e| e.has_extension(IMAGES)).map(|e| e.path.as_str()).collect();
        if images.is_empty() {
            return Ok(None);
        }
        let cut = common(&images);
        let below = |path: &str| path.get(cut..).unwrap_or_default().to_owned();
        let places: Vec<FolderPlace> = images.iter().map(|p| FolderPlace::of(&below(p))).collect();
        // First names that are splits, every one: else they are classes.
        let has_splits = places.iter().all(|p| p.parts.first().is_some_and(|f| split::is_split(f)));
        let depth = usize::from(has_splits);
        let class_of = |place: &FolderPlace| place.parts.get(depth).cloned();
        let mut names = vec![String::new()];
        if has_splits {
            names = split::names(places.iter().filter_map(|p| p.parts.first().map(String::as_str)));
        }
        let chosen = names.get(wanted.choose(&names)?).cloned().unwrap_or_default();
        // A class that one split lacks keeps its place: indices must mean the same in all of them.
        let classes: BTreeSet<String> = places.iter().filter_map(class_of).collect();
        let classes: Vec<String> = classes.into_iter().collect();
        let mut samples = Vec::new();
        let mut unlabelled = None;
        for (path, place) in images.iter().zip(&places) {
            if has_splits && place.parts.first() != Some(&chosen) {
                continue;
            }
            let class = class_of(place).and_then(|name| classes.binary_search(&name).ok());
            if class.is_none() {
                unlabelled.get_or_insert(*path);
            }
            samples.push(((*path).to_owned(), class));
        }
        if let Some(path) = unlabelled
            && samples.iter().any(|(_, class)| class.is_some())
        {
            let why = format!("{path} lies in no folder of a class, while other images do");
            return Err(Error::labels(tree.root.display().to_string(), why));
        }
        let tree = Arc::clone(tree);
        Ok(Some(Box::new(Images { tree, samples, classes })))
    }
}

/// The folders above an image.
struct FolderPlace {
    parts: Vec<String>,
}

impl FolderPlace {
    fn of(path: &str) -> Self {
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        FolderPlace { parts: folders.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect() }
    }
}

/// Length of the folders that all images lie in and that say nothing: not the folder of a split, and not that of
/// an only class.
fn common(paths: &[&str]) -> usize {
    let mut cut = 0;
    loop {
        let rest = |p: &&str| p.get(cut..).unwrap_or_default().to_owned();
        let first = paths.first().map(rest).unwrap_or_default();
        let Some((first, _)) = first.split_once('/') else { return cut };
        let prefix = format!("{first}/");
        // What remains below must still have folders, for classes.
        let goes = paths.iter().map(rest).all(|p| p.strip_prefix(&prefix).is_some_and(|below| below.contains('/')));
        if split::is_split(first) || !goes {
            return cut;
        }
        cut += prefix.len();
    }
}

struct Images {
    tree: Arc<Tree>,
    samples: Vec<(String, Option<usize>)>,
    classes: Vec<String>,
}

impl Dataset for Images {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.samples.get(index).map_or_else(|| index.to_string(), |(path, _)| path.clone())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let missing = || Error::sample(index.to_string(), "there is no such sample");
        let (path, class) = self.samples.get(index).ok_or_else(missing)?;
        let entry = self.tree.find(path).ok_or_else(missing)?;
        let target = class.map_or(Label::Unknown, Label::Class);
        Ok(Sample { content: Content::Encoded(self.tree.read(entry)?), target })
    }
}
