//! The tensors that weights become, and which use reads which.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::Result;
use crate::algebra::Kept;
use crate::analysis::{Analysis, NodeId, Quantization, TensorId, TensorOrigin, ViewId};
use crate::onnx;
use crate::onnx::edit::Names;
use crate::onnx::proto::TensorProto;
use crate::ops::{MAX_VALUE, Role};

/// What becomes of removed positions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They go.
    Remove,
    /// They go, of tensors so small that shapes may depend on what they hold; of others only the shape is told.
    Outline,
    /// They become zero.
    Silence,
}

/// New contents of weights.
#[derive(Default)]
pub struct NewWeights {
    /// Replacements of initializers, by index: same name, new contents.
    pub replaced: BTreeMap<usize, TensorProto>,
    /// Initializers to add, under new names.
    pub added: Vec<TensorProto>,
    /// The tensor that each changed use reads: (node, input) → name.
    pub reads: HashMap<(NodeId, usize), String>,
}

/// Kept positions by axis, `None` where all are kept.
type Cut = Vec<Option<Vec<usize>>>;

/// Uses with equal keys read one tensor.
type Key = (Cut, Option<Quantization>);

/// The views of each tensor that keep the same, by what that is.
type Members = BTreeMap<Key, Vec<ViewId>>;

/// Cuts or masks every weight that carries removed channels. Uses that keep the same share one tensor.
pub fn cut(a: &Analysis, kept: &Kept, mode: Mode, names: &mut Names) -> Result<NewWeights> {
    let by_tensor = by_tensor(a, kept, mode);
    let touched = |cuts: &Members| cuts.keys().any(|(cut, _)| !is_whole(cut));
    let region = |tensor: &TensorId| a.graph.folded.get(tensor).map(|how| how.region);
    // Of what is computed from the same tensors all is stored once a part is cut: they need not stay beside it.
    let stored: HashSet<usize> = match mode {
        Mode::Silence => HashSet::new(),
        _ => by_tensor.iter().filter(|(_, cuts)| touched(cuts)).filter_map(|(t, _)| region(t)).collect(),
    };
    let elsewhere = read_elsewhere(a);
    let mut new = NewWeights::default();
    for (tensor, cuts) in by_tensor {
        let Some(constant) = &a.graph.constants[tensor] else { continue };
        let old = a.graph.contents(constant);
        // The old name goes to the first cut where nobody needs the old contents.
        let mut name_is_free = !elsewhere.contains(&tensor) && !cuts.keys().any(|(cut, _)| is_whole(cut));
        let all = region(&tensor).is_some_and(|r| stored.contains(&r));
        for ((cut, quantized), members) in cuts.into_iter().filter(|((cut, _), _)| all || !is_whole(cut)) {
            let contents = contents(a, old, mode, &cut, quantized)?;
            let name = match constant.origin {
                TensorOrigin::Initializer(i) if std::mem::take(&mut name_is_free) => {
                    let name = a.graph.name(tensor).to_owned();
                    new.replaced.insert(i, TensorProto { name: Some(name.clone()), ..contents });
                    name
                }
                _ => {
                    let name = names.fresh(a.graph.name(tensor));
                    new.added.push(TensorProto { name: Some(name.clone()), ..contents });
                    name
                }
            };
            let uses = members.iter().flat_map(|v| &a.views[*v].uses);
            new.reads.extend(uses.map(|u| ((u.node, u.input), name.clone())));
        }
        // Old and new contents of a large model need not be in memory at once.
        if let Some(raw) = &old.raw_data {
            a.graph.model.maps.release(raw);
        }
    }
    Ok(new)
}

fn is_whole(cut: &Cut) -> bool {
    cut.iter().all(Option::is_none)
}

/// What each use of each weight keeps.
fn by_tensor(a: &Analysis, kept: &Kept, mode: Mode) -> BTreeMap<TensorId, Members> {
    let terms = &a.relations.terms;
    let mut by_tensor: BTreeMap<TensorId, Members> = BTreeMap::new();
    for (v, view) in a.views.enumerate() {
        // Numbers fall silent at their zero point; scales and zero points themselves stay, and so do divisors. Packed
        // numbers fall silent by their scales.
        let silent = mode == Mode::Silence;
        let packed = view.quantized.is_some_and(|q| q.packed.is_some());
        let stays = |role: Role| silent && (view.is_parameter() || packed || role == Role::Divisor);
        let axes = view.axes.iter().zip(&view.roles);
        let cut: Cut = axes.map(|(t, r)| if stays(*r) { None } else { terms.kept_positions(*t, kept) }).collect();
        let key = (cut, view.quantized.filter(|_| silent));
        by_tensor.entry(view.tensor).or_default().entry(key).or_default().push(v);
    }
    by_tensor
}

/// What a weight holds once it is cut or masked.
fn contents(
    a: &Analysis,
    t: &TensorProto,
    mode: Mode,
    cut: &Cut,
    quantized: Option<Quantization>,
) -> Result<TensorProto> {
    Ok(match mode {
        Mode::Outline if onnx::len(t)? > MAX_VALUE => {
            let kept = |(n, keep): (&i64, &Option<Vec<usize>>)| keep.as_ref().map_or(*n, |k| k.len() as i64);
            let dims = t.dims.iter().zip(cut).map(kept).collect();
            TensorProto { data_type: t.data_type, dims, ..Default::default() }
        }
        Mode::Remove | Mode::Outline => onnx::take(t, &slices(cut))?,
        Mode::Silence => {
            let others = |(keep, n): (&Option<Vec<usize>>, &usize)| {
                let keep: HashSet<usize> = keep.as_ref()?.iter().copied().collect();
                Some((0..*n).filter(|i| !keep.contains(i)).collect())
            };
            let gone: Cut = cut.iter().zip(&onnx::shape(t)?).map(others).collect();
            match quantized {
                Some(q) => onnx::mask(t, &slices(&gone), &a.graph.affine(&q))?,
                None => onnx::zero(t, &slices(&gone))?,
            }
        }
    })
}

fn slices(positions: &Cut) -> Vec<Option<&[usize]>> {
    positions.iter().map(Option::as_deref).collect()
}

/// Constants that something other than a related node input reads: a subgraph, the caller, an Identity that does.
fn read_elsewhere(a: &Analysis) -> HashSet<TensorId> {
    let g = &a.graph;
    let mut out: HashSet<TensorId> = g.captured.iter().flatten().copied().collect();
    out.extend(g.proto().output.iter().filter_map(|v| g.id(v.name())));
    // From the end, so that a chain of Identity nodes hands the need down.
    for i in g.node_ids().rev() {
        let need = match g.is_constant_node(i) {
            true => g.outputs[i].iter().flatten().any(|o| out.contains(o)),
            false => false,
        };
        for (k, id) in g.inputs[i].iter().enumerate() {
            let Some(id) = *id else { continue };
            let related = a.relations.uses[i].get(k).is_some_and(Option::is_some);
            // What is computed from it may stay whole.
            if need || g.is_folded(i) || !related && !g.is_constant_node(i) {
                out.insert(g.holder(id).unwrap_or(id));
                out.insert(id);
            }
        }
    }
    out
}
