//! A pod as it comes over the wire, written down as canonical bytes in one pass.

use crate::subject::pod::PodShape;

/// What is kept of one pod: canonical bytes by section, not yet interned.
#[derive(Clone, Debug, Default)]
pub struct PodRecord {
    /// `metadata.uid`
    pub uid: u128,
    /// `metadata.resourceVersion`, for the watch to go on
    pub resource_version: String,
    /// Bits [`PodShape::STATIC`] and [`PodShape::MALFORMED`].
    pub flags: u8,
}
impl PodRecord {
    /// d
    pub fn is_static(&self) -> bool { self.flags & PodShape::STATIC != 0 }
}
