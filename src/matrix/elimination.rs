//! Backward elimination of inputs from linear layers that make up for each loss with what is left (optimal brain
//! surgeon, Hassibi and Stork 1993, for groups of columns).
//!
//! A layer W reads x with covariance A. Of all layers that give the rest of x only, W − W_c·(P_cc)⁻¹·P_c with
//! P = A⁻¹ is the one whose outputs are nearest, and trace(W_c·(P_cc)⁻¹·W_cᵀ) is the mean square that is lost.

use std::sync::Arc;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis, s};

use super::cholesky::Cholesky;

/// Ridge on A as a part of the mean of its diagonal.
const RIDGE: f64 = 1e-3;

/// Of so many units that are left, one is chosen at a time.
const AT_ONCE: usize = 64;

/// Matrices are made smaller once so many of so many columns are left.
const COMPACT: (usize, usize) = (3, 4);

/// A layer that reads units.
pub struct Reader {
    /// Outputs × columns.
    pub weights: Array2<f64>,
    /// Columns × columns, symmetric.
    pub covariance: Arc<Array2<f64>>,
    /// What [`inverse`] gives of it.
    pub inverse: Arc<Array2<f64>>,
    /// The unit of each column; a number that is none where it belongs to no unit.
    pub units: Vec<u32>,
    /// Readers of the same number are one layer: their losses count together.
    pub layer: usize,
}

/// The layers after some units have gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Units gone.
    pub gone: usize,
    /// Weights of each reader in full size, with zeros in columns that are gone.
    pub weights: Vec<Array2<f64>>,
}

/// Units in the order in which they go, and what is lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elimination {
    /// All units; the last one stays.
    pub order: Vec<u32>,
    /// What is lost once so many have gone, from 0 on: the share of the layers' mean square, averaged over layers.
    pub errors: Vec<f64>,
    /// The layers at the asked points.
    pub snapshots: Vec<Snapshot>,
}

/// The inverse of a covariance with the ridge that keeps it sound; `None` where it is not positive.
pub fn inverse(covariance: &Array2<f64>) -> Option<Array2<f64>> {
    let n = covariance.nrows();
    let mut square = covariance.clone();
    let ridge = RIDGE * square.diag().sum() / n.max(1) as f64;
    // A layer that is given constants has nothing to lose: any ridge will do.
    square.diag_mut().mapv_inplace(|v| v + if ridge > 0.0 { ridge } else { 1.0 });
    let mut inverse = Array2::eye(n);
    Cholesky::new(square).ok()?.solve(&mut inverse);
    Some(inverse)
}

/// Takes units away, in the given order or each time the one that costs least, until one is left.
///
/// `at` tells after how many units snapshots are taken, ascending. `None` where no layer gives anything.
pub fn eliminate(readers: Vec<Reader>, units: usize, order: Option<&[u32]>, at: &[usize]) -> Option<Elimination> {
    let mut energies = std::collections::BTreeMap::<usize, f64>::new();
    for r in &readers {
        let product = r.weights.dot(&*r.covariance);
        let energy = product.iter().zip(&r.weights).map(|(a, b)| a * b).sum::<f64>();
        *energies.entry(r.layer).or_default() += energy;
    }
    energies.retain(|_, e| *e > 0.0 && e.is_finite());
    let layers = energies.len() as f64;
    let mut states = Vec::with_capacity(readers.len());
    for r in readers {
        let share = energies.get(&r.layer).map_or(0.0, |e| 1.0 / (layers * e));
        states.push(Working::new(r, units, share));
    }
    if energies.is_empty() || units == 0 {
        return None;
    }
    let mut out = Elimination { errors: vec![0.0], ..Elimination::default() };
    let mut left: Vec<u32> = (0..units as u32).collect();
    let mut at = at.iter().copied().peekable();
    let mut error = 0.0;
    while left.len() > 1 {
        let next: Vec<u32> = match order {
            Some(order) => vec![*order.get(out.order.len())?],
            None => {
                let mut costs: Vec<(f64, u32)> = left.iter().map(|u| (cost(&mut states, *u), *u)).collect();
                costs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                costs.iter().take((left.len() / AT_ONCE).max(1)).map(|c| c.1).collect()
            }
        };
        for unit in next {
            error += states.iter_mut().map(|s| s.remove(unit)).sum::<f64>();
            left.retain(|u| *u != unit);
            out.order.push(unit);
            out.errors.push(error);
            if at.next_if_eq(&out.order.len()).is_some() {
                let weights = states.iter().map(Working::full).collect();
                out.snapshots.push(Snapshot { gone: out.order.len(), weights });
            }
        }
    }
    out.order.append(&mut left);
    Some(out)
}

fn cost(states: &mut [Working], unit: u32) -> f64 {
    states.iter_mut().map(|s| s.cost(unit)).sum()
}

/// A reader while units go.
struct Working {
    /// Outputs × columns that are left.
    weights: Array2<f64>,
    /// (A + ridge)⁻¹ of what is left.
    inverse: Array2<f64>,
    /// The original column of each column; `None` once it is gone.
    columns: Vec<Option<usize>>,
    /// Columns of each unit.
    of: Vec<Vec<usize>>,
    left: usize,
    width: usize,
    /// What a unit of mean square counts.
    share: f64,
    square: Vec<f64>,
    gram: Vec<f64>,
}

