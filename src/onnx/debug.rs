//! Traces of the exporting machine: stack traces, paths.

use super::proto::{GraphProto, ModelProto, NodeProto, StringStringEntryProto};
use super::walk;

/// What a model tells about the machine that exported it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugInfo {
    /// Nodes with debug metadata or a path in their doc string.
    pub nodes: usize,
    /// The first path of a file found.
    pub example: Option<String>,
}

/// Metadata that only serves debugging the export.
fn is_debug(e: &StringStringEntryProto) -> bool {
    e.key().starts_with("pkg.torch.") || path_in(e.value()).is_some()
}

/// Finds debug metadata: `pkg.torch.*` entries, and entries and doc strings with file paths.
pub fn debug_info(model: &ModelProto) -> DebugInfo {
    let mut info = DebugInfo::default();
    let texts = model.metadata_props.iter().map(|e| e.value()).chain([model.doc_string()]);
    texts.for_each(|text| info.note(text));
    walk::graphs(model).for_each(|g| info.graph(g));
    for function in &model.functions {
        info.entries(&function.metadata_props, function.doc_string());
        info.nodes(&function.node);
    }
    info
}

impl DebugInfo {
    fn note(&mut self, text: &str) {
        if self.example.is_none() {
            self.example = path_in(text).map(str::to_owned);
        }
    }

    fn entries(&mut self, entries: &[StringStringEntryProto], doc: &str) {
        entries.iter().for_each(|e| self.note(e.value()));
        self.note(doc);
    }

    fn graph(&mut self, g: &GraphProto) {
        self.entries(&g.metadata_props, g.doc_string());
        for v in g.input.iter().chain(&g.output).chain(&g.value_info) {
            self.entries(&v.metadata_props, v.doc_string());
        }
        g.initializer.iter().for_each(|t| self.entries(&t.metadata_props, t.doc_string()));
        self.nodes(&g.node);
    }

    fn nodes(&mut self, nodes: &[NodeProto]) {
        for node in nodes {
            self.entries(&node.metadata_props, node.doc_string());
            if node.metadata_props.iter().any(is_debug) || path_in(node.doc_string()).is_some() {
                self.nodes += 1;
            }
            walk::subgraphs(node).for_each(|g| self.graph(g));
        }
    }
}

/// Removes what [`debug_info`] finds. Returns how many entries and doc strings went.
pub fn strip_debug(model: &mut ModelProto) -> usize {
    let mut gone = strip(&mut model.metadata_props, &mut model.doc_string);
    let training = model.training_info.iter_mut().flat_map(|t| [t.initialization.as_mut(), t.algorithm.as_mut()]);
    gone += model.graph.iter_mut().chain(training.flatten()).map(strip_graph).sum::<usize>();
    for function in &mut model.functions {
        gone += strip(&mut function.metadata_props, &mut function.doc_string);
        gone += strip_nodes(&mut function.node);
    }
    gone
}

fn strip(entries: &mut Vec<StringStringEntryProto>, doc: &mut Option<String>) -> usize {
    let before = entries.len();
    entries.retain(|e| !is_debug(e));
    let docs = usize::from(doc.take_if(|text| path_in(text).is_some()).is_some());
    before - entries.len() + docs
}

fn strip_graph(g: &mut GraphProto) -> usize {
    let values = g.input.iter_mut().chain(&mut g.output).chain(&mut g.value_info);
    let in_values: usize = values.map(|v| strip(&mut v.metadata_props, &mut v.doc_string)).sum();
    let in_tensors: usize = g.initializer.iter_mut().map(|t| strip(&mut t.metadata_props, &mut t.doc_string)).sum();
    strip(&mut g.metadata_props, &mut g.doc_string) + in_values + in_tensors + strip_nodes(&mut g.node)
}

fn strip_nodes(nodes: &mut [NodeProto]) -> usize {
    let one = |node: &mut NodeProto| {
        let own = strip(&mut node.metadata_props, &mut node.doc_string);
        own + walk::subgraphs_mut(node).map(strip_graph).sum::<usize>()
    };
    nodes.iter_mut().map(one).sum()
}

/// The first absolute path of a file in a text: `/a/b.py`, `C:\a\b.py`.
fn path_in(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'(),;<>[]".contains(c));
    words.map(|w| w.trim_end_matches([':', '.'])).find(|w| looks_like_path(w))
}

fn looks_like_path(word: &str) -> bool {
    let drive = word.as_bytes().get(1) == Some(&b':') && word.as_bytes()[0].is_ascii_alphabetic();
    let rooted = word.starts_with('/') || drive && matches!(word.as_bytes().get(2), Some(b'\\' | b'/'));
    let file = word.rsplit(['/', '\\']).next().unwrap_or_default();
    // Scope names of exporters (`/layer1/conv`) have no extension.
    let has_extension = file
        .split_once('.')
        .is_some_and(|(stem, end)| !stem.is_empty() && end.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()));
    let home = word.starts_with("/home/") || word.starts_with("/Users/");
    rooted && !word.starts_with("//") && (has_extension || home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_scope_names() {
        let trace = "File \"/usr/lib/python3/site-packages/timm/models/resnet.py\", line 3, in forward";
        assert_eq!(path_in(trace), Some("/usr/lib/python3/site-packages/timm/models/resnet.py"));
        assert_eq!(path_in(r"C:\work\train.py:12"), Some(r"C:\work\train.py:12"));
        assert_eq!(path_in("/layer1/conv1/Conv_output_0"), None);
        assert_eq!(path_in("see https://onnx.ai/onnx/index.html"), None);
    }
}
