//! Not a rule: which repositories a policy trusts, for rules that judge images by where they come from.

use std::fmt;

use super::SettingError;
use crate::reference::Reference;
use crate::reference::pattern::Pattern;
use crate::verdict::Reason;

/// Patterns of what is trusted and of what never is.
#[derive(Debug)]
pub(super) struct Trust {
    /// None: everything that is not denied.
    allow: Option<Vec<Pattern>>,
    deny: Vec<Pattern>,
}

/// Why an image is not trusted.
#[derive(Debug)]
pub(super) enum Distrust<'t> {
    /// This pattern denies it.
    Denied(&'t Pattern),
    /// No pattern allows it.
    NotAllowed,
}

impl Distrust<'_> {
    /// The reason in a verdict.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Denied(_) => "Denied",
            Self::NotAllowed => "NotAllowed",
        }
    }
}

impl fmt::Display for Distrust<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(pattern) => write!(f, "is denied by {pattern}"),
            Self::NotAllowed => f.write_str("is in none of the trusted repositories"),
        }
    }
}

fn patterns(field: &str, written: &[String]) -> Result<Vec<Pattern>, SettingError> {
    let parse = |(index, text): (usize, &String)| {
        Pattern::parse(text).map_err(|error| SettingError::new(format!("{field}[{index}]"), error))
    };
    written.iter().enumerate().map(parse).collect()
}

impl Trust {
    /// From the settings `allow` and `deny`, one of which must name something.
    pub(super) fn new(allow: Option<&[String]>, deny: Option<&[String]>) -> Result<Self, SettingError> {
        let allow = allow.map(|written| patterns("allow", written)).transpose()?;
        let deny = patterns("deny", deny.unwrap_or_default())?;
        let allow = allow.filter(|patterns| !patterns.is_empty());
        if allow.is_none() && deny.is_empty() {
            return Err(SettingError::new(
                "allow",
                "name at least one trusted registry here, or one denied under deny",
            ));
        }
        Ok(Self { allow, deny })
    }

    /// Why an image is not trusted; none for one that is.
    pub(super) fn distrusts(&self, reference: &Reference) -> Option<Distrust<'_>> {
        if let Some(denied) = self.deny.iter().find(|pattern| pattern.matches(reference)) {
            return Some(Distrust::Denied(denied));
        }
        let allow = self.allow.as_ref()?;
        (!allow.iter().any(|pattern| pattern.matches(reference))).then_some(Distrust::NotAllowed)
    }
}
