//! What models are run on.

use super::super::error::{Error, Result};
use crate::algebra::Bindings;
use crate::analysis::{Analysis, TensorId, open_sizes, settled, whole_numbers};
use crate::ops::Numbers;
use crate::runtime::{Fill, Tensor};
use crate::tensor::DType;

/// Inputs of a run, by name.
pub type Inputs = Vec<(String, Tensor)>;

/// Random inputs at the bound shapes.
///
/// # Errors
/// When an input has no known shape or a type that no random values exist for.
pub fn concrete_inputs(a: &Analysis, seed: u64) -> Result<Inputs> {
    let mut out = Vec::new();
    for (i, v) in a.graph.free_inputs().iter().enumerate() {
        let fact = a.graph.id(v.name()).map(|id| (id, a.facts.tensors[id].dtype));
        let shape = fact.and_then(|(id, _)| a.facts.concrete(id, &a.facts.bindings));
        let (Some((_, dtype)), Some(shape)) = (fact, shape) else { return Err(no_shape(v.name())) };
        // Small integers are valid as tokens, masks and counts.
        out.push((v.name().to_owned(), Tensor::random(dtype, &shape, seed.wrapping_add(i as u64), 0..2)?));
    }
    Ok(out)
}

/// Inputs with so many samples, in some kinds, of which one may be what the model runs on. Where its error says
/// nothing, there are none.
pub fn inputs_for_batch(a: &Analysis, batch: usize) -> Vec<Inputs> {
    let Ok(maker) = Maker::new(a, 0, &[]) else { return Vec::new() };
    let open = open_sizes(&a.graph, &a.facts);
    let changes: Bindings = open.iter().filter(|o| o.axis == 0).map(|o| (o.name.clone(), batch as i64)).collect();
    let mut sizes = a.facts.bindings.clone();
    sizes.extend(changes.clone());
    let sizes = settled(sizes, &open, &changes);
    [Style::Ordinary, Style::Ones].iter().filter_map(|style| maker.make(&sizes, *style, 0).ok()).collect()
}

/// Inputs at the bound shapes in several kinds, of which one may be what the model runs on; `wishes` fills some.
///
/// # Errors
/// When an input has no known shape, or a wish does not fit.
pub fn likely_inputs(a: &Analysis, seed: u64, wishes: &[(String, Fill)]) -> Result<Vec<Inputs>> {
    let maker = Maker::new(a, seed, wishes)?;
    [Style::Ordinary, Style::Ones].iter().map(|style| maker.make(&a.facts.bindings, *style, 0)).collect()
}

fn no_shape(input: &str) -> Error {
    Error::Verification(format!("input '{input}' has no known shape ({} gives it one)", crate::hint::Hint::Shapes))
}

/// A kind of inputs. What one hides (a logarithm below 0, a branch not taken, a mask of zeros) another may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Standard normal; integers within what reads them, else 0 and 1.
    Ordinary,
    /// Masks, lengths and conditions are 1.
    Ones,
    /// All numbers above 0.
    Positive,
    /// Near 0.
    Small,
    /// Far from 0.
    Large,
    /// Masks, lengths and conditions are 0.
    Zeros,
    /// All numbers below 0.
    Negative,
}

impl Style {
    /// In the order in which they are tried.
    pub const ALL: [Style; 7] =
        [Style::Ordinary, Style::Ones, Style::Positive, Style::Small, Style::Large, Style::Zeros, Style::Negative];

    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Style::Ordinary => "random",
            Style::Ones => "random, masks and lengths of 1",
            Style::Positive => "positive",
            Style::Small => "near 0",
            Style::Large => "far from 0",
            Style::Zeros => "random, masks and lengths of 0",
            Style::Negative => "negative",
        }
    }
}

/// What the readers of an input take its numbers for.
struct Port {
    name: String,
    id: TensorId,
    dtype: DType,
    numbers: Vec<Numbers>,
    /// As the user wants it.
    wish: Option<Fill>,
}

/// Makes inputs.
pub struct Maker<'a> {
    a: &'a Analysis,
    seed: u64,
    ports: Vec<Port>,
}

impl<'a> Maker<'a> {
    /// For the inputs of a model, of which `wishes` fills some.
    ///
    /// # Errors
    /// When a wish is for an input that is not there, or an input has no type that can be given.
    pub fn new(a: &'a Analysis, seed: u64, wishes: &[(String, Fill)]) -> Result<Self> {
        let mut ports = Vec::new();
        for v in a.graph.free_inputs() {
            let id = a.graph.id(v.name()).ok_or_else(|| no_shape(v.name()))?;
            let dtype = a.facts.tensors[id].dtype;
            let numbers = if dtype.is_real() { Vec::new() } else { whole_numbers(&a.graph, &a.facts, id) };
            let wish = wishes.iter().rev().find(|(name, _)| name == v.name()).map(|(_, fill)| fill.clone());
            ports.push(Port { name: v.name().to_owned(), id, dtype, numbers, wish });
        }
        if let Some((name, _)) = wishes.iter().find(|(name, _)| ports.iter().all(|p| p.name != *name)) {
            let all: Vec<&str> = ports.iter().map(|p| p.name.as_str()).collect();
            let why = format!("no input '{name}' to be filled; the model's inputs are {}", all.join(", "));
            return Err(Error::Verification(why));
        }
        Ok(Maker { a, seed, ports })
    }

