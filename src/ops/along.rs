//! Operators that work along some axes, which freeze; the others pass through.

use crate::algebra::Dim;
use crate::tensor::DType;

use super::context::{InferCx, Inferred, RelateCx, Related};
use super::fact::axis;
use super::{Operator, Work};

/// An operator of this kind. Outputs have the input's axes, with other sizes where it works, or without those.
pub struct Along {
    about: &'static str,
    why: &'static str,
    /// Axes of the first input that it works along.
    axes: fn(&RelateCx) -> Option<Vec<usize>>,
    shape: fn(&mut InferCx) -> Option<Inferred>,
}

/// `CumSum`, `CumProd`: a running sum or product.
pub static RUNNING: Along = Along {
    about: "the axis it runs along freezes, the others pass",
    why: "runs along the axis",
    axes: |cx| Some(vec![axis(*cx.numbers(1)?.first()?, cx.rank(0)?)?]),
    shape: |cx| cx.same_as_input(),
};

/// `ReverseSequence`: each sequence backwards.
pub static REVERSED: Along = Along {
    about: "the time axis freezes, the others pass",
    why: "reversed axis",
    axes: |cx| Some(vec![axis(cx.int("time_axis").unwrap_or(0), cx.rank(0)?)?]),
    shape: |cx| cx.same_as_input(),
};

/// `Trilu`: a triangle of each matrix.
pub static TRIANGLE: Along = Along {
    about: "rows and columns freeze, the others pass",
    why: "triangle of a matrix",
    axes: matrix,
    shape: |cx| cx.same_as_input(),
};

