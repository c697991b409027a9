//! Rules about a pod as a whole.

pub mod pod_meets_level;
