//! The frames of a watch, cut out of its bytes as they come: one a line. A frame that lies within one chunk is handed
//! over where it lies; only what spans chunks is copied, into one buffer that is used again and again.

use memchr::memchr;

/// The longest frame: objects are at most 1.5 MB where etcd is left as it comes, twice that where it is not.
pub(crate) const LARGEST: usize = 16 << 20;
/// What the buffer may keep after a long frame.
const KEPT: usize = 256 << 10;

/// A frame is longer than any object may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of more than {LARGEST} bytes")]
pub(crate) struct TooLong;

/// Cuts chunks into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// A frame from its beginning, which came in an earlier chunk.
    begun: Vec<u8>,
    /// It was handed over.
    told: bool,
}

enum Found<'c> {
    InChunk(&'c [u8]),
    Begun,
    Nothing,
}

impl Frames {
    /// Takes the next frame off `chunk`; none when the rest of it is the beginning of a frame. After an error nothing
    /// more can be read.
    pub(crate) fn next<'f, 'c: 'f>(&'f mut self, chunk: &mut &'c [u8]) -> Result<Option<&'f [u8]>, TooLong> {
        if std::mem::take(&mut self.told) {
            self.begun.clear();
            self.begun.shrink_to(KEPT);
        }
        Ok(match self.find(chunk)? {
            Found::InChunk(frame) => Some(frame),
            Found::Begun => Some(&self.begun),
            Found::Nothing => None,
        })
    }

    fn find<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Found<'c>, TooLong> {
        while !chunk.is_empty() {
            let end = memchr(b'\n', chunk);
            let (piece, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
            if self.begun.len() + piece.len() > LARGEST {
                return Err(TooLong);
            }
            *chunk = rest.get(1..).unwrap_or_default();
            match (end, self.begun.is_empty()) {
                (Some(_), true) if is_blank(piece) => {}
                (Some(_), true) => return Ok(Found::InChunk(piece)),
                (None, _) => self.begun.extend_from_slice(piece),
                (Some(_), false) => {
                    self.begun.extend_from_slice(piece);
                    if !is_blank(&self.begun) {
                        self.told = true;
                        return Ok(Found::Begun);
                    }
                    self.begun.clear();
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Whether a frame has begun that has not come to its end.
    pub(crate) fn is_cut(&self) -> bool {
        !self.told && !is_blank(&self.begun)
    }
}

fn is_blank(line: &[u8]) -> bool {
    // A frame begins with a brace, so that this looks at one byte.
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of a text that comes in these chunks, and whether its end is missing.
    fn read<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> (Vec<String>, bool) {
        let (mut frames, mut told) = (Frames::default(), Vec::new());
        for mut chunk in chunks {
            while let Some(frame) = frames.next(&mut chunk).unwrap() {
                told.push(String::from_utf8(frame.to_vec()).unwrap());
            }
            assert!(chunk.is_empty(), "a chunk is read to its end");
        }
        (told, frames.is_cut())
    }

    #[test]
    fn frames_are_the_lines_of_a_chunk_and_blank_lines_are_none() {
        assert_eq!(
            read([b"{1}\n\n{2}\n \r\n{3}\r\n".as_slice()]),
            (["{1}", "{2}", "{3}\r"].map(str::to_owned).into(), false)
        );
        assert_eq!(read([b"".as_slice(), b"\n", b"\r\n"]), (vec![], false));
    }

    #[test]
    fn a_frame_may_span_chunks_and_its_end_may_come_alone() {
        let chunks = [b"{1".as_slice(), b"", b"2", b"3}", b"\n", b"{4}\n{5", b"}\n"];
        assert_eq!(read(chunks), (["{123}", "{4}", "{5}"].map(str::to_owned).into(), false));
    }

    #[test]
    fn what_is_cut_off_is_no_frame() {
        assert_eq!(read([b"{1}\n{2".as_slice()]), (vec!["{1}".to_owned()], true));
        assert_eq!(read([b"{1}".as_slice()]), (vec![], true), "not even one that happens to be whole");
        assert_eq!(read([b"{1".as_slice(), b"}\n", b"\r"]), (vec!["{1}".to_owned()], false));
    }

    #[test]
    fn a_frame_that_never_ends_fills_no_memory() {
        let chunk = vec![b'x'; LARGEST / 4];
        let mut frames = Frames::default();
        for _ in 0..4 {
            assert_eq!(frames.next(&mut chunk.as_slice()), Ok(None));
        }
        assert_eq!(frames.next(&mut chunk.as_slice()), Err(TooLong));
        let mut whole = vec![b'x'; LARGEST];
        whole.extend(b"y\n");
        assert_eq!(Frames::default().next(&mut whole.as_slice()), Err(TooLong));
    }

    #[test]
    fn a_long_frame_is_given_back() {
        let mut frames = Frames::default();
        let long = vec![b'x'; 4 << 20];
        assert_eq!(frames.next(&mut long.as_slice()), Ok(None));
        assert_eq!(frames.next(&mut b"\n".as_slice()).map(|frame| frame.map(<[u8]>::len)), Ok(Some(4 << 20)));
        assert_eq!(frames.next(&mut b"{".as_slice()), Ok(None));
        assert!(frames.begun.capacity() <= KEPT);
    }

    proptest! {
        #[test]
        fn whatever_the_chunks_the_frames_are_the_same(
            text in "(\\{[a-z]{0,6}\\}|\r?\n| ){0,40}",
            cuts in prop::collection::vec(0..200usize, 0..20),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            prop_assert_eq!(read(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]])), read([bytes]));
        }
    }
}
