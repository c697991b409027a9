//! Rules about one image use, from the spec alone.

pub mod trusted_registry;
