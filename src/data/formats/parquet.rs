use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::Type;
use ::parquet::column::reader::ColumnReader;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use bytes::Bytes;

use super::{Format, MOST_CLASSES, check_class};
use crate::data::dataset::{Content, Dataset, Sample, numbered};
use crate::data::split::{self, Wanted};
use crate::data::tree::{Entry, Tree};
use crate::data::{Error, Result, Target};

/// Parquet files with a column of picture files and one of labels, as Hugging Face writes them: `image` as
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
            let file = Arc::new(File::open(tree.read(entry)?, label)?);
            classes = classes.or_else(|| file.classes());
            for group in 0..file.reader.num_row_groups() {
                let count = file.reader.metadata().row_group(group).num_rows();
                let count = usize::try_from(count).map_err(|_| file.broken("a row group of negative size"))?;
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

struct File {
    reader: SerializedFileReader<Bytes>,
    label: String,
    pictures: usize,
    labels: Option<(usize, String)>,
}

impl File {
    fn open(bytes: Bytes, label: String) -> Result<Self> {
        let reader = SerializedFileReader::new(bytes).map_err(|e| Error::broken(&label, e.to_string()))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let column = |fits: &dyn Fn(&str, Type) -> bool| {
            schema.columns().iter().position(|c| c.max_rep_level() == 0 && fits(&c.path().string(), c.physical_type()))
        };
        let picture = |path: &str, ty: Type| {
            let root = path.split('.').next().unwrap_or_default();
            let plain = !path.contains('.') && ["image", "img", "picture", "bytes"].contains(&root);
            ty == Type::BYTE_ARRAY && (path.ends_with(".bytes") || plain)
        };
        let label_of = |path: &str, ty: Type| {
            let known = ["label", "labels", "fine_label", "cls", "class", "target"].contains(&path);
            known && matches!(ty, Type::INT32 | Type::INT64)
        };
        let (pictures, labels) = (column(&picture), column(&label_of));
        let labels = labels.and_then(|i| Some((i, schema.columns().get(i)?.path().string())));
        let Some(pictures) = pictures else {
            let names: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
            let why = format!("it has no column of pictures (image.bytes); its columns are {}", names.join(", "));
            return Err(Error::broken(label, why));
        };
        Ok(File { reader, label, pictures, labels })
    }

    fn broken(&self, why: &str) -> Error {
        Error::broken(&self.label, why)
    }

    /// Names of classes in the metadata that Hugging Face's writer leaves.
    fn classes(&self) -> Option<Vec<String>> {
        let metadata = self.reader.metadata().file_metadata().key_value_metadata()?;
        let text = metadata.iter().find(|kv| kv.key == "huggingface")?.value.as_ref()?;
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let (_, column) = self.labels.as_ref()?;
        let names = value.get("info")?.get("features")?.get(column)?.get("names")?.as_array()?;
        names.iter().map(|n| n.as_str().map(str::to_owned)).collect()
    }

    fn labels(&self, group: usize) -> Result<Vec<Option<i64>>> {
        let rows = self.reader.metadata().row_group(group).num_rows();
        let rows = usize::try_from(rows).unwrap_or_default();
        let Some((column, _)) = self.labels else { return Ok(vec![None; rows]) };
        let read = || -> Result<Vec<Option<i64>>, ParquetError> {
            let reader = self.reader.get_row_group(group)?.get_column_reader(column)?;
            let mut levels = Vec::new();
            let mut values = Vec::new();
            match reader {
                ColumnReader::Int64ColumnReader(mut r) => {
                    r.read_records(rows, Some(&mut levels), None, &mut values)?;
                }
                ColumnReader::Int32ColumnReader(mut r) => {
                    let mut narrow = Vec::new();
                    r.read_records(rows, Some(&mut levels), None, &mut narrow)?;
                    values = narrow.into_iter().map(i64::from).collect();
                }
                _ => {}
            }
            Ok(spread(values, &levels, self.level(column), rows))
        };
        read().map_err(|e| self.broken(&e.to_string()))
    }

    fn pictures(&self, group: usize) -> Result<Vec<Option<Bytes>>> {
        let rows = self.reader.metadata().row_group(group).num_rows();
        let rows = usize::try_from(rows).unwrap_or_default();
        let read = || -> Result<Vec<Option<Bytes>>, ParquetError> {
            let reader = self.reader.get_row_group(group)?.get_column_reader(self.pictures)?;
            let mut levels = Vec::new();
            let mut values = Vec::new();
            if let ColumnReader::ByteArrayColumnReader(mut r) = reader {
                r.read_records(rows, Some(&mut levels), None, &mut values)?;
            }
            let values = values.iter().map(|v| Bytes::copy_from_slice(v.data())).collect();
            Ok(spread(values, &levels, self.level(self.pictures), rows))
        };
        read().map_err(|e| self.broken(&e.to_string()))
    }

    /// The definition level at which a value is there.
    fn level(&self, column: usize) -> i16 {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().get(column).map_or(0, |c| c.max_def_level())
    }
}

/// Values by row: a row below the level `full` has none.
fn spread<T>(values: Vec<T>, levels: &[i16], full: i16, rows: usize) -> Vec<Option<T>> {
    let mut values = values.into_iter();
    if full == 0 {
        return (0..rows).map(|_| values.next()).collect();
    }
    levels.iter().map(|level| if *level == full { values.next() } else { None }).collect()
}

struct Group {
    file: Arc<File>,
    group: usize,
    /// Rows before it.
    first: usize,
}

struct Decoded {
    pictures: Vec<Option<Bytes>>,
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
        let (pictures, labels) = (group.file.pictures(group.group)?, group.file.labels(group.group)?);
        let decoded = Arc::new(Decoded { pictures, labels });
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
        let picture = decoded.pictures.get(row).cloned().flatten();
        let picture = picture.ok_or_else(|| bad("the picture is missing (a path without bytes)"))?;
        let target = match decoded.labels.get(row).copied().flatten() {
            None => Target::Unknown,
            Some(class) => Target::Class(check_class(class, self.classes.len()).map_err(|why| bad(&why))?),
        };
        Ok(Sample { content: Content::Encoded(picture), target })
    }
}