impl Working {
    fn new(r: Reader, units: usize, share: f64) -> Working {
        let n = r.covariance.nrows();
        let inverse = Arc::unwrap_or_clone(r.inverse);
        let mut state = Working {
            weights: r.weights,
            inverse,
            columns: (0..n).map(Some).collect(),
            of: vec![Vec::new(); units],
            left: n,
            width: n,
            share,
            square: Vec::new(),
            gram: Vec::new(),
        };
        for (column, unit) in r.units.iter().enumerate() {
            if let Some(of) = state.of.get_mut(*unit as usize) {
                of.push(column);
            }
        }
        state
    }

    /// The inverse of the block of a unit's columns, in `square`; `false` where it has none.
    fn invert(&mut self, unit: u32) -> bool {
        let of = &self.of[unit as usize];
        let k = of.len();
        self.square.clear();
        self.square.extend(of.iter().flat_map(|i| of.iter().map(|j| self.inverse[[*i, *j]])));
        inverted(&mut self.square, k)
    }

    fn cost(&mut self, unit: u32) -> f64 {
        if self.of[unit as usize].is_empty() || self.share == 0.0 || !self.invert(unit) {
            return 0.0;
        }
        let of = &self.of[unit as usize];
        let k = of.len();
        self.gram.clear();
        self.gram.resize(k * k, 0.0);
        let mut own = vec![0.0; k];
        for row in self.weights.outer_iter() {
            own.iter_mut().zip(of).for_each(|(o, c)| *o = row[*c]);
            for (i, w) in own.iter().enumerate() {
                let to = &mut self.gram[i * k..i * k + i + 1];
                to.iter_mut().zip(&own).for_each(|(g, o)| *g += w * o);
            }
        }
        let mut sum = 0.0;
        for i in 0..k {
            for j in 0..=i {
                sum += self.gram[i * k + j] * self.square[i * k + j] * if i == j { 1.0 } else { 2.0 };
            }
        }
        sum.max(0.0) * self.share
    }

    /// Takes a unit away; returns what that costs.
    fn remove(&mut self, unit: u32) -> f64 {
        let cost = self.cost(unit);
        if self.of[unit as usize].is_empty() {
            return 0.0;
        }
        let sound = self.invert(unit);
        let of = std::mem::take(&mut self.of[unit as usize]);
        let k = of.len();
        if sound {
            let rows = self.inverse.select(Axis(0), &of);
            let Ok(block) = ndarray::ArrayView2::from_shape((k, k), &self.square) else { return cost };
            let step = block.dot(&rows);
            let own = self.weights.select(Axis(1), &of);
            general_mat_mul(-1.0, &own, &step, 1.0, &mut self.weights);
            general_mat_mul(-1.0, &rows.t(), &step, 1.0, &mut self.inverse);
        }
        for c in &of {
            self.weights.column_mut(*c).fill(0.0);
            self.inverse.row_mut(*c).fill(0.0);
            self.inverse.column_mut(*c).fill(0.0);
            self.columns[*c] = None;
        }
        self.left -= k;
        if self.left * COMPACT.1 < self.columns.len() * COMPACT.0 {
            self.compact();
        }
        cost
    }

    fn compact(&mut self) {
        let stay: Vec<usize> = (0..self.columns.len()).filter(|c| self.columns[*c].is_some()).collect();
        let mut place = vec![0; self.columns.len()];
        stay.iter().enumerate().for_each(|(k, c)| place[*c] = k);
        self.weights = self.weights.select(Axis(1), &stay);
        self.inverse = self.inverse.select(Axis(0), &stay).select(Axis(1), &stay);
        self.columns = stay.iter().map(|c| self.columns[*c]).collect();
        self.of.iter_mut().flatten().for_each(|c| *c = place[*c]);
    }

    /// The weights in full size.
    fn full(&self) -> Array2<f64> {
        let mut out = Array2::zeros((self.weights.nrows(), self.width));
        for (k, column) in self.columns.iter().enumerate() {
            if let Some(c) = column {
                out.slice_mut(s![.., *c]).assign(&self.weights.column(k));
            }
        }
        out
    }
}

