//! Average precision and recall as COCO defines them, number for number.

use super::matching::{AREAS, MOST, Matched, THRESHOLDS, Verdict, matched};
use super::{Detection, Truth};
use crate::metrics::Figure;
use rayon::prelude::*;

/// Recalls at which the precision is read: 0.00, 0.01, … 1.00.
const RECALLS: usize = 101;
/// How many detections of one class in one image count, for average recall.
const LIMITS: [usize; 3] = [1, 10, MOST];

/// Gathers detections and true objects, image by image.
///
/// Of detections of equal score in different images, the image that was added first comes first; COCO's own
/// evaluation orders images by their numbers.
#[derive(Debug)]
pub struct Coco {
    classes: Vec<Vec<Matched>>,
    images: u64,
    objects: u64,
}

/// COCO's twelve figures; `None` where there is no object of that size.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoFigures {
    /// Mean over classes, and over overlaps of 0.50, 0.55, … 0.95: mAP@[.5:.95].
    pub ap: Option<f64>,
    /// At an overlap of 0.50.
    pub ap50: Option<f64>,
    /// At an overlap of 0.75.
    pub ap75: Option<f64>,
    /// For small, medium and large objects (less than 32², less than 96² pixels, more).
    pub ap_by_area: [Option<f64>; 3],
    /// Average recall with at most 1, 10 and 100 detections.
    pub ar: [Option<f64>; 3],
    /// Average recall for small, medium and large objects.
    pub ar_by_area: [Option<f64>; 3],
    /// Each class.
    pub per_class: Vec<ClassPrecision>,
}

/// The average precision of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassPrecision {
    /// Objects that ought to be found.
    pub objects: usize,
    /// Mean over overlaps of 0.50, 0.55, … 0.95; `None` without objects.
    pub ap: Option<f64>,
    /// At an overlap of 0.50.
    pub ap50: Option<f64>,
}

impl Coco {
    /// No image yet.
    pub fn new(classes: usize) -> Self {
        Coco { classes: vec![Vec::new(); classes], images: 0, objects: 0 }
    }

    /// Adds one image; what is of a class beyond the last does not count.
    pub fn add(&mut self, truths: &[Truth], detections: &[Detection]) {
        let images = self.classes.par_iter_mut().enumerate().map(|(class, images)| {
            let truths: Vec<Truth> = truths.iter().filter(|t| t.class == class).copied().collect();
            let found: Vec<Detection> = detections.iter().filter(|d| d.class == class).copied().collect();
            if !truths.is_empty() || !found.is_empty() {
                images.push(matched(&found, &truths));
            }
            truths.len() as u64
        });
        self.objects += images.sum::<u64>();
        self.images += 1;
    }

    /// Number of images.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// Number of true objects, crowds included.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// All figures.
    pub fn figures(&self) -> CocoFigures {
        let curves = |limit: usize, area: usize| -> Vec<Vec<Curve>> {
            let of_class = |images: &Vec<Matched>| (0..THRESHOLDS).map(|t| curve(images, limit, area, t)).collect();
            self.classes.par_iter().map(of_class).collect()
        };
        let by_area: Vec<Vec<Vec<Curve>>> = (0..AREAS.len()).map(|area| curves(MOST, area)).collect();
        let [all, small, medium, large] = &by_area[..] else { return CocoFigures::nothing() };
        let precision = |curves: &[Vec<Curve>], wanted: &dyn Fn(usize) -> bool| {
            mean(each(curves, wanted).flat_map(|c| c.precision.iter().copied()))
        };
        let recall = |curves: &[Vec<Curve>]| mean(each(curves, &|_| true).map(|c| c.recall));
        let class = |(curves, images): (&Vec<Curve>, &Vec<Matched>)| ClassPrecision {
            objects: images.iter().map(|p| p.wanted[0]).sum(),
            ap: precision(std::slice::from_ref(curves), &|_| true),
            ap50: precision(std::slice::from_ref(curves), &|t| t == 0),
        };
        CocoFigures {
            ap: precision(all, &|_| true),
            ap50: precision(all, &|t| t == 0),
            ap75: precision(all, &|t| t == 5),
            ap_by_area: [small, medium, large].map(|curves| precision(curves, &|_| true)),
            ar: LIMITS.map(|limit| if limit == MOST { recall(all) } else { recall(&curves(limit, 0)) }),
            ar_by_area: [small, medium, large].map(|curves| recall(curves)),
            per_class: all.iter().zip(&self.classes).map(class).collect(),
        }
    }
}

impl CocoFigures {
    fn nothing() -> Self {
        let none = [None; 3];
        let (ap, ap50, ap75) = (None, None, None);
        CocoFigures { ap, ap50, ap75, ap_by_area: none, ar: none, ar_by_area: none, per_class: Vec::new() }
    }

