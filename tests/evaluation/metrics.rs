//! Average precision is what pycocotools computes. `tools/compare_coco.py` made the detections and the numbers.

use onnx_prune::metrics::detection::{Coco, CocoFigures, Detection, Truth};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    images: usize,
    classes: usize,
    /// Image, class, box, area, crowd.
    objects: Vec<(usize, usize, [f64; 4], f64, u8)>,
    /// Image, class, box, score.
    detections: Vec<(usize, usize, [f64; 4], f64)>,
    pycocotools: Numbers,
}

#[derive(Deserialize)]
struct Numbers {
    stats: Vec<Option<f64>>,
    classes: Vec<[Option<f64>; 2]>,
}

fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/coco_detections.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn figures(f: &Fixture) -> CocoFigures {
    let mut coco = Coco::new(f.classes);
    for image in 0..f.images {
        let objects = f.objects.iter().filter(|o| o.0 == image);
        let truths: Vec<Truth> = objects.map(|o| Truth { class: o.1, xywh: o.2, area: o.3, crowd: o.4 == 1 }).collect();
        let found = f.detections.iter().filter(|d| d.0 == image);
        let found: Vec<Detection> = found.map(|d| Detection { class: d.1, xywh: d.2, score: d.3 }).collect();
        coco.add(&truths, &found);
    }
    coco.figures()
}

#[track_caller]
fn assert_same(found: Option<f64>, wanted: Option<f64>) {
    match (found, wanted) {
        (Some(found), Some(wanted)) => assert!((found - wanted).abs() < 1e-9, "{found} for {wanted}"),
        (found, wanted) => assert_eq!(found, wanted),
    }
}

#[test]
fn all_twelve_figures_are_those_of_pycocotools() {
    let f = fixture();
    let found = figures(&f).figures();
    assert_eq!(found.len(), f.pycocotools.stats.len());
    found.iter().zip(&f.pycocotools.stats).for_each(|(found, wanted)| assert_same(found.value, *wanted));
}

#[test]
fn so_are_those_of_each_class() {
    let f = fixture();
    let found = figures(&f).per_class;
    assert_eq!(found.len(), f.pycocotools.classes.len());
    for (found, [ap, ap50]) in found.iter().zip(&f.pycocotools.classes) {
        assert_same(found.ap, *ap);
        assert_same(found.ap50, *ap50);
    }
}

#[test]
fn detections_in_another_order_give_other_figures_only_where_scores_are_equal() {
    let mut f = fixture();
    for (i, d) in f.detections.iter_mut().enumerate() {
        d.3 += 1e-6 * i as f64;
    }
    let before = figures(&f);
    f.detections.reverse();
    assert_eq!(figures(&f), before);
}
