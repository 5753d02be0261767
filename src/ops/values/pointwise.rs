//! Each position by itself.

use ndarray::{ArrayD, IxDyn, Zip};

use super::numbers::{Numbers, ValueCx, spread};

/// A function of one number.
pub fn unary(cx: &ValueCx, f: impl Fn(f64) -> f64) -> Option<Vec<Numbers>> {
    Some(vec![cx.floats(0)?.mapv(f)])
}

/// A function of two numbers.
pub fn binary(cx: &ValueCx, f: impl Fn(f64, f64) -> f64) -> Option<Vec<Numbers>> {
    let (a, b, shape) = (cx.any(0)?, cx.any(1)?, cx.shape_out(0)?);
    Some(vec![Zip::from(spread(&a, &shape)?).and(spread(&b, &shape)?).map_collect(|a, b| f(*a, *b))])
}

/// A function of two numbers, taken from the first input to the last.
pub fn all(cx: &ValueCx, f: impl Fn(f64, f64) -> f64) -> Option<Vec<Numbers>> {
    let shape = cx.shape_out(0)?;
    let mut sum: ArrayD<f64> = spread(cx.floats(0)?, &shape)?.to_owned();
    for i in 1..cx.inputs.len() {
        let next = cx.any(i)?;
        Zip::from(&mut sum).and(spread(&next, &shape)?).for_each(|s, x| *s = f(*s, *x));
    }
    Some(vec![sum])
}

/// `Mean` of several tensors.
pub fn mean(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let mut out = all(cx, |a, b| a + b)?;
    let n = cx.inputs.len() as f64;
    out.iter_mut().for_each(|x| *x /= n);
    Some(out)
}

/// `Clip`, whose bounds are attributes before operator set 11.
pub fn clip(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let bound = |i: usize, name: &str, open: f64| -> Option<f64> {
        if !cx.has(i) {
            return Some(cx.float(name).unwrap_or(open));
        }
        cx.any(i)?.first().copied()
    };
    let (low, high) = (bound(1, "min", f64::NEG_INFINITY)?, bound(2, "max", f64::INFINITY)?);
    unary(cx, |x| if x.is_nan() { x } else { x.max(low).min(high) })
}

/// `LeakyRelu`.
pub fn leaky(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let slope = cx.float("alpha").unwrap_or(f64::from(0.01f32));
    unary(cx, |x| if x < 0.0 { slope * x } else { x })
}

/// `PRelu`.
pub fn prelu(cx: &ValueCx) -> Option<Vec<Numbers>> {
    binary(cx, |x, slope| if x < 0.0 { slope * x } else { x })
}

/// An array of that shape, of one number.
pub fn filled(shape: &[usize], value: f64) -> Numbers {
    ArrayD::from_elem(IxDyn(shape), value)
}
