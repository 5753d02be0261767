//! DepthToSpace and SpaceToDepth: pixel shuffle, a product that moves between channels and space.

use crate::algebra::Dim;
use crate::onnx::{self, proto::NodeProto};

use super::Operator;
use super::context::{Attributes, InferCx, Inferred, RelateCx, Related};

/// `DepthToSpace`.
pub struct DepthToSpace;
/// `SpaceToDepth`.
pub struct SpaceToDepth;
/// `Col2Im`: columns of blocks, added up into an image.
pub struct Col2Im;

/// Attributes of both directions.
struct Blocks {
    size: Option<i64>,
    /// Whether the block of pixels is the outer factor of the channels.
    depth_first: bool,
}

impl Attributes for Blocks {
    fn parse(node: &NodeProto, _opset: i64) -> Blocks {
        Blocks {
            size: onnx::attr_i(node, "blocksize").filter(|b| *b > 0),
            depth_first: onnx::attr_s(node, "mode").is_none_or(|m| m == "DCR"),
        }
    }
}

impl Operator for DepthToSpace {
    fn about(&self) -> &'static str {
        "channels are a product with the block of pixels"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let b = Dim::from(cx.attributes::<Blocks>().size?);
        let [n, c, h, w] = x.as_slice() else { return None };
        let shape = vec![n.clone(), c.div_exact(&b.times(&b))?, h.times(&b), w.times(&b)];
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let given = cx.attributes::<Blocks>();
        let (b, depth_first) = (given.size?, given.depth_first);
        let bb = Dim::from(b.checked_mul(b)?);
        let c = cx.terms.size(x[1]).div_exact(&bb)?;
        let (outer, inner) = cx.terms.split_product(x[1], &if depth_first { bb } else { c })?;
        let (block, channel) = if depth_first { (outer, inner) } else { (inner, outer) };
        cx.freeze(block, "block of pixels");
        x[2..].iter().for_each(|t| cx.freeze(*t, "spatial axis"));
        let mut axes = vec![x[0], channel];
        axes.extend(cx.frozen_tail(0, 2, "spatial axis")?);
        Some(Related::one(axes))
    }
}

impl Operator for SpaceToDepth {
    fn about(&self) -> &'static str {
        "channels are a product with the block of pixels"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let b = Dim::from(cx.attributes::<Blocks>().size?);
        let [n, c, h, w] = x.as_slice() else { return None };
        let (h, w) = (cx.symbols.floor_div(h, &b), cx.symbols.floor_div(w, &b));
        let shape = vec![n.clone(), c.times(&b).times(&b), h, w];
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let b = cx.attributes::<Blocks>().size?;
        let block = cx.frozen(&Dim::from(b.checked_mul(b)?), "block of pixels");
        x[2..].iter().for_each(|t| cx.freeze(*t, "spatial axis"));
        let mut axes = vec![x[0], cx.terms.product(&[block, x[1]])];
        axes.extend(cx.frozen_tail(0, 2, "spatial axis")?);
        Some(Related::one(axes))
    }
}

impl Operator for Col2Im {
    fn about(&self) -> &'static str {
        "channels are a product with the block of pixels"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (x, dt) = (cx.shape(0)?.to_vec(), cx.dtype(0));
        let (size, block) = (cx.dims(1)?.to_vec(), Dim::product(cx.dims(2)?));
        let [n, c, _] = x.as_slice() else { return None };
        let shape = [n.clone(), c.div_exact(&block)?].into_iter().chain(size).collect();
        Some(Inferred::one(dt, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let channels = cx.out_shape(0)?.get(1)?.clone();
        let (channel, block) = cx.terms.split_product(*x.get(1)?, &channels)?;
        cx.freeze(block, "block of pixels");
        x[2..].iter().for_each(|t| cx.freeze(*t, "spatial axis"));
        let mut axes = vec![x[0], channel];
        axes.extend(cx.frozen_tail(0, 2, "spatial axis")?);
        Some(Related::one(axes))
    }
}