/// Inverts a small positive matrix in place by Gauss-Jordan; `false` where a pivot is not positive.
fn inverted(a: &mut [f64], n: usize) -> bool {
    for p in 0..n {
        let pivot = a[p * n + p];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        a[p * n + p] = 1.0;
        (0..n).for_each(|j| a[p * n + j] /= pivot);
        for i in (0..n).filter(|i| *i != p) {
            let factor = std::mem::replace(&mut a[i * n + p], 0.0);
            (0..n).for_each(|j| a[i * n + j] -= factor * a[p * n + j]);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(weights: Array2<f64>, covariance: Array2<f64>, units: Vec<u32>, layer: usize) -> Reader {
        let inverse = Arc::new(inverse(&covariance).unwrap());
        Reader { weights, covariance: Arc::new(covariance), inverse, units, layer }
    }

    fn draw(seed: u32) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 23) - 1.0
        }
    }

    /// Two layers of 6 and 3 columns per unit in four units, and one column of no unit.
    fn layers() -> Vec<Reader> {
        let mut draw = draw(5);
        let mut layer = |columns: Vec<u32>, outputs: usize, layer: usize| {
            let n = columns.len();
            let x = Array2::from_shape_simple_fn((50, n), &mut draw);
            let covariance = x.t().dot(&x) / 50.0;
            let weights = Array2::from_shape_simple_fn((outputs, n), &mut draw);
            reader(weights, covariance, columns, layer)
        };
        vec![layer(vec![0, 0, 1, 1, 2, 2, 3, 3, u32::MAX], 3, 0), layer(vec![3, 2, 1, 0], 2, 1)]
    }

    /// What is lost at best when only `stay` is left, by least squares with the same ridge, for one reader.
    fn least(r: &Reader, gone: &[u32]) -> (f64, Array2<f64>) {
        let n = r.units.len();
        let mut a = Array2::clone(&r.covariance);
        let ridge = RIDGE * a.diag().sum() / n as f64;
        a.diag_mut().mapv_inplace(|v| v + ridge);
        let stay: Vec<usize> = (0..n).filter(|c| !gone.contains(&r.units[*c])).collect();
        let square = a.select(Axis(0), &stay).select(Axis(1), &stay);
        let mut right = a.select(Axis(0), &stay).dot(&r.weights.t());
        Cholesky::new(square).unwrap().solve(&mut right);
        let mut weights = Array2::zeros(r.weights.dim());
        stay.iter().enumerate().for_each(|(k, c)| weights.column_mut(*c).assign(&right.row(k)));
        let lost: Array2<f64> = &r.weights - &weights;
        let energy = |w: &Array2<f64>, a: &Array2<f64>| (w.dot(a) * w).sum();
        (energy(&lost, &a) / energy(&r.weights, &r.covariance), weights)
    }

    #[test]
    fn the_cheapest_goes_and_the_rest_makes_up_for_it() {
        let found = eliminate(layers(), 4, None, &[1, 2]).unwrap();
        let readers = layers();
        let all = |gone: &[u32]| readers.iter().map(|r| least(r, gone).0).sum::<f64>() / 2.0;
        // Brute force, step by step.
        let mut gone: Vec<u32> = Vec::new();
        for k in 0..3 {
            let candidates = (0..4).filter(|u| !gone.contains(u));
            let best = candidates.min_by(|a, b| {
                let with = |u: &u32| all(&[&gone[..], &[*u]].concat());
                with(a).total_cmp(&with(b))
            });
            gone.push(best.unwrap());
            assert_eq!(found.order[k], gone[k]);
            assert!((found.errors[k + 1] - all(&gone)).abs() < 1e-9 * all(&gone).max(1e-6), "{k}: {found:?}");
            if let Some(s) = found.snapshots.iter().find(|s| s.gone == k + 1) {
                for (w, r) in s.weights.iter().zip(&readers) {
                    assert!((w - &least(r, &gone).1).iter().all(|d| d.abs() < 1e-9));
                }
            }
        }
        assert_eq!((found.order.len(), found.errors.len(), found.snapshots.len()), (4, 4, 2));
        // Any other order costs what least squares says of it, and not less in the first step.
        let other = eliminate(layers(), 4, Some(&[gone[1], gone[0], gone[2]]), &[]).unwrap();
        assert!((other.errors[2] - found.errors[2]).abs() < 1e-9 && other.errors[1] >= found.errors[1]);
        assert_eq!(other.order[..3], [gone[1], gone[0], gone[2]]);
    }

    #[test]
    fn a_copy_goes_first_and_costs_next_to_nothing() {
        let mut draw = draw(8);
        let mut x = Array2::from_shape_simple_fn((200, 5), &mut draw);
        let copy = x.column(1).to_owned();
        x.column_mut(4).assign(&copy);
        let covariance = x.t().dot(&x) / 200.0;
        let weights = Array2::from_elem((2, 5), 1.0);
        let found = eliminate(vec![reader(weights, covariance, (0..5).collect(), 0)], 5, None, &[1]).unwrap();
        assert!(found.order[0] == 1 || found.order[0] == 4, "{:?}", found.order);
        assert!(found.errors[1] < 1e-3 && found.errors[2] > 0.05, "{:?}", found.errors);
        // The one that is left does the work of both.
        let stays = 5 - found.order[0] as usize;
        assert!((found.snapshots[0].weights[0][[0, stays]] - 2.0).abs() < 1e-2);
    }

    #[test]
    fn nothing_to_lose_is_no_elimination() {
        let nothing = reader(Array2::from_elem((1, 2), 1.0), Array2::zeros((2, 2)), vec![0, 1], 0);
        assert_eq!(eliminate(vec![nothing], 2, None, &[]), None);
        assert_eq!(eliminate(Vec::new(), 2, None, &[]), None);
    }
}
