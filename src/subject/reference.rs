//! What reference rules read: one canonical written reference and every content that runs under it,
//! anywhere in the cluster.

use std::sync::Arc;

use super::running::Lasted;

/// One content that runs under a reference, as the runtimes report it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunningContent {
    /// A manifest digest (`repository@sha256:...`): comparable.
    Manifest(Box<str>),
    /// A form that may be a config digest: comparable with nothing but itself.
    Incomparable(Box<str>),
}

/// A tagged reference without digest, and what runs under it.
#[derive(Clone, Debug)]
pub struct ReferenceFacts {
    /// The canonical written reference, `docker.io/library/nginx:1.27`.
    pub canonical: Arc<str>,
    /// Each distinct content with the number of pods that run it, sorted by content.
    pub contents: Box<[(RunningContent, u32)]>,
    /// How long several contents have been running under it.
    pub several_for: Lasted,
}
