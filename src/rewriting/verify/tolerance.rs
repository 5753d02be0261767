//! How far an element may be off: a share of its own scale.
//!
//! The scale of an element is its own size, or, where that is small, how far it moves: from one input to another, and
//! when the channels that lost some are masked altogether. So an output that mixes pixels with probabilities is
//! checked at each by its own measure, and a position filled with −1e9 widens nothing: it does not move.

use crate::runtime::Tensor;

/// How outputs are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Largest difference, as a share of the scale.
    pub share: f64,
    /// Whether all elements have the scale of the largest one: where activations are rounded to few bits, the last
    /// digit of one float decides on a step of another.
    pub coarse: bool,
}

/// An element that has moved by nothing has at least this share of what is usual for its output.
const LEAST: f64 = 2e-3;
/// A number that many elements have and that is so many times larger than is usual fills places that mean nothing.
const FILL: f64 = 1e3;

/// Where two outputs are furthest apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// The difference as a share of the element's scale; infinite where one is finite and the other is not.
    pub share: f64,
    /// The element.
    pub element: usize,
    /// What was expected there.
    pub expected: f64,
    /// What came.
    pub got: f64,
}

/// How far `got` is from `expected`. Numbers that are equal, not finite ones included, are no distance apart. `moved`
/// is what another input gives, and what masking gives, where that is known. Indices and truths are counted: a share
/// of them may be others.
pub fn distance(expected: &Tensor, got: &Tensor, moved: [Option<&Tensor>; 2], tolerance: Tolerance) -> Distance {
    let (e, g) = (expected.to_f64_vec(), got.to_f64_vec());
    let dtype = expected.dtype();
    let measured = dtype.is_real() || tolerance.coarse && dtype.is_quantized();
    let mut worst = Distance { share: 0.0, element: 0, expected: 0.0, got: 0.0 };
    let differs = |i: usize| !(e[i] == g[i] || e[i].is_nan() && g[i].is_nan());
    if !measured {
        let n = (0..e.len().min(g.len())).filter(|i| differs(*i)).count();
        if let Some(i) = (0..e.len().min(g.len())).find(|i| differs(*i)) {
            worst = Distance { share: n as f64 / e.len() as f64, element: i, expected: e[i], got: g[i] };
        }
        return worst;
    }
    let known = |t: Option<&Tensor>| t.filter(|t| t.shape() == expected.shape()).map(Tensor::to_f64_vec);
    let scales = scales(&e, &moved.map(known), tolerance.coarse);
    for i in (0..e.len().min(g.len())).filter(|i| differs(*i)) {
        let share = match (g[i] - e[i]).abs() {
            d if d.is_finite() => d / scales[i],
            _ => f64::INFINITY,
        };
        // A scale of 0 is one of an output that is 0 throughout.
        let share = if share.is_nan() { f64::INFINITY } else { share };
        if share > worst.share {
            worst = Distance { share, element: i, expected: e[i], got: g[i] };
        }
    }
    worst
}

/// Nothing that is computed is exact below this.
const TINY: f64 = 1e-12;

/// The scale of each element.
fn scales(e: &[f64], [input, mask]: &[Option<Vec<f64>>; 2], coarse: bool) -> Vec<f64> {
    let moves = |other: &Option<Vec<f64>>, i: usize| {
        let d = other.as_ref().map_or(0.0, |o| (o[i] - e[i]).abs());
        if d.is_finite() { d } else { 0.0 }
    };
    let by_input = |i: usize| moves(input, i);
    let by_mask = |i: usize| moves(mask, i);
    let moved: Vec<usize> =
        (0..e.len()).filter(|i| e[*i].is_finite() && (by_input(*i) > 0.0 || by_mask(*i) > 0.0)).collect();
    let all: Vec<usize> = (0..e.len()).filter(|i| e[*i].is_finite()).collect();
    let alive = if moved.is_empty() { &all } else { &moved };
    let second = |i: usize| input.as_ref().map_or(e[i], |o| o[i]);
    let fill = fills(alive.iter().flat_map(|i| [e[*i], second(*i)]).collect());
    // What comes and goes with the input fills a place in one of the two.
    let filled = |i: usize| fill.contains(&e[i]) || fill.contains(&second(i));
    let sizes: Vec<f64> = alive.iter().filter(|i| !filled(**i)).map(|i| e[*i].abs() + by_input(*i)).collect();
    if coarse {
        let largest = alive.iter().map(|i| e[*i]).filter(|x| !fill.contains(x)).fold(TINY, |n, x| n.max(x.abs()));
        return e.iter().map(|x| if x.is_finite() { x.abs().max(largest) } else { largest }).collect();
    }
    let usual = quantile(sizes, 0.9).max(TINY);
    let scale = |i: usize| {
        let own = if e[i].is_finite() { e[i].abs() } else { 0.0 };
        let input = by_input(i);
        // What masking does may be out of all proportion.
        own + (input + by_mask(i).min(own + input + usual)).max(LEAST * usual)
    };
    (0..e.len()).map(scale).collect()
}

