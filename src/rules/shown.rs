//! How messages show what may be long. Untrusted text is else shown as it is: outputs escape it.

use std::fmt;

/// How much of a text a message shows; most references with a digest fit.
const LONGEST: usize = 120;

/// How much of a digest's value a message shows.
const DIGEST: usize = 12;

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// The first 120 characters.
pub(crate) struct Cut<'a>(pub(crate) &'a str);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = first_chars(self.0, LONGEST);
        f.write_str(start)?;
        f.write_str(if start.len() < self.0.len() { "…" } else { "" })
    }
}

/// The start of a digest, or of whatever a runtime says in its place: `sha256:abcdef123456`.
pub(crate) struct ShortDigest<'a>(pub(crate) &'a str);

impl fmt::Display for ShortDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.rfind(':').map_or(0, |colon| colon + 1);
        let shown = value + first_chars(&self.0[value..], DIGEST).len();
        f.write_str(first_chars(&self.0[..shown], LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(Cut("short").to_string(), "short");
        assert_eq!(Cut(&"é".repeat(121)).to_string(), format!("{}…", "é".repeat(120)));
    }

    #[test]
    fn digests_keep_their_algorithm_and_twelve_characters() {
        let hex = "0123456789abcdef".repeat(4);
        for (long, short) in [
            (format!("sha256:{hex}"), "sha256:0123456789ab"),
            (format!("docker://sha256:{hex}"), "docker://sha256:0123456789ab"),
            (hex, "0123456789ab"),
            ("x".to_owned(), "x"),
            ("ééééééééééééé".to_owned(), "éééééééééééé"),
        ] {
            assert_eq!(ShortDigest(&long).to_string(), short);
        }
        assert_eq!(ShortDigest(&":".repeat(1_000)).to_string().len(), 120);
    }
}
