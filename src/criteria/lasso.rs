//! The LASSO path from a Gram matrix: least-angle regression with its LASSO step.

/// A channel whose squared length beside the active ones is below this part of its own is a combination of them.
const DEPENDENT: f64 = 1e-9;

/// For min_β βᵀGβ − 2·tᵀβ + λ‖β‖₁, the largest λ at which each β is not 0; 0 where it always is.
///
/// `gram` is row-major, of the size of `target`.
pub(super) fn entries(gram: &[f64], target: &[f64]) -> Vec<f64> {
    let n = target.len();
    let mut path = Path {
        gram,
        n,
        residual: target.to_vec(),
        active: Vec::new(),
        coefficients: Vec::new(),
        factor: Vec::new(),
        out: vec![false; n],
    };
    let mut entered = vec![0.0f64; n];
    let mut bound = path.residual.iter().fold(0.0f64, |m, r| m.max(r.abs()));
    let end = 1e-12 * bound;
    let Some(mut next) = (0..n).find(|c| path.residual[*c].abs() == bound).filter(|_| bound > 0.0) else {
        return entered;
    };
    // Each step takes one channel in or one out; a path that turns back more often than this is lost in rounding.
    for _ in 0..8 * n {
        if next < n {
            // The gradient of the squares is twice the residual.
            if path.enter(next) {
                entered[next] = entered[next].max(2.0 * bound);
            }
        }
        let (step, event) = path.step(bound);
        bound -= step;
        if bound <= end {
            break;
        }
        next = match event {
            Event::Enter(c) => c,
            Event::Leave(at) => {
                path.leave(at);
                n
            }
            Event::End => break,
        };
    }
    entered
}

enum Event {
    /// A channel's residual reaches the bound.
    Enter(usize),
    /// An active coefficient reaches 0.
    Leave(usize),
    /// Nothing more happens.
    End,
}

struct Path<'a> {
    gram: &'a [f64],
    n: usize,
    /// t − Gβ.
    residual: Vec<f64>,
    active: Vec<usize>,
    /// Of the active channels.
    coefficients: Vec<f64>,
    /// Rows of the Cholesky factor of the active part of G.
    factor: Vec<Vec<f64>>,
    /// Channels that depend on active ones.
    out: Vec<bool>,
}

