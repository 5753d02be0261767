//! Operators of `ai.onnx.ml`: what converters of classical models write before and behind a network.

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx;
use crate::tensor::DType;

use super::context::{CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};
use super::description::row;
use super::elementwise::{Elementwise, opaque};
use super::opaque::{Counted, Frozen, Shaped, Uncounted};
use super::table::Domain;
use super::{Operator, Work};

const TEXT: &str = "text";
const CATEGORIES: &str = "categories become positions";
const MAPS: &str = "maps from keys to values";
const TREES: &str = "decision trees";

/// `ai.onnx.ml`.
pub static TABLE: &Domain = &[
    row("ArrayFeatureExtractor", &Shaped("columns picked by position", extracted)),
    row("Binarizer", &EACH),
    row("CastMap", &Frozen(MAPS)),
    row("CategoryMapper", &Shaped(TEXT, mapped)),
    row("DictVectorizer", &Frozen(MAPS)),
    row("FeatureVectorizer", &Shaped("columns joined", joined)),
    row(
        "Imputer",
        &Columns { attributes: &["imputed_value_floats"], integers: &["imputed_value_int64s"], floats: false },
    ),
    row("LabelEncoder", &Shaped("values become other values", mapped)),
    row("LinearClassifier", &Counted("coefficients in attributes", classified, linear)),
    row("LinearRegressor", &Counted("coefficients in attributes", targets, linear)),
    row("Normalizer", &Normalizer),
    row("OneHotEncoder", &Shaped(CATEGORIES, one_hot)),
    row("SVMClassifier", &Counted("support vectors in attributes", classified, supports)),
    row("SVMRegressor", &Counted("support vectors in attributes", single, supports)),
    row("Scaler", &Columns { attributes: &["offset", "scale"], integers: &[], floats: true }),
    row("TreeEnsemble", &Uncounted(TREES)),
    row("TreeEnsembleClassifier", &Trees(classified)),
    row("TreeEnsembleRegressor", &Trees(targets)),
    row("ZipMap", &Frozen(MAPS)),
];

static EACH: Elementwise = opaque(1);

/// `Scaler`, `Imputer`: each column by itself, by numbers that attributes hold for all of them or for each.
struct Columns {
    attributes: &'static [&'static str],
    integers: &'static [&'static str],
    /// Whether floats come out, whatever goes in.
    floats: bool,
}

impl Operator for Columns {
    fn about(&self) -> &'static str {
        "each position by itself; numbers in attributes follow the last axis"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let dt = if self.floats { DType::Float } else { cx.dtype(0) };
        let shape = cx.shape(0)?.to_vec();
        Some(Inferred::one(dt, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let columns = cx.terms.size(*x.last()?);
        let floats = self.attributes.iter().map(|a| onnx::attr_floats(cx.node, a).map_or(0, <[f32]>::len));
        let integers = self.integers.iter().map(|a| cx.ints(a).map_or(0, |v| v.len()));
        // Numbers for each column where their count is not known.
        floats.chain(integers).all(|n| n < 2 || columns.is(n as i64)).then_some(())?;
        Some(Related::one(x))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let last = cx.axes_in.first()?.as_ref()?.len().checked_sub(1)?;
        let Some(t) = cx.shrinking(0, last) else { return Some(Rewrite::default()) };
        let mut rewrite = Rewrite::default();
        let kept = cx.terms.kept_positions(t, cx.kept)?;
        for name in self.attributes {
            if let Some(all) = onnx::attr_floats(cx.node, name).filter(|v| v.len() > 1).map(<[f32]>::to_vec) {
                let left = kept.iter().map(|k| all.get(*k).copied()).collect::<Option<Vec<f32>>>()?;
                rewrite = rewrite.floats(name, &left);
            }
        }
        for name in self.integers {
            if let Some(all) = cx.ints(name).filter(|v| v.len() > 1) {
                let left = kept.iter().map(|k| all.get(*k).copied()).collect::<Option<Vec<i64>>>()?;
                rewrite = rewrite.ints(name, &left);
            }
        }
        Some(rewrite)
    }
}

/// `Normalizer`: each row by its norm.
struct Normalizer;

impl Operator for Normalizer {
    fn about(&self) -> &'static str {
        "mixes across the last axis"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let shape = cx.shape(0)?.to_vec();
        Some(Inferred::one(DType::Float, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        cx.mark(*x.last()?, |f| f.mixed = true);
        Some(Related::one(x))
    }
}

/// Decision trees: comparisons, no products.
struct Trees(fn(&mut InferCx) -> Option<Inferred>);

impl Operator for Trees {
    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        self.0(cx)
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        None
    }

