//! stub
#![allow(missing_docs)]
pub mod pattern;
#[derive(Clone, Debug, PartialEq, Eq, Hash)] pub struct Reference(Box<str>);
#[derive(Clone, Debug, PartialEq, Eq)] pub struct ReferenceError;
impl std::fmt::Display for ReferenceError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("bad") } }
impl Reference { pub fn parse(s: &str) -> Result<Self, ReferenceError> { if s.chars().any(|c| c.is_uppercase()) { Err(ReferenceError) } else { Ok(Self(s.into())) } } pub fn canonical(&self) -> &str { &self.0 } pub fn name(&self) -> &str { self.0.split(':').next().unwrap_or("") } }
#[derive(Clone, Copy, Debug, PartialEq, Eq)] pub enum PullPolicy { Always = 1, IfNotPresent = 2, Never = 3 }
impl PullPolicy { pub fn from_byte(b: u8) -> Option<Self> { match b { 1 => Some(Self::Always), 2 => Some(Self::IfNotPresent), 3 => Some(Self::Never), _ => None } } }
pub fn effective_pull_policy(w: Option<PullPolicy>, _: &str) -> PullPolicy { w.unwrap_or(PullPolicy::IfNotPresent) }
