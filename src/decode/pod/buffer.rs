//! The buffer that a record's bytes stand in. Nearly every record of a watch is dropped as soon as it was compared,
//! and the next one begins; those of a page of a list are dropped one by one before the next page. The buffers of
//! dropped records are used again.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// How many buffers wait to be used again (those of a page), and how large each may be: what a page of large pods
/// leaves behind is not worth keeping.
const SPARE: usize = 512;
/// How many of them wait when a list is over.
const SPARE_WATCHING: usize = 16;
const LARGEST: usize = 8 * 1024;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that go back to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty one, with some space.
    pub(super) fn empty() -> Self {
        let spare = SPARES.try_with(|spares| spares.borrow_mut().pop()).ok().flatten();
        Self(spare.unwrap_or_else(|| Vec::with_capacity(1024)))
    }

    /// Gives back what waits to be used again, but for a few.
    pub(super) fn forget_spares() {
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            spares.truncate(SPARE_WATCHING);
            spares.shrink_to_fit();
        });
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !(1..=LARGEST).contains(&self.0.capacity()) {
            return;
        }
        let mut bytes = std::mem::take(&mut self.0);
        // None is left when the thread ends.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARE {
                bytes.clear();
                spares.push(bytes);
            }
        });
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_comes_back_empty() {
        let mut first = Buffer::empty();
        first.extend_from_slice(b"one");
        let place = first.as_ptr();
        drop(first);
        let second = Buffer::empty();
        assert!(second.is_empty() && second.as_ptr() == place);
    }

    #[test]
    fn no_more_than_those_of_a_page_wait_and_a_few_after_the_list() {
        let waiting = || SPARES.with(|spares| spares.borrow().len());
        let many: Vec<Buffer> = (0..10 * SPARE).map(|_| Buffer::empty()).collect();
        drop(many);
        assert_eq!(waiting(), SPARE);
        Buffer::forget_spares();
        assert_eq!(waiting(), SPARE_WATCHING);
    }
}