    fn work(&self) -> Work {
        Work::Uncounted
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(TREES)
    }
}

/// Rows of the input; a vector is one.
fn rows(cx: &InferCx) -> Option<Dim> {
    let x = cx.shape(0)?;
    Some(if x.len() > 1 { x[0].clone() } else { Dim::from(1i64) })
}

fn len(cx: &InferCx, name: &str) -> usize {
    match onnx::attr(cx.node, name) {
        Some(a) => a.ints.len().max(a.strings.len()).max(a.floats.len()),
        None => 0,
    }
}

/// Columns of the last axis, at these positions.
fn extracted(cx: &mut InferCx) -> Option<Inferred> {
    let (dt, x, picked) = (cx.dtype(0), cx.shape(0)?.to_vec(), Dim::product(cx.shape(1)?));
    let shape = match x.split_last()? {
        (_, []) => vec![Dim::from(1i64), picked],
        (_, before) => [before, &[picked]].concat(),
    };
    Some(Inferred::one(dt, shape))
}

/// Values of another type.
fn mapped(cx: &mut InferCx) -> Option<Inferred> {
    let given = |name: &str| len(cx, name) > 0 || onnx::attr(cx.node, name).is_some_and(|a| a.t.is_some());
    let tensor = onnx::attr_t(cx.node, "values_tensor").map(onnx::dtype_of);
    let dt = match tensor {
        Some(t) => t,
        None if given("values_floats") => DType::Float,
        None if given("values_int64s") => DType::Int64,
        None if given("values_strings") => DType::String,
        // Before version 2, and as CategoryMapper does: text becomes numbers, and numbers text.
        None if cx.dtype(0) == DType::String => DType::Int64,
        None => DType::String,
    };
    let shape = cx.shape(0)?.to_vec();
    Some(Inferred::one(dt, shape))
}

/// As many columns as attributes say.
fn joined(cx: &mut InferCx) -> Option<Inferred> {
    let shape = vec![rows(cx)?, Dim::from(cx.ints("inputdimensions")?.iter().sum::<i64>())];
    Some(Inferred::one(DType::Float, shape))
}

/// A place for each category.
fn one_hot(cx: &mut InferCx) -> Option<Inferred> {
    let n = len(cx, "cats_int64s").max(len(cx, "cats_strings"));
    let shape = [cx.shape(0)?, &[Dim::from(n)]].concat();
    Some(Inferred::one(DType::Float, shape))
}

/// A label and a score of each class for each row.
fn classified(cx: &mut InferCx) -> Option<Inferred> {
    let mut told = Inferred::default();
    let names = ["classlabels_strings", "classlabels_int64s", "classlabels_ints"];
    let text = len(cx, names[0]) > 0;
    let classes = names.iter().map(|n| len(cx, n)).max()?;
    let n = rows(cx)?;
    let scores = match classes {
        0 | 1 => cx.unknown(1, 1),
        c => Dim::from(c),
    };
    told.set(0, if text { DType::String } else { DType::Int64 }, vec![n.clone()]);
    told.set(1, DType::Float, vec![n, scores]);
    Some(told)
}

/// As many numbers for each row as there are targets.
fn targets(cx: &mut InferCx) -> Option<Inferred> {
    let n = cx.int("targets").or_else(|| cx.int("n_targets")).unwrap_or(1);
    let shape = vec![rows(cx)?, Dim::from(n)];
    Some(Inferred::one(DType::Float, shape))
}

/// One number for each row.
fn single(cx: &mut InferCx) -> Option<Inferred> {
    let shape = vec![rows(cx)?, Dim::from(1i64)];
    Some(Inferred::one(DType::Float, shape))
}

/// `times` products for each row.
fn for_each_row(cx: &CostCx, times: usize) -> Option<Vec<Monomial>> {
    let x = cx.input(0)?;
    let axes: Vec<Term> = if x.len() > 1 { vec![x[0]] } else { Vec::new() };
    Some(vec![Monomial { coefficient: times as f64, axes }])
}

/// Every coefficient multiplies once for each row.
fn linear(cx: &CostCx) -> Option<Vec<Monomial>> {
    for_each_row(cx, onnx::attr_floats(cx.node, "coefficients")?.len())
}

/// Every number of every support vector multiplies once for each row; without vectors the coefficients are a plane.
fn supports(cx: &CostCx) -> Option<Vec<Monomial>> {
    let numbers = |name: &str| onnx::attr_floats(cx.node, name).map_or(0, <[f32]>::len);
    for_each_row(cx, numbers("support_vectors") + numbers("coefficients"))
}
