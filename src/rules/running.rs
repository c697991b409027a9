//! Rules about one image use and what runs there.

pub mod host_local_image;
pub mod image_pull_failing;
pub mod pod_image_matches_owner;
pub mod running_digest_matches;
