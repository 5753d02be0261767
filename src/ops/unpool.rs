//! MaxUnpool: what a MaxPool left goes back to where it came from.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};
use super::conv::Windowed;
use super::fact::Places;

/// `MaxUnpool`. Input 1 counts positions over batch, channels and image as one; a pooling that runs over fewer
/// channels counts accordingly. So channels pass where the image that is filled has as many positions as the one
/// that was pooled. In others a position of one channel may fall into another.
pub struct Unpool;

const VALUES: usize = 0;
const INDICES: usize = 1;
const SHAPE: usize = 2;

/// Spatial sizes without an operand that gives them.
fn filled(cx: &InferCx) -> Option<Vec<Dim>> {
    let w = cx.attributes::<Windowed>().window()?;
    cx.shape(VALUES)?.get(2..)?.iter().enumerate().map(|(k, d)| w.restored(d, k)).collect()
}

/// Whether an image of these sizes has the positions that were counted. Where a size that only a run can tell is no
/// multiple of the stride, they lead out of the filled image.
fn as_pooled(places: &Places, sizes: &[Dim]) -> bool {
    let open = |(was, (back, is)): (&Dim, (&Dim, &Dim))| was == is || was.known().is_none() && back == is;
    let pairs = places.sizes.iter().zip(places.restored.iter().zip(sizes));
    places.sizes.len() == sizes.len() && pairs.into_iter().all(open)
        || Dim::product(&places.sizes) == Dim::product(sizes)
}

impl Operator for Unpool {
    fn about(&self) -> &'static str {
        "batch and channels pass where the pooled image is filled again; others and spatial axes freeze"
    }

    fn places(&self) -> &'static [usize] {
        &[INDICES]
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (dtype, rank) = (cx.dtype(VALUES), cx.rank(VALUES)?);
        let shape = match (cx.has(SHAPE), cx.dims(SHAPE)) {
            (true, Some(given)) if given.len() == rank => given.to_vec(),
            (true, _) => (0..rank).map(|k| cx.unknown(0, k)).collect(),
            (false, _) => [cx.shape(VALUES)?.get(..2)?, &filled(cx)?].concat(),
        };
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, indices) = (cx.input(VALUES)?, cx.input(INDICES)?);
        let (before, after) = (cx.shape(VALUES)?.to_vec(), cx.out_shape(0)?.to_vec());
        let places = cx.fact(INDICES)?.places.clone();
        let fits = places.is_some_and(|p| as_pooled(&p, after.get(2..).unwrap_or_default()));
        if !fits || before.get(..2)? != after.get(..2)? || x.len() != indices.len() {
            return None;
        }
        for (&a, &b) in x.iter().zip(&indices) {
            cx.unify(a, b);
        }
        for &t in &x[2..] {
            cx.freeze(t, "spatial axis");
        }
        let space = cx.frozen_tail(0, 2, "spatial axis")?;
        Some(Related::one([&x[..2], &space].concat()))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let wanted = cx.required(0)?;
        if cx.has(SHAPE) && cx.dims(SHAPE) != Some(&wanted) {
            return cx.operand(SHAPE, "shape", &wanted);
        }
        Some(Rewrite::default())
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[SHAPE]
    }
}
