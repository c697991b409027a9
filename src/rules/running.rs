//! Rules about one image use and what runs there.

pub mod image_pull_failing;
pub mod running_digest_matches;
