//! Sums of products.

use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayViewD, Axis, Ix2, IxDyn, Zip};

use super::numbers::{Numbers, ValueCx, spread};

/// More products than this are not worth computing twice.
const MOST: usize = 1 << 36;

fn product(a: &ArrayView2<f64>, b: &ArrayView2<f64>) -> Option<Array2<f64>> {
    let work = a.nrows().checked_mul(a.ncols())?.checked_mul(b.ncols())?;
    (a.ncols() == b.nrows() && work <= MOST).then(|| a.dot(b))
}

/// `MatMul`, as NumPy has it.
pub fn matmul(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let (mut a, mut b) = (cx.floats(0)?.view(), cx.floats(1)?.view());
    if a.ndim() == 1 {
        a = a.insert_axis(Axis(0));
    }
    if b.ndim() == 1 {
        b = b.insert_axis(Axis(1));
    }
    let (ra, rb) = (a.ndim().checked_sub(2)?, b.ndim().checked_sub(2)?);
    let (m, k, n) = (a.shape()[ra], a.shape()[ra + 1], b.shape()[rb + 1]);
    let shape = cx.shape_out(0)?;
    // Matrices of a batch, each broadcast to all of them.
    let outer = shape.get(..ra.max(rb))?;
    let stack = |x: ArrayViewD<f64>, rows: usize, columns: usize| -> Option<Array3<f64>> {
        let all = x.broadcast(IxDyn(&[outer, &[rows, columns]].concat()))?.as_standard_layout().into_owned();
        all.into_shape_with_order((outer.iter().product(), rows, columns)).ok()
    };
    let (a, b) = (stack(a, m, k)?, stack(b, k, n)?);
    let mut out = Vec::new();
    for (a, b) in a.outer_iter().zip(b.outer_iter()) {
        out.extend(product(&a, &b)?.iter().copied());
    }
    ArrayD::from_shape_vec(shape, out).ok().map(|x| vec![x])
}

/// `Gemm`: α·A·B + β·C.
pub fn gemm(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let turned = |i: usize, name: &str| -> Option<ArrayView2<f64>> {
        let x = cx.floats(i)?.view().into_dimensionality::<Ix2>().ok()?;
        Some(if cx.int(name).unwrap_or(0) != 0 { x.reversed_axes() } else { x })
    };
    let mut out = product(&turned(0, "transA")?, &turned(1, "transB")?)? * cx.float("alpha").unwrap_or(1.0);
    if cx.has(2) {
        let (beta, c) = (cx.float("beta").unwrap_or(1.0), cx.floats(2)?);
        let c = spread(c, out.shape())?.into_dimensionality::<Ix2>().ok()?;
        Zip::from(&mut out).and(c).for_each(|o, c| *o += beta * c);
    }
    Some(vec![out.into_dyn()])
}
