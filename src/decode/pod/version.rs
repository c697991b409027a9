//! The resourceVersion of a pod: opaque, and nearly always a number, which needs no space of its own on the heap.

/// A resourceVersion.
#[derive(Clone, Debug)]
pub struct Version(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

/// A 64-bit number has at most 20 digits.
const SHORT: usize = 20;

impl Default for Version {
    fn default() -> Self {
        Self(Kept::Short(0, [0; SHORT]))
    }
}

impl Version {
    pub(super) fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        Self(match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Kept::Short(length, bytes)
            }
            _ => Kept::Long(text.into()),
        })
    }

    /// As it was written; empty when there was none.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Short(length, bytes) => {
                std::str::from_utf8(&bytes[..usize::from(*length)]).unwrap_or_default()
            }
            Kept::Long(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in ["", "7", "18446744073709551615", "184467440737095516150", "réseau"] {
            assert_eq!(Version::new(text).as_str(), text);
        }
    }
}