impl Path<'_> {
    /// Takes a channel in, unless it depends on those that are.
    fn enter(&mut self, c: usize) -> bool {
        let mut row: Vec<f64> = self.active.iter().map(|a| self.gram[c * self.n + a]).collect();
        for i in 0..row.len() {
            let done: f64 = self.factor[i][..i].iter().zip(&row).map(|(l, r)| l * r).sum();
            row[i] = (row[i] - done) / self.factor[i][i];
        }
        let own = self.gram[c * self.n + c];
        let rest = own - row.iter().map(|r| r * r).sum::<f64>();
        let independent = rest > DEPENDENT * own;
        if independent {
            row.push(rest.sqrt());
            self.factor.push(row);
            self.active.push(c);
            self.coefficients.push(0.0);
        } else {
            self.out[c] = true;
        }
        independent
    }

    /// Takes the `at`-th active channel out.
    fn leave(&mut self, at: usize) {
        let gone = self.active.remove(at);
        self.coefficients.remove(at);
        let (active, coefficients) = (std::mem::take(&mut self.active), std::mem::take(&mut self.coefficients));
        self.factor.clear();
        for c in active {
            self.enter(c);
        }
        // What was independent before is so without the one that left.
        self.coefficients = coefficients;
        self.out.fill(false);
        // It may come back, but not at the very place where it left.
        self.residual[gone] *= 1.0 - 1e-9;
    }

    /// Moves along the path to the next event below `bound`; returns how far the bound falls.
    fn step(&mut self, bound: f64) -> (f64, Event) {
        let sign: Vec<f64> = self.active.iter().map(|c| self.residual[*c].signum()).collect();
        let direction = self.solve(sign);
        let mut slope = vec![0.0; self.n];
        for (c, d) in self.active.iter().zip(&direction) {
            let row = &self.gram[c * self.n..(c + 1) * self.n];
            slope.iter_mut().zip(row).for_each(|(s, g)| *s += d * g);
        }
        let mut is_active = self.out.clone();
        self.active.iter().for_each(|c| is_active[*c] = true);
        let (mut step, mut event) = (bound, Event::End);
        for c in (0..self.n).filter(|c| !is_active[*c]) {
            let (r, s) = (self.residual[c], slope[c]);
            // Where the residual, falling by its slope, meets the bound, falling by 1, or its negative.
            for (gap, speed) in [(bound - r, 1.0 - s), (bound + r, 1.0 + s)] {
                let at = gap.max(0.0) / speed;
                if speed > 1e-14 && at < step {
                    (step, event) = (at, Event::Enter(c));
                }
            }
        }
        for (i, (b, d)) in self.coefficients.iter().zip(&direction).enumerate() {
            let at = -b / d;
            if *b != 0.0 && at > 0.0 && at < step {
                (step, event) = (at, Event::Leave(i));
            }
        }
        self.coefficients.iter_mut().zip(&direction).for_each(|(b, d)| *b += step * d);
        self.residual.iter_mut().zip(&slope).for_each(|(r, s)| *r -= step * s);
        (step, event)
    }

    /// Solves with the active part of G.
    fn solve(&self, mut x: Vec<f64>) -> Vec<f64> {
        for i in 0..x.len() {
            let done: f64 = self.factor[i][..i].iter().zip(&x).map(|(l, x)| l * x).sum();
            x[i] = (x[i] - done) / self.factor[i][i];
        }
        for i in (0..x.len()).rev() {
            x[i] /= self.factor[i][i];
            let v = x[i];
            x[..i].iter_mut().zip(&self.factor[i]).for_each(|(x, l)| *x -= v * l);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_channels_enter_at_twice_their_target() {
        let gram = [1.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 2.0];
        let entered = entries(&gram, &[1.0, 4.0, -2.0]);
        assert!(entered.iter().zip([2.0, 8.0, 4.0]).all(|(e, w)| (e - w).abs() < 1e-12), "{entered:?}");
    }

    #[test]
    fn by_hand_where_one_helps_another() {
        // t = (2, 1.5), G = [[1, 0.5], [0.5, 1]]: the first enters at 2·2; with β = (2 − μ) the second's residual is
        // 1.5 − 0.5·(2 − μ) = 0.5 + 0.5·μ = μ at μ = 1.
        let entered = entries(&[1.0, 0.5, 0.5, 1.0], &[2.0, 1.5]);
        assert!((entered[0] - 4.0).abs() < 1e-12 && (entered[1] - 2.0).abs() < 1e-12, "{entered:?}");
    }

    #[test]
    fn a_copy_is_not_needed() {
        let entered = entries(&[1.0, 1.0, 1.0, 1.0], &[2.0, 2.0]);
        assert_eq!(entered, [4.0, 0.0]);
        assert_eq!(entries(&[0.0; 4], &[0.0; 2]), [0.0; 2]);
        assert_eq!(entries(&[], &[]), Vec::<f64>::new());
    }

    /// Coordinate descent at one λ.
    fn descent(gram: &[f64], target: &[f64], lambda: f64) -> Vec<f64> {
        let n = target.len();
        let mut beta = vec![0.0; n];
        for _ in 0..20_000 {
            for c in 0..n {
                let others: f64 = (0..n).filter(|j| *j != c).map(|j| gram[c * n + j] * beta[j]).sum();
                let r: f64 = target[c] - others;
                beta[c] = r.signum() * (r.abs() - lambda / 2.0).max(0.0) / gram[c * n + c];
            }
        }
        beta
    }

    #[test]
    fn the_path_is_what_coordinate_descent_finds() {
        let (n, samples) = (12, 30);
        let mut state = 3u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.4
        };
        let z: Vec<f64> = (0..n * samples).map(|_| draw()).collect();
        let dot = |a: usize, b: usize| -> f64 { (0..samples).map(|m| z[m * n + a] * z[m * n + b]).sum() };
        let gram: Vec<f64> = (0..n * n).map(|i| dot(i / n, i % n)).collect();
        let target: Vec<f64> = gram.chunks(n).map(|r| r.iter().sum()).collect();
        let entered = entries(&gram, &target);
        for (c, lambda) in entered.iter().enumerate() {
            assert!(*lambda > 0.0);
            let (above, below) = (descent(&gram, &target, lambda * 1.01), descent(&gram, &target, lambda * 0.97));
            assert!(above[c].abs() < 1e-9 && below[c].abs() > 1e-9, "{c}: {} {}", above[c], below[c]);
        }
    }
}
