//! A confusion matrix as an image (SVG).

use super::Confusion;
use std::fmt::Write;

/// One matrix of an image.
pub struct Panel<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// The counts.
    pub confusion: &'a Confusion,
}

/// Width of a matrix, room for the names of classes, and for a title, in pixels.
const SIDE: f64 = 480.0;
const MARGIN: f64 = 120.0;
const TITLE: f64 = 30.0;
/// More classes get no names and no counts: they would be too small to read.
const READABLE: usize = 30;

/// Draws matrices one below the other: labels from top to bottom, answers from left to right. The darker a cell, the
/// larger the share of the label's samples; what was recognised is blue, what was mistaken red.
pub fn confusion_plot(panels: &[Panel], classes: &[String]) -> String {
    let (width, height) = (MARGIN + SIDE + 10.0, (TITLE + SIDE + MARGIN) * panels.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (i, panel) in panels.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {})\">", TITLE + i as f64 * (TITLE + SIDE + MARGIN));
        draw(&mut svg, panel, classes);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, classes: &[String]) {
    let n = panel.confusion.classes().max(1);
    let cell = SIDE / n as f64;
    let _ = writeln!(svg, "<text x=\"0\" y=\"-10\" font-weight=\"bold\">{}</text>", escaped(panel.title));
    for (label, row) in panel.confusion.rows().enumerate() {
        let total: u64 = row.iter().sum();
        for (answer, count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let share = *count as f64 / total as f64;
            let (x, y) = (answer as f64 * cell, label as f64 * cell);
            let color = if label == answer { "#1f5fa8" } else { "#b3261e" };
            // Single mistakes must still be seen.
            let opacity = 0.1 + 0.9 * share;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{cell:.2}\" height=\"{cell:.2}\" fill=\"{color}\" \
                 fill-opacity=\"{opacity:.3}\"><title>{}: {count} of {total} as {}</title></rect>",
                name(classes, label),
                name(classes, answer)
            );
            if n <= READABLE {
                let ink = if share > 0.5 { "white" } else { "black" };
                let size = (cell / 3.0).min(12.0);
                let (x, y) = (x + cell / 2.0, y + cell / 2.0 + size / 3.0);
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size:.1}\" fill=\"{ink}\" \
                     text-anchor=\"middle\">{count}</text>"
                );
            }
        }
        if n <= READABLE {
            let middle = (label as f64 + 0.5) * cell;
            let name = name(classes, label);
            let _ = writeln!(svg, "<text x=\"-6\" y=\"{:.2}\" text-anchor=\"end\">{name}</text>", middle + 4.0);
            let _ = writeln!(
                svg,
                "<text transform=\"translate({:.2} {}) rotate(-45)\" text-anchor=\"end\">{name}</text>",
                middle + 4.0,
                SIDE + 14.0
            );
        }
    }
    let _ = writeln!(svg, "<rect width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#888\"/>");
}

fn name(classes: &[String], class: usize) -> String {
    classes.get(class).map_or_else(|| class.to_string(), |name| escaped(name))
}

/// Names come from files.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scores;
    use crate::runtime::Tensor;

    #[test]
    fn cells_names_and_titles_are_drawn() {
        let mut confusion = Confusion::new(2);
        let scores = Scores::of(&Tensor::new([3, 2], vec![1f32, 0., 0., 1., 1., 0.]).unwrap()).unwrap();
        confusion.add(&scores, &[0, 0, 1]);
        let panel = || Panel { title: "a&b", confusion: &confusion };
        let svg = confusion_plot(&[panel(), panel()], &["cat".into(), "<dog>".into()]);
        assert_eq!(svg.matches("<title>cat: 1 of 2 as cat</title>").count(), 2);
        assert_eq!(svg.matches("&lt;dog&gt;: 1 of 1 as cat").count(), 2);
        assert_eq!(svg.matches(">a&amp;b</text>").count(), 2);
        assert!(!svg.contains("<dog>"));
    }
}
