//! Text from files on a terminal: names must not move its cursor, colour it, or turn the order of what is read.

use std::borrow::Cow;
use std::fmt::Write;

/// Text on one line: control characters and those that change the direction of reading are shown as `\u{1b}`, the end
/// of a line as `\n`.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, acts, |c, out| out.extend(c.escape_default()))
}

/// As [`line()`], but lines stay lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && acts(c), |c, out| out.extend(c.escape_default()))
}

/// JSON that means the same and holds no such character: they can only stand in strings, which have escapes of their
/// own.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c != '\n' && acts(c),
        |c, out| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

fn escaped(text: &str, acts: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.chars().any(&acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| if acts(c) { escape(c, &mut out) } else { out.push(c) });
    Cow::Owned(out)
}

/// Whether a character does something instead of being seen: controls, ends of lines, marks and overrides of the
/// direction (Unicode's Bidi_Control), and tags, which nothing shows.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_all_else_stays() {
        let nasty = "a\u{1b}[2Jb\r\u{9b}31m\u{7f}\u{202e}c\nd";
        assert_eq!(line(nasty), r"a\u{1b}[2Jb\r\u{9b}31m\u{7f}\u{202e}c\nd");
        assert_eq!(lines(nasty), "a\\u{1b}[2Jb\\r\\u{9b}31m\\u{7f}\\u{202e}c\nd");
        for plain in ["", "blocks.0/conv1.weight", "größe 大 é\u{301} 👩‍🚀", r"back\slash"] {
            assert!(matches!(line(plain), Cow::Borrowed(same) if same == plain));
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "na\u{9b}me": "\u{1b}\u{7f}\u{202e}\u{e0041}\n" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert!(safe.chars().all(|c| c == '\n' || !acts(c)), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
