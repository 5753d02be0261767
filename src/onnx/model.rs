//! A model in memory, and how it gets there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::external::{self, ExternalLayout};
use super::proto::{GraphProto, ModelProto};
use super::save::{self, SaveOptions};
use super::source::{self, Maps};
use super::wire::{self, Scan, UnknownFields};
use super::{Error, Result, check};

/// A model whose weights are slices of the files, with all external data in place.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The message itself; no tensor in it is external.
    pub proto: ModelProto,
    /// Where it was read from.
    pub path: Option<PathBuf>,
    /// Set when it came with external data.
    pub external: Option<ExternalLayout>,
    /// What was odd about it, one line each.
    pub warnings: Vec<String>,
    /// Size of all its files, in bytes.
    pub file_bytes: u64,
    /// Fields from a newer format, written again on saving.
    pub unknown: UnknownFields,
    /// The files that weights are slices of: saving spares them.
    pub maps: Maps,
}

impl Model {
    /// Reads and checks a model file and its external data. Weights of large files are not copied: the files are
    /// mapped, and must not be changed in place while the model lives (replacing them by a rename is fine);
    /// [`Maps::unchanged`] tells whether they were.
    ///
    /// ```
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
    /// let model = onnx_prune::Model::load(path)?;
    /// assert!(model.graph()?.node.len() > 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read or is no model that this crate understands; likewise below.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let (path, mut maps) = (path.as_ref(), Maps::default());
        Self::decode(source::map_model(path, &mut maps)?, Some(path), maps)
    }

    /// Reads and checks a model in memory, which cannot have external data. Weights are slices of the bytes.
    ///
    /// # Errors
    /// See [`load`](Self::load).
    pub fn from_bytes(bytes: Bytes) -> Result<Self> {
        Self::decode(bytes, None, Maps::default())
    }

    /// Checks a model that was built in memory, as a file is checked; it cannot have external data.
    ///
    /// # Errors
    /// See [`load`](Self::load).
    pub fn from_proto(mut proto: ModelProto) -> Result<Self> {
        if proto.graph.is_none() {
            return Err(no_graph(None));
        }
        let mut maps = Maps::default();
        let (external, _) = external::resolve(&mut proto, None, &mut maps)?;
        let file_bytes = proto.encoded_len() as u64;
        let warnings = check::check(&mut proto)?;
        Ok(Model { proto, external, warnings, file_bytes, maps, ..Model::default() })
    }

    /// A model built in memory, unchecked.
    pub fn new(proto: ModelProto) -> Self {
        Model { proto, ..Model::default() }
    }

    /// Writes the model, whole or not at all: as it was read, in one file or with its weights beside it. Gives the
    /// bytes written.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64> {
        save::save(self, path.as_ref(), &SaveOptions::default())
    }

    /// The main graph. Errors when there is none.
    pub fn graph(&self) -> Result<&GraphProto> {
        self.proto.graph.as_ref().ok_or_else(|| no_graph(self.path.as_deref()))
    }

    /// The main graph, open to change. Errors when there is none.
    pub fn graph_mut(&mut self) -> Result<&mut GraphProto> {
        self.proto.graph.as_mut().ok_or_else(|| no_graph(self.path.as_deref()))
    }

    fn decode(bytes: Bytes, path: Option<&Path>, mut maps: Maps) -> Result<Self> {
        let shown = shown(path);
        let not_a_model = |why: String| Error::NotAModel { path: shown.clone(), why };
        if bytes.is_empty() {
            return Err(not_a_model("it is empty".into()));
        }
        // The name of another format explains more than the decoder's complaint about its bytes.
        let explain = |e: Error| match source::other_format(&bytes) {
            Some(what) => not_a_model(what.into()),
            None => e,
        };
        wire::check_complete(&bytes, &shown).map_err(explain)?;
        let mut proto = ModelProto::decode(bytes.clone()).map_err(|e| explain(not_a_model(e.to_string())))?;
        if proto.graph.is_none() {
            return Err(explain(no_graph(path)));
        }
        let scan = Scan::new(&bytes);
        let mut warnings = scan.warnings();
        let (external, data_bytes) = external::resolve(&mut proto, path, &mut maps)?;
        // Files that were read one after the other may be of different models.
        maps.unchanged()?;
        warnings.extend(check::check(&mut proto)?);
        Ok(Model {
            proto,
            path: path.map(Path::to_owned),
            external,
            warnings,
            file_bytes: bytes.len() as u64 + data_bytes,
            unknown: scan.unknown,
            maps,
        })
    }
}

/// A model to be owned by several. Weights that are slices of files are not copied.
impl From<&Model> for Arc<Model> {
    fn from(model: &Model) -> Arc<Model> {
        Arc::new(model.clone())
    }
}

fn shown(path: Option<&Path>) -> PathBuf {
    path.map_or_else(|| PathBuf::from("<input>"), Path::to_owned)
}

fn no_graph(path: Option<&Path>) -> Error {
    Error::NotAModel { path: shown(path), why: "it has no graph".into() }
}
