//! stub

pub mod one_shot;
