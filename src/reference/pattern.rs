//! stub
#![allow(missing_docs)]
use super::Reference;
#[derive(Debug)] pub struct Pattern(String);
impl std::fmt::Display for Pattern { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) } }
impl Pattern { pub fn parse(s: &str) -> Result<Self, String> { if s.ends_with('*') && !s.ends_with("/*") && !s.ends_with("/**") { Err("x".into()) } else { Ok(Self(s.into())) } } pub fn matches(&self, r: &Reference) -> bool { r.canonical().starts_with(self.0.trim_end_matches("/**")) && r.canonical().as_bytes().get(self.0.trim_end_matches("/**").len()) == Some(&b'/') } }