/// `Det`: a number for each matrix.
pub static DETERMINANT: Along = Along {
    about: "rows and columns freeze, the others pass",
    why: "determinant of a matrix",
    axes: matrix,
    shape: |cx| {
        let (dt, shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        let batch = shape.get(..shape.len().checked_sub(2)?)?.to_vec();
        Some(Inferred::one(dt, batch))
    },
};

/// `TopK`: the largest or smallest along an axis, and where they were.
pub static TOP: Along = Along {
    about: "the sorted axis freezes, the others pass",
    why: "sorted axis",
    axes: |cx| Some(vec![axis(cx.int("axis").unwrap_or(-1), cx.rank(0)?)?]),
    shape: |cx| {
        let mut told = Inferred::default();
        let mut shape = cx.shape(0)?.to_vec();
        let a = axis(cx.int("axis").unwrap_or(-1), shape.len())?;
        shape[a] = match cx.int("k").map(Dim::from).or_else(|| cx.dims(1)?.first().cloned()) {
            Some(k) => k,
            None => cx.unknown(0, a),
        };
        let dt = cx.dtype(0);
        told.set(0, dt, shape.clone());
        told.set(1, DType::Int64, shape);
        Some(told)
    },
};

/// `Compress`: positions that a mask picks; of all elements in a row where no axis is given.
pub static PICKED: Along = Along {
    about: "the masked axis freezes, the others pass",
    why: "picked by a mask",
    axes: |cx| match cx.int("axis") {
        Some(a) => Some(vec![axis(a, cx.rank(0)?)?]),
        None => Some((0..cx.rank(0)?).collect()),
    },
    shape: |cx| {
        let mut shape = cx.shape(0)?.to_vec();
        match cx.int("axis") {
            Some(a) => {
                let a = axis(a, shape.len())?;
                shape[a] = cx.unknown(0, a);
            }
            None => shape = vec![cx.unknown(0, 0)],
        }
        let dt = cx.dtype(0);
        Some(Inferred::one(dt, shape))
    },
};

/// `CenterCropPad`: cut or padded on both sides to a given size.
pub static CENTERED: Along = Along {
    about: "cropped or padded axes freeze, the others pass",
    why: "cropped to its middle",
    axes: cropped,
    shape: |cx| {
        let (dt, mut shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        let axes: Vec<usize> = match cx.ints("axes") {
            Some(v) => v.into_iter().map(|a| axis(a, shape.len())).collect::<Option<_>>()?,
            None => (0..shape.len()).collect(),
        };
        let sizes = cx.dims(1).map(<[Dim]>::to_vec).filter(|s| s.len() == axes.len());
        for (k, a) in axes.into_iter().enumerate() {
            shape[a] = match &sizes {
                Some(s) => s[k].clone(),
                None => cx.unknown(0, a),
            };
        }
        Some(Inferred::one(dt, shape))
    },
};

/// `GridSample`: an image read at given positions.
pub static SAMPLED: Along = Along {
    about: "batch and channels pass, spatial axes freeze",
    why: "spatial axis",
    axes: space,
    shape: |cx| {
        let (dt, x, grid) = (cx.dtype(0), cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let shape = [x.get(..2)?, grid.get(1..grid.len().checked_sub(1)?)?].concat();
        Some(Inferred::one(dt, shape))
    },
};

/// `RoiAlign`, `MaxRoiPool`: a small map for each region.
pub static REGIONS: Along = Along {
    about: "channels pass; regions and spatial axes freeze",
    why: "regions of an image",
    axes: |cx| Some((0..cx.rank(0)?).filter(|k| *k != 1).collect()),
    shape: |cx| {
        let size = match cx.ints("pooled_shape") {
            Some(v) => v,
            None => vec![cx.int("output_height").unwrap_or(1), cx.int("output_width").unwrap_or(1)],
        };
        let (dt, rois, channels) = (cx.dtype(0), cx.shape(1)?.first()?.clone(), cx.shape(0)?.get(1)?.clone());
        let shape = [rois, channels].into_iter().chain(size.into_iter().map(Dim::from)).collect();
        Some(Inferred::one(dt, shape))
    },
};

/// `DFT`: a spectrum along an axis; the last axis holds real and imaginary parts.
pub static SPECTRUM: Along = Along {
    about: "the transformed axis and the parts of complex numbers freeze, the others pass",
    why: "transform along the axis",
    axes: |cx| {
        let rank = cx.rank(0)?;
        Some(vec![
            spectrum_axis(cx.opset, cx.int("axis"), cx.has(2).then(|| cx.numbers(2)), rank)?,
            rank.checked_sub(1)?,
        ])
    },
    shape: |cx| {
        let (dt, mut shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        let rank = shape.len();
        let a = spectrum_axis(cx.opset, cx.int("axis"), cx.has(2).then(|| cx.numbers(2)), rank)?;
        if cx.has(1) {
            shape[a] = cx.dims(1)?.first()?.clone();
        }
        let (onesided, inverse) = (cx.int("onesided") == Some(1), cx.int("inverse") == Some(1));
        if onesided && inverse {
            // The length of the real signal is twice the bins or one less: only a run can tell.
            if !cx.has(1) {
                shape[a] = cx.unknown(0, a);
            }
        } else if onesided {
            shape[a] = cx.symbols.floor_div(&shape[a], &Dim::from(2i64)).plus(&Dim::from(1i64));
        }
        shape[rank.checked_sub(1)?] = Dim::from(if onesided && inverse { 1i64 } else { 2 });
        Some(Inferred::one(dt, shape))
    },
};

fn spectrum_axis(opset: i64, attribute: Option<i64>, input: Option<Option<Vec<i64>>>, rank: usize) -> Option<usize> {
    match input {
        Some(given) => axis(*given?.first()?, rank),
        None => axis(attribute.unwrap_or(if opset < 20 { 1 } else { -2 }), rank),
    }
}

fn matrix(cx: &RelateCx) -> Option<Vec<usize>> {
    let rank = cx.rank(0)?;
    Some((rank.checked_sub(2)?..rank).collect())
}

fn space(cx: &RelateCx) -> Option<Vec<usize>> {
    Some((2..cx.rank(0)?).collect())
}

fn cropped(cx: &RelateCx) -> Option<Vec<usize>> {
    let rank = cx.rank(0)?;
    match cx.ints("axes") {
        Some(v) => v.into_iter().map(|a| axis(a, rank)).collect(),
        None => Some((0..rank).collect()),
    }
}

impl Operator for Along {
    fn about(&self) -> &'static str {
        self.about
    }

    fn work(&self) -> Work {
        let much = [&SPECTRUM, &DETERMINANT].into_iter().any(|op| std::ptr::eq(self, op));
        if much { Work::Uncounted } else { Work::None }
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        (self.shape)(cx)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let along = (self.axes)(cx)?;
        along.iter().filter_map(|k| x.get(*k)).for_each(|t| cx.freeze(*t, self.why));
        for o in 0..cx.outputs.len() {
            let shape = cx.out_shape(o)?.to_vec();
            let mut rest = (0..x.len()).filter(|k| !along.contains(k));
            let mut axes = Vec::new();
            for (k, size) in shape.iter().enumerate() {
                axes.push(if shape.len() == x.len() && along.contains(&k) {
                    cx.frozen(size, self.why)
                } else {
                    match rest.next() {
                        Some(k) => x[k],
                        None => cx.frozen(size, self.why),
                    }
                });
            }
            related.set(o, axes);
        }
        Some(related)
    }
}
