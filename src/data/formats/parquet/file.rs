//! One Parquet file: which columns are looked at, and their values.

use ::parquet::basic::Type;
use ::parquet::column::reader::ColumnReader;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use bytes::Bytes;

use super::lies::{check_decoder, check_group, check_schema};
use crate::data::guard::guarded;
use crate::data::{Error, Limits, Result};

pub struct File {
    bytes: Bytes,
    reader: SerializedFileReader<Bytes>,
    /// Rows of each row group.
    rows: Vec<usize>,
    pub label: String,
    images: usize,
    labels: Option<(usize, String)>,
}

impl File {
    pub fn open(bytes: Bytes, label: String, limits: &Limits) -> Result<Self> {
        check_schema(&bytes).map_err(|why| Error::broken(&label, why))?;
        let reader = tried(|| SerializedFileReader::new(bytes.clone())).map_err(|why| Error::broken(&label, why))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let column = |fits: &dyn Fn(&str, Type) -> bool| {
            schema.columns().iter().position(|c| c.max_rep_level() == 0 && fits(&c.path().string(), c.physical_type()))
        };
        let image = |path: &str, ty: Type| {
            let root = path.split('.').next().unwrap_or_default();
            let plain = !path.contains('.') && ["image", "img", "image", "bytes"].contains(&root);
            ty == Type::BYTE_ARRAY && (path.ends_with(".bytes") || plain)
        };
        let label_of = |path: &str, ty: Type| {
            let known = ["label", "labels", "fine_label", "cls", "class", "target"].contains(&path);
            known && matches!(ty, Type::INT32 | Type::INT64)
        };
        let (images, labels) = (column(&image), column(&label_of));
        let labels = labels.and_then(|i| Some((i, schema.columns().get(i)?.path().string())));
        let Some(images) = images else {
            let names: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
            let why = format!("it has no column of images (image.bytes); its columns are {}", names.join(", "));
            return Err(Error::broken(label, why));
        };
        let mut rows = Vec::new();
        for group in reader.metadata().row_groups() {
            let count = usize::try_from(group.num_rows());
            let count = count.map_err(|_| Error::broken(&label, "a row group of negative size"))?;
            let columns = [Some(images), labels.as_ref().map(|(i, _)| *i)].into_iter().flatten();
            let chunks: Option<Vec<_>> = columns.map(|i| group.columns().get(i)).collect();
            let chunks = chunks.ok_or_else(|| Error::broken(&label, "a row group without all columns"))?;
            check_group(&bytes, chunks.into_iter(), count, &label, limits)?;
            rows.push(count);
        }
        Ok(File { bytes, reader, rows, label, images, labels })
    }

    /// Rows of each row group.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    fn broken(&self, why: &str) -> Error {
        Error::broken(&self.label, why)
    }

    /// Names of classes in the metadata that Hugging Face's writer leaves.
    pub fn classes(&self) -> Option<Vec<String>> {
        let metadata = self.reader.metadata().file_metadata().key_value_metadata()?;
        let text = metadata.iter().find(|kv| kv.key == "huggingface")?.value.as_ref()?;
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let (_, column) = self.labels.as_ref()?;
        let names = value.get("info")?.get("features")?.get(column)?.get("names")?.as_array()?;
        names.iter().map(|n| n.as_str().map(str::to_owned)).collect()
    }

    pub fn labels(&self, group: usize) -> Result<Vec<Option<i64>>> {
        let rows = self.rows.get(group).copied().unwrap_or_default();
        let Some((column, _)) = self.labels else { return Ok(vec![None; rows]) };
        self.check(group, column)?;
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
        tried(read).map_err(|why| self.broken(&why))
    }

    pub fn images(&self, group: usize) -> Result<Vec<Option<Bytes>>> {
        let rows = self.rows.get(group).copied().unwrap_or_default();
        self.check(group, self.images)?;
        let read = || -> Result<Vec<Option<Bytes>>, ParquetError> {
            let reader = self.reader.get_row_group(group)?.get_column_reader(self.images)?;
            let mut levels = Vec::new();
            let mut values = Vec::new();
            if let ColumnReader::ByteArrayColumnReader(mut r) = reader {
                r.read_records(rows, Some(&mut levels), None, &mut values)?;
            }
            let values = values.into_iter().map(Bytes::from_owner).collect();
            Ok(spread(values, &levels, self.level(self.images), rows))
        };
        tried(read).map_err(|why| self.broken(&why))
    }

    fn check(&self, group: usize, column: usize) -> Result<()> {
        let chunk = self.reader.metadata().row_groups().get(group).and_then(|g| g.columns().get(column));
        chunk.map_or(Ok(()), |chunk| check_decoder(&self.bytes, chunk, &self.label))
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

/// Does `work`, whose panics are errors, too.
fn tried<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match guarded(work) {
        Some(result) => result.map_err(|e| e.to_string()),
        None => Err("what it holds makes no sense".into()),
    }
}
