//! Which detection found which object, in one image and for one class, as COCO's own evaluation decides it.

use super::overlap::overlap;
use super::{Detection, Truth};

/// Overlaps that count as found: 0.50, 0.55, … 0.95.
pub(super) const THRESHOLDS: usize = 10;
/// Areas in pixels from and to which objects are judged: all, small, medium, large.
pub(super) const AREAS: [(f64, f64); 4] = [(0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10)];
/// Detections of one class in one image that count.
pub(super) const MOST: usize = 100;

/// The overlap from which on a pair counts, computed as NumPy's `linspace(0.5, 0.95, 10)` does.
pub(super) fn threshold(t: usize) -> f64 {
    const STEP: f64 = (0.95 - 0.5) / 9.0;
    if t + 1 == THRESHOLDS { 0.95 } else { t as f64 * STEP + 0.5 }
}

/// What became of the detections of one class in one image.
#[derive(Debug, Clone, Default)]
pub(super) struct Matched {
    /// Scores, falling.
    pub scores: Vec<f64>,
    /// For each area and threshold, what became of each detection.
    pub verdicts: Vec<Vec<Verdict>>,
    /// Objects that ought to be found, for each area.
    pub wanted: [usize; AREAS.len()],
}

/// What became of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is an object.
    Right,
    /// It is none.
    Wrong,
    /// It does not count: a crowd, or of another size.
    Ignored,
}

/// Matches the detections of one class in one image with its objects.
pub(super) fn matched(detections: &[Detection], truths: &[Truth]) -> Matched {
    let mut found: Vec<&Detection> = detections.iter().collect();
    // Of equal scores, the one that was given first comes first.
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    let overlaps: Vec<Vec<f64>> =
        found.iter().map(|d| truths.iter().map(|g| overlap(&d.xywh, &g.xywh, g.crowd)).collect()).collect();

    let mut result = Matched { scores: found.iter().map(|d| d.score).collect(), ..Matched::default() };
    for (area, wanted) in AREAS.iter().zip(&mut result.wanted) {
        let outside = |size: f64| size < area.0 || size > area.1;
        let ignored: Vec<bool> = truths.iter().map(|g| g.crowd || outside(g.area)).collect();
        // Objects that count come first, so that they are preferred.
        let order: Vec<usize> =
            (0..truths.len()).filter(|i| !ignored[*i]).chain((0..truths.len()).filter(|i| ignored[*i])).collect();
        *wanted = ignored.iter().filter(|is| !**is).count();
        for t in 0..THRESHOLDS {
            let mut taken = vec![false; truths.len()];
            let verdict = |(d, row): (&&Detection, &Vec<f64>)| match best(row, &order, &ignored, truths, &taken, t) {
                Some(i) => {
                    taken[i] = true;
                    if ignored[i] { Verdict::Ignored } else { Verdict::Right }
                }
                None if outside(d.xywh[2] * d.xywh[3]) => Verdict::Ignored,
                None => Verdict::Wrong,
            };
            result.verdicts.push(found.iter().zip(&overlaps).map(verdict).collect());
        }
    }
    result
}

/// The free object that a detection overlaps most, from the threshold on; of equal ones the last. A crowd is never
/// taken, and nothing that is ignored is preferred to what is not.
fn best(row: &[f64], order: &[usize], ignored: &[bool], truths: &[Truth], taken: &[bool], t: usize) -> Option<usize> {
    let mut least = threshold(t).min(1.0 - 1e-10);
    let mut found: Option<usize> = None;
    for &i in order {
        if taken[i] && !truths[i].crowd {
            continue;
        }
        if found.is_some_and(|best| !ignored[best]) && ignored[i] {
            break;
        }
        if row[i] >= least {
            least = row[i];
            found = Some(i);
        }
    }
    found
}
