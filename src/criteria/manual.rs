//! The doc comment of a criterion is its manual page.

/// Headings that every manual page has, in this order.
pub const HEADINGS: [&str; 6] =
    ["# What it scores", "# Formula", "# Needs", "# Cost", "# Reference", "# Differs from others"];

/// Declares a unit struct and serves its doc comment as `Self::page()`.
macro_rules! manual_page {
    ($(#[doc = $line:literal])* pub struct $name:ident;) => {
        $(#[doc = $line])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $name {
            fn page() -> &'static str {
                static PAGE: std::sync::LazyLock<String> =
                    std::sync::LazyLock::new(|| $crate::criteria::manual::dedent(concat!($($line, "\n"),*)));
                &PAGE
            }
        }
    };
}
pub(super) use manual_page;

/// Strips the space that `/// ` leaves before every line.
pub(super) fn dedent(doc: &str) -> String {
    let mut text = String::with_capacity(doc.len());
    for line in doc.lines() {
        text.push_str(line.strip_prefix(' ').unwrap_or(line));
        text.push('\n');
    }
    text
}
