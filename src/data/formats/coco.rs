use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::Format;
use crate::data::dataset::{Content, Dataset, Sample};
use crate::data::split::{self, Wanted};
use crate::data::tree::{Entry, Tree};
use crate::data::{BoundingBox, Error, Label, Result};

/// COCO detection: `annotations/instances_val2017.json` beside the images, or `_annotations.coco.json` among them.
/// Classes are the categories in the order of their ids.
pub struct Coco;

impl Format for Coco {
    fn name(&self) -> &'static str {
        "coco"
    }

    fn summary(&self) -> &'static str {
        "COCO detection JSON with its images"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let mut found: Vec<(String, &Entry)> = Vec::new();
        for entry in tree.entries().iter().filter(|e| e.has_extension(&["json"])) {
            if let Some(name) = split_of(entry) {
                found.push((name, entry));
            }
        }
        if found.is_empty() {
            // A file that was pointed to may be called anything; its images lie around it.
            return match tree.entries() {
                [one] if tree.is_single && one.has_extension(&["json"]) => around(tree, one),
                _ => Ok(None),
            };
        }
        if tree.is_single
            && let [(_, entry)] = found.as_slice()
        {
            return around(tree, entry);
        }
        let names = split::names(found.iter().map(|(name, _)| name.as_str()));
        let chosen = names.get(wanted.choose(&names)?).cloned().unwrap_or_default();
        let Some((_, entry)) = found.iter().find(|(name, _)| *name == chosen) else { return Ok(None) };
        read(tree, &tree.label(&entry.path), &tree.read_text(entry)?, entry.folder(), &chosen).map(Some)
    }
}

/// The split that an annotation file is for; `None` for other files.
fn split_of(entry: &Entry) -> Option<String> {
    let stem = entry.stem();
    if let Some(name) = stem.strip_prefix("instances_") {
        return Some(name.to_owned());
    }
    let folder = entry.folder().rsplit('/').next().unwrap_or_default();
    (stem == "_annotations.coco").then(|| folder.to_owned())
}

/// An annotation file that was pointed to: images lie in its folder, or beside a folder `annotations`.
fn around(tree: &Tree, entry: &Entry) -> Result<Option<Box<dyn Dataset>>> {
    let text = tree.read_text(entry)?;
    if !text.contains("\"annotations\"") {
        return Ok(None);
    }
    let folder = tree.root.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let outer = match folder.file_name().is_some_and(|n| n == "annotations") {
        true => folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(".".as_ref()),
        false => folder,
    };
    let images = Arc::new(Tree::open(outer, tree.limits())?);
    let name = split_of(entry).unwrap_or_default();
    read(&images, &tree.root.display().to_string(), &text, "", &name).map(Some)
}

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: i64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: i64,
    category_id: i64,
    bbox: [f32; 4],
    #[serde(default)]
    iscrowd: u8,
    area: Option<f32>,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

fn read(tree: &Arc<Tree>, label: &str, text: &str, folder: &str, split: &str) -> Result<Box<dyn Dataset>> {
    let file: File = serde_json::from_str(text).map_err(|e| Error::broken(label, e.to_string()))?;
    let mut categories = file.categories;
    categories.sort_by_key(|c| c.id);
    let class: HashMap<i64, usize> = categories.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let mut boxes: HashMap<i64, Vec<BoundingBox>> = HashMap::new();
    for a in &file.annotations {
        let fail = |why: String| Error::labels(label, format!("a box of image {}: {why}", a.image_id));
        let class =
            *class.get(&a.category_id).ok_or_else(|| fail(format!("category {} is not known", a.category_id)))?;
        if !a.bbox.iter().all(|x| x.is_finite()) || a.bbox[2] < 0.0 || a.bbox[3] < 0.0 {
            return Err(fail(format!("{:?} is no box", a.bbox)));
        }
        let (crowd, area) = (a.iscrowd != 0, a.area);
        boxes.entry(a.image_id).or_default().push(BoundingBox { xywh: a.bbox, class, crowd, area });
    }
    let places = Places::new(tree, folder, split);
    let mut samples = Vec::new();
    let mut missing = None;
    for image in file.images {
        let outside = image.file_name.starts_with('/') || image.file_name.split(['/', '\\']).any(|p| p == "..");
        if outside {
            let why = "the path must lead to a place inside".to_owned();
            return Err(Error::Unsafe { file: label.to_owned(), entry: image.file_name, why });
        }
        let entry = places.find(&image.file_name);
        if entry.is_none() {
            missing.get_or_insert_with(|| image.file_name.clone());
        }
        samples.push((image.file_name, entry, boxes.remove(&image.id).unwrap_or_default()));
    }
    if let Some(id) = boxes.keys().min() {
        return Err(Error::labels(label, format!("boxes for image {id}, which is not in its list")));
    }
    // A few images that are missing are bad samples; all of them are a wrong folder.
    if let Some(name) = missing.filter(|_| samples.iter().all(|(_, entry, _)| entry.is_none())) {
        return Err(Error::broken(label, format!("none of its images is there; the first is {name}")));
    }
    let classes = categories.into_iter().map(|c| c.name).collect();
    Ok(Box::new(Detections { tree: Arc::clone(tree), samples, classes }))
}

/// Where images of a name lie.
struct Places<'a> {
    by_name: HashMap<&'a str, Vec<(usize, &'a str)>>,
    folder: &'a str,
    split: &'a str,
}

impl<'a> Places<'a> {
    fn new(tree: &'a Tree, folder: &'a str, split: &'a str) -> Self {
        let mut by_name: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
        for (i, entry) in tree.entries().iter().enumerate() {
            by_name.entry(entry.file_name()).or_default().push((i, &entry.path));
        }
        Places { by_name, folder, split }
    }

    /// The file whose path ends in `name`: the one beside the annotations, or in the folder of the split, if there
    /// are several.
    fn find(&self, name: &str) -> Option<usize> {
        let name = name.trim_start_matches("./");
        let last = name.rsplit('/').next()?;
        let fits = |path: &str| path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        let all = self.by_name.get(last)?;
        let rank = |path: &str| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let beside = folder == self.folder;
            let split = !self.split.is_empty() && folder.split('/').any(|part| part == self.split);
            (!split, !beside)
        };
        all.iter().filter(|(_, path)| fits(path)).min_by_key(|(_, path)| rank(path)).map(|(i, _)| *i)
    }
}

struct Detections {
    tree: Arc<Tree>,
    samples: Vec<(String, Option<usize>, Vec<BoundingBox>)>,
    classes: Vec<String>,
}

impl Dataset for Detections {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.samples.get(index).map_or_else(|| index.to_string(), |(name, ..)| name.clone())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let bad = |why: &str| Error::sample(self.name(index), why);
        let (_, entry, boxes) = self.samples.get(index).ok_or_else(|| bad("there is no such sample"))?;
        let entry = entry.and_then(|i| self.tree.entries().get(i)).ok_or_else(|| bad("the image is missing"))?;
        Ok(Sample { content: Content::Encoded(self.tree.read(entry)?), target: Label::Boxes(boxes.clone()) })
    }
}