    /// The twelve, in COCO's order.
    pub fn figures(&self) -> Vec<Figure> {
        let share = |name, value: Option<f64>| Figure { value, ..Figure::share(name, f64::NAN) };
        let ([small, medium, large], [ar_1, ar_10, ar_100]) = (self.ap_by_area, self.ar);
        let [ar_small, ar_medium, ar_large] = self.ar_by_area;
        vec![
            share("mAP", self.ap),
            share("mAP50", self.ap50),
            share("mAP75", self.ap75),
            share("mAP small", small),
            share("mAP medium", medium),
            share("mAP large", large),
            share("AR 1", ar_1),
            share("AR 10", ar_10),
            share("AR 100", ar_100),
            share("AR small", ar_small),
            share("AR medium", ar_medium),
            share("AR large", ar_large),
        ]
    }
}

/// Precision over recall, for one class, area and threshold. Without objects both are empty.
#[derive(Debug, Clone)]
struct Curve {
    precision: Vec<f64>,
    recall: f64,
}

/// The curves of classes with objects, of the thresholds that are wanted.
fn each<'c>(curves: &'c [Vec<Curve>], wanted: &'c dyn Fn(usize) -> bool) -> impl Iterator<Item = &'c Curve> {
    let of_class = move |thresholds: &'c Vec<Curve>| thresholds.iter().enumerate().filter(move |(t, _)| wanted(*t));
    curves.iter().flat_map(of_class).map(|(_, curve)| curve).filter(|curve| !curve.precision.is_empty())
}

fn curve(images: &[Matched], limit: usize, area: usize, t: usize) -> Curve {
    let wanted: usize = images.iter().map(|p| p.wanted[area]).sum();
    if wanted == 0 {
        return Curve { precision: Vec::new(), recall: f64::NAN };
    }
    let mut all: Vec<(f64, Verdict)> = Vec::new();
    for p in images {
        let verdicts = &p.verdicts[area * THRESHOLDS + t];
        all.extend(p.scores.iter().copied().zip(verdicts.iter().copied()).take(limit));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut wrong) = (0u64, 0u64);
    let (mut recalls, mut precisions) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for (_, verdict) in &all {
        match verdict {
            Verdict::Right => right += 1,
            Verdict::Wrong => wrong += 1,
            Verdict::Ignored => {}
        }
        recalls.push(right as f64 / wanted as f64);
        // As COCO's evaluation guards against nothing found at all.
        precisions.push(right as f64 / (wrong as f64 + right as f64 + f64::EPSILON));
    }
    // At each recall the best precision from there on.
    for i in (1..precisions.len()).rev() {
        precisions[i - 1] = precisions[i - 1].max(precisions[i]);
    }
    let at = |r: usize| {
        // As NumPy's `linspace(0, 1, 101)` computes it.
        let wanted = if r + 1 == RECALLS { 1.0 } else { r as f64 * 0.01 };
        precisions.get(recalls.partition_point(|x| *x < wanted)).copied().unwrap_or(0.0)
    };
    Curve { precision: (0..RECALLS).map(at).collect(), recall: recalls.last().copied().unwrap_or(0.0) }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), x| (sum + x, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(x: f64) -> Truth {
        Truth { xywh: [x, 0.0, 10.0, 10.0], class: 0, crowd: false, area: 100.0 }
    }

    fn found(x: f64, score: f64) -> Detection {
        Detection { xywh: [x, 0.0, 10.0, 10.0], class: 0, score }
    }

    #[test]
    fn perfect_is_one_and_nothing_is_nothing() {
        let mut coco = Coco::new(2);
        coco.add(&[truth(0.0), truth(50.0)], &[found(0.0, 0.9), found(50.0, 0.8)]);
        let figures = coco.figures();
        assert!((figures.ap.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((figures.ar, figures.ap_by_area[2]), ([Some(0.5), Some(1.0), Some(1.0)], None));
        assert_eq!((figures.per_class[0].objects, figures.per_class[1].ap), (2, None));
        assert_eq!(Coco::new(0).figures().ap, None);
    }

    #[test]
    fn a_half_found_class_by_hand() {
        let mut coco = Coco::new(1);
        // Right, wrong, right: precision 1 up to recall 1/2, then 2/3.
        coco.add(&[truth(0.0), truth(50.0)], &[found(0.0, 0.9), found(100.0, 0.8), found(50.0, 0.7)]);
        let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((coco.figures().ap50.unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_crowd_may_be_found_often_and_need_not() {
        let crowd = Truth { crowd: true, ..truth(50.0) };
        let mut coco = Coco::new(1);
        coco.add(&[truth(0.0), crowd], &[found(50.0, 0.9), found(51.0, 0.8), found(0.0, 0.7)]);
        assert!((coco.figures().ap50.unwrap() - 1.0).abs() < 1e-12);
    }
}