    /// Whether other random numbers give other inputs.
    pub fn varies(&self) -> bool {
        self.ports.iter().any(|p| !matches!(p.wish, Some(Fill::Number(_) | Fill::Range | Fill::Given(_))))
    }

    /// Inputs of a style at some sizes; `draw` counts draws of the same.
    ///
    /// # Errors
    /// When an input has no known shape there, or a given one has another.
    pub fn make(&self, sizes: &Bindings, style: Style, draw: u64) -> Result<Inputs> {
        self.make_with(sizes, style, draw, None)
    }

    /// The same, with one input filled otherwise.
    ///
    /// # Errors
    /// As [`Maker::make`].
    pub fn make_with(
        &self,
        sizes: &Bindings,
        style: Style,
        draw: u64,
        other: Option<&(usize, Fill)>,
    ) -> Result<Inputs> {
        let one = |(i, p): (usize, &Port)| {
            let shape = self.a.facts.concrete(p.id, sizes).ok_or_else(|| no_shape(&p.name))?;
            let seed = self.seed.wrapping_add(i as u64).wrapping_add(draw << 32);
            let own = other.filter(|(k, _)| *k == i).map(|(_, fill)| fill);
            let tensor = match own.or(p.wish.as_ref()) {
                Some(fill) => fill.tensor(p.dtype, &shape, seed)?,
                None => self.filled(p, style, &shape, seed, sizes)?,
            };
            Ok((p.name.clone(), tensor))
        };
        self.ports.iter().enumerate().map(one).collect()
    }

    fn filled(&self, p: &Port, style: Style, shape: &[usize], seed: u64, sizes: &Bindings) -> Result<Tensor> {
        let size = |d: &crate::algebra::Dim| self.a.facts.symbols.eval(d, sizes).filter(|n| *n > 0);
        let bounds = p.numbers.iter().filter_map(|n| match (n, style) {
            (Numbers::Below(d), _) => size(d).map(|n| (0, n)),
            (Numbers::UpTo(_), Style::Ones) => Some((1, 2)),
            (Numbers::UpTo(d), _) => size(d).map(|n| (1, n + 1)),
            _ => None,
        });
        let range = bounds.reduce(|(a, b), (c, d)| (a.max(c), b.min(d))).filter(|(lo, hi)| lo < hi);
        let product = p.numbers.iter().find_map(|n| if let Numbers::Shape(d) = n { size(d) } else { None });
        let fill = match (range, product, style) {
            (Some((lo, hi)), ..) => Fill::Uniform(lo as f64, hi as f64),
            (_, Some(n), _) => Fill::Listed(vec![n]),
            (.., Style::Ordinary) => return Ok(Tensor::random(p.dtype, shape, seed, 0..2)?),
            (.., Style::Positive) if p.dtype.is_real() => Fill::Positive,
            (.., Style::Negative) if p.dtype.is_real() => Fill::Negative,
            (.., Style::Small) if p.dtype.is_real() => Fill::Normal(0.01),
            (.., Style::Large) if p.dtype.is_real() => Fill::Normal(20.0),
            _ if p.dtype.is_real() => return Ok(Tensor::random(p.dtype, shape, seed, 0..2)?),
            (.., Style::Ones | Style::Positive) => Fill::Number(1.0),
            (.., Style::Zeros | Style::Negative) => Fill::Number(0.0),
            (.., Style::Small | Style::Large) => return Ok(Tensor::random(p.dtype, shape, seed ^ 1, 0..2)?),
        };
        Ok(fill.tensor(p.dtype, shape, seed)?)
    }

    /// Other contents of inputs that decide on sizes: what an end or a shape is given as is a size like an open axis.
    pub fn deciding(&self, sizes: &Bindings) -> Vec<(usize, Fill)> {
        let size = |d: &crate::algebra::Dim| self.a.facts.symbols.eval(d, sizes).filter(|n| *n > 0);
        let mut out = Vec::new();
        for (i, p) in self.ports.iter().enumerate().filter(|(_, p)| p.wish.is_none()) {
            let len = self.a.facts.concrete(p.id, sizes).map_or(0, |s| s.iter().product::<usize>());
            for n in p.numbers.iter().filter(|_| (1..=MOST_DECIDING).contains(&len)) {
                match n {
                    Numbers::UpTo(d) => {
                        let n = size(d);
                        out.extend(n.into_iter().flat_map(|n| [n, 1, n / 2]).map(|n| (i, Fill::Listed(vec![n; len]))));
                    }
                    Numbers::Shape(d) => {
                        let at = |k: usize, n: i64| {
                            let mut list = vec![1; len];
                            list[k] = n;
                            (i, Fill::Listed(list))
                        };
                        out.extend(size(d).into_iter().flat_map(|n| (0..len).map(move |k| at(k, n))));
                    }
                    Numbers::Below(_) | Numbers::Same => {}
                }
            }
        }
        out
    }
}

/// Longer lists of numbers are data, not sizes.
const MOST_DECIDING: usize = 8;
