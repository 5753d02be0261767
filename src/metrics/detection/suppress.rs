//! Non-maximum suppression.

use super::Detection;
use super::overlap::overlap;

/// Drops detections that overlap one of the same class and a higher score by more than `limit`; `most` of the rest
/// stay, the highest scores first. Of equal scores the one that was given first counts as higher.
pub fn suppress(mut found: Vec<Detection>, limit: f64, most: usize) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for d in found {
        if kept.len() == most {
            break;
        }
        if kept.iter().all(|k| k.class != d.class || overlap(&k.xywh, &d.xywh, false) <= limit) {
            kept.push(d);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_each_class_and_place_stays() {
        let found = |x: f64, class: usize, score: f64| Detection { xywh: [x, 0.0, 10.0, 10.0], class, score };
        let all = vec![found(1.0, 0, 0.8), found(0.0, 0, 0.9), found(1.0, 1, 0.7), found(30.0, 0, 0.1)];
        let kept = suppress(all.clone(), 0.7, 300);
        assert_eq!(kept, [found(0.0, 0, 0.9), found(1.0, 1, 0.7), found(30.0, 0, 0.1)]);
        // 9 of 11 parts in common are not more than 9/11.
        assert_eq!(suppress(all.clone(), 0.82, 300).len(), 4);
        assert_eq!(suppress(all, 0.7, 1), [found(0.0, 0, 0.9)]);
    }
}
