//! Rules about one written reference across the cluster.

pub mod digest_skew;
