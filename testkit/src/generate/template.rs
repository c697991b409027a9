//! Texts with places to fill in: JSON as it is written, with `${name}` where something varies.

/// A text with places, cut up once. Line breaks and the spaces around them are left out.
#[derive(Debug)]
pub(super) struct Template {
    /// A fixed text, then the name of what follows it; the last name is empty.
    pieces: Vec<(String, &'static str)>,
}

impl Template {
    pub(super) fn new(text: &'static str) -> Self {
        let mut pieces = Vec::new();
        let mut parts = text.split("${");
        let mut fixed = joined(parts.next().unwrap_or_default());
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            pieces.push((std::mem::replace(&mut fixed, joined(rest)), name));
        }
        pieces.push((fixed, ""));
        Self { pieces }
    }

    /// Writes the text; `fill` writes what belongs into each place.
    pub(super) fn write(&self, out: &mut String, mut fill: impl FnMut(&mut String, &str)) {
        for (text, name) in &self.pieces {
            out.push_str(text);
            if !name.is_empty() {
                fill(out, name);
            }
        }
    }
}

fn joined(text: &str) -> String {
    text.split('\n').map(str::trim).collect()
}

/// A place that the template names and the generator does not know.
pub(super) fn unknown_place(name: &str) -> ! {
    panic!("no text for the place ${{{name}}} of a template")
}

/// A template that stands in a file beside this one.
macro_rules! template {
    ($file:literal) => {{
        static TEMPLATE: std::sync::LazyLock<$crate::generate::template::Template> =
            std::sync::LazyLock::new(|| $crate::generate::template::Template::new(include_str!($file)));
        &*TEMPLATE
    }};
}
pub(super) use template;