/// Numbers that stand in several places and are far larger than is usual.
fn fills(values: Vec<f64>) -> Vec<f64> {
    let usual = quantile(values.iter().map(|x| x.abs()).filter(|x| *x > 0.0).collect(), 0.25);
    let mut large: Vec<f64> = values.into_iter().filter(|x| x.abs() > FILL * usual).collect();
    large.sort_by(f64::total_cmp);
    let mut out: Vec<f64> = large.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
    out.dedup();
    out
}

fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f64 * q).round() as usize;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Tolerance = Tolerance { share: 1e-3, coarse: false };
    const COARSE: Tolerance = Tolerance { share: 0.05, coarse: true };

    fn t(values: &[f64]) -> Tensor {
        Tensor::new([values.len()], values.to_vec()).unwrap()
    }

    /// An output that another input halves.
    fn share(e: &[f64], g: &[f64], how: Tolerance) -> f64 {
        let other: Vec<f64> = e.iter().map(|x| if x.abs() > 1e8 { *x } else { x / 2.0 + 0.1 }).collect();
        distance(&t(e), &t(g), [Some(&t(&other)), None], how).share
    }

    #[test]
    fn a_filled_place_widens_nothing() {
        let e = [0.5, -1.0, 2.0, -1e9, 0.1, 0.7, -0.3, 1.1];
        let mut g = e;
        g[0] += 0.06;
        assert!(share(&e, &g, FINE) > 0.05, "an eighth of the range is no noise");
        assert!(share(&e, &g, COARSE) > 0.02);
        g[0] = e[0] + 2e-6;
        assert!(share(&e, &g, FINE) < 1e-4);
        // Nor do many, which come and go with the input.
        let e = [0.5, -1e9, 2.0, -1e9, 0.1, -1e9, -0.3, -1e9];
        let other = [-1e9, 0.5, 2.5, -1e9, -1e9, 0.3, -0.4, 0.1];
        let mut g = e;
        g[2] += 0.3;
        for how in [FINE, COARSE] {
            assert!(distance(&t(&e), &t(&g), [Some(&t(&other)), None], how).share > how.share, "{how:?}");
        }
    }

    #[test]
    fn each_element_is_measured_by_itself() {
        // Pixels beside probabilities: the same difference is noise here and wrong there.
        let e = [400.0, 320.0, 0.001, 0.002, 0.4, 0.003, 0.001, 0.002, 0.001, 0.004];
        let other = [380.0, 300.0, 0.002, 0.001, 0.3, 0.001, 0.002, 0.003, 0.002, 0.003];
        let at = |i: usize, by: f64| {
            let mut g = e;
            g[i] += by;
            distance(&t(&e), &t(&g), [Some(&t(&other)), None], FINE).share
        };
        assert!(at(0, 2e-3) < 1e-4 && at(4, 2e-3) > 1e-3);
        // What happens to be near 0 is not measured by that.
        let e = [1e-9, 300.0, -200.0, 100.0];
        let other = [150.0, 200.0, -100.0, 50.0];
        let g = [1e-4, 300.0, -200.0, 100.0];
        assert!(distance(&t(&e), &t(&g), [Some(&t(&other)), None], FINE).share < 1e-5);
    }

    #[test]
    fn equal_numbers_that_are_not_finite_are_equal() {
        let e = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0];
        assert_eq!(share(&e, &e, FINE), 0.0);
        for (i, x) in [(0, 1.0), (1, f64::NEG_INFINITY), (2, f64::NAN), (3, f64::NAN), (3, f64::INFINITY)] {
            let mut g = e;
            g[i] = x;
            assert_eq!(share(&e, &g, FINE), f64::INFINITY, "{i} {x}");
        }
    }

    #[test]
    fn indices_are_counted_not_measured() {
        let t = |v: &[i64]| Tensor::new([v.len()], v.to_vec()).unwrap();
        let e: Vec<i64> = (0..100).collect();
        let mut g = e.clone();
        g[99] = 98;
        assert_eq!(distance(&t(&e), &t(&g), [None; 2], FINE).share, 0.01);
        assert_eq!(distance(&t(&e), &t(&e), [None; 2], FINE).share, 0.0);
    }

    #[test]
    fn steps_of_quantized_outputs_are_measured_by_the_largest() {
        let e = [0.0, 1.0, 2.0, 250.0, 4.0];
        let g = [1.0, 1.0, 3.0, 249.0, 4.0];
        assert!(share(&e, &g, COARSE) < 0.005 && share(&e, &g, FINE) > 1e-3);
    }
}
