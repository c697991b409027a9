//! What must hold for any input, beyond that nothing panics and nothing takes long. Shared by the fuzz targets
//! (`fuzz/targets/`, `make fuzz`) and by `tests/fuzz.rs`, which tries what they found again.

#![allow(dead_code, clippy::unwrap_used, reason = "each target has its own; an oracle ends where it fails")]

use std::fmt::Write as _;

use revisor::decode::manifest::Reader;
use revisor::decode::pod::PodRecord;
use revisor::decode::{Change, PolicyRecord};
use revisor::policy::compile::CompiledPolicy;
use revisor::reference::{Digest, Glob, ImageId, Pattern, Reference, host_oddity, split_port};
use serde_json::Value;

/// A reference says the same again, and is one place with itself.
pub(crate) fn reference(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = host_oddity(text);
    let (host, port) = split_port(text);
    assert!(host.len() + port.map_or(0, str::len) <= text.len());
    if let Some(digest) = ImageId::parse(text).manifest_digest() {
        assert_eq!(Digest::parse(digest.as_str()), Ok(digest));
    }
    let reference = match Reference::parse(text) {
        Ok(reference) => reference,
        Err(error) => {
            assert!(error.to_string().len() < 1_000, "an error quotes only an excerpt");
            return;
        }
    };
    let again = Reference::parse(&reference.to_string()).unwrap();
    assert_eq!(again.canonical(), reference.canonical());
    assert_eq!(again.matching_name(), reference.matching_name());
    assert!(again.same_repository(&reference));
    assert!(reference.tag().is_some() || reference.digest().is_some(), "something is pulled");
    assert_eq!(format!("{}/{}", reference.host(), reference.repository()), reference.name());
    if let Some(spelt) = spelt_otherwise(&reference) {
        assert!(spelt.same_repository(&reference), "the matching form is a spelling of the same place");
    }
    if let Ok(pattern) = Pattern::parse(reference.name()) {
        assert!(pattern.matches(&reference), "a name is a pattern of itself");
    }
}

/// The matching form as a reference. `abc:443/x` has none: without its port, `abc` is no host but a user of
/// Docker Hub.
fn spelt_otherwise(reference: &Reference) -> Option<Reference> {
    let is_host = reference.matching_host().contains(['.', ':']);
    is_host.then(|| Reference::parse(reference.matching_name()).unwrap())
}

/// A pattern says the same again, and covers the same. Two lines: the pattern and a reference.
pub(crate) fn pattern(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (written, reference) = text.split_once('\n').unwrap_or((text, "registry.example.com/team/app"));
    if let Ok(glob) = Glob::parse(written) {
        let again = Glob::parse(&glob.to_string()).unwrap();
        assert_eq!((&again, again.matches(reference)), (&glob, glob.matches(reference)));
    }
    match Pattern::parse(written) {
        Ok(pattern) => {
            let again = Pattern::parse(&pattern.to_string()).unwrap();
            assert_eq!(again, pattern);
            if let Ok(reference) = Reference::parse(reference) {
                let matches = pattern.matches(&reference);
                assert_eq!(again.matches(&reference), matches);
                // Spelling a place otherwise leads around no list.
                if let Some(spelt) = spelt_otherwise(&reference) {
                    assert_eq!(pattern.matches(&spelt), matches);
                }
            }
        }
        Err(error) => assert!(error.to_string().len() < 2_000, "an error quotes only an excerpt"),
    }
}

/// No pod that is JSON is refused: one that is would cost its whole page. Read from a tree it is the same.
pub(crate) fn pod(input: &[u8]) {
    let value = match serde_json::from_slice::<Value>(input) {
        Ok(value) => {
            serde_json::from_slice::<PodRecord>(input).unwrap();
            value
        }
        // The worked examples are YAML.
        Err(_) => match std::str::from_utf8(input).map(serde_saphyr::from_str::<Value>) {
            Ok(Ok(value)) => value,
            _ => return,
        },
    };
    let text = value.to_string();
    let wire = serde_json::from_str::<PodRecord>(&text).unwrap();
    assert_eq!(format!("{wire:?}"), format!("{:?}", PodRecord::from_value(&value)));
}

/// A document that nothing may swallow.
const LAST: &str = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: the-last-one}\nspec: {containers: [{name: a, image: b}]}\n";

/// Whatever is read: errors point into the file, no document costs the next one, asking for the places of
/// fields changes nothing, and an object says the same as JSON and as YAML.
pub(crate) fn manifest(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = Read::of(text, Reader::new("default"));
    let lines = u32::try_from(text.lines().count()).unwrap() + 1;
    for line in &read.lines {
        assert!((1..=lines).contains(line), "line {line} of {lines}: {}", read.errors);
    }
    assert_eq!(read, Read::of(text, Reader::new("default").with_places()), "with places");
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') && !text.contains('%') {
        let read = Read::of(&format!("{text}\n{LAST}"), Reader::new("default"));
        assert!(read.names.iter().any(|name| name == "the-last-one"), "a document swallowed the next one");
    }
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && let Some(yaml) = as_yaml(&value)
    {
        let [json, yaml] = [value.to_string(), yaml].map(|text| Read::of(&text, Reader::new("default")));
        assert_eq!(json.told, yaml.told, "JSON and YAML of one object");
    }
}

/// A policy is compiled or says what is wrong with it, the same every time.
pub(crate) fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut policies = Vec::new();
    Reader::new("default").read("-".into(), text, &mut |change| {
        if let Change::Policy(record) = change {
            policies.push(record);
        }
    });
    // Most of what is tried is no whole policy; as a spec it may still be read far.
    if let Ok(spec) = serde_json::from_str(text) {
        policies.push(PolicyRecord {
            name: "p".into(),
            uid: "".into(),
            generation: 1,
            observed_generation: 0,
            spec,
            source: None,
        });
    }
    for mut record in policies {
        let compiled = CompiledPolicy::compile(&record);
        assert!(compiled.rules.is_sorted_by(|a, b| a.id < b.id), "no rule stands twice");
        assert!(
            !compiled.rules.is_empty() || !compiled.problems.is_empty(),
            "a policy that does nothing says why"
        );
        record.spec = serde_json::from_str(&record.spec.to_string()).unwrap();
        let again = CompiledPolicy::compile(&record);
        assert_eq!(again.spec_sha256, compiled.spec_sha256);
        assert_eq!(format!("{:?}", again.problems), format!("{:?}", compiled.problems));
        assert_eq!(again.rules.len(), compiled.rules.len());
    }
}

/// What is read of a text, but for the lines of objects.
#[derive(Debug, PartialEq)]
struct Read {
    told: Vec<String>,
    names: Vec<String>,
    errors: String,
    lines: Vec<u32>,
    counts: [usize; 4],
}

impl Read {
    fn of(text: &str, mut reader: Reader) -> Self {
        let (mut told, mut names) = (Vec::new(), Vec::new());
        reader.read("-".into(), text, &mut |mut change| {
            match &mut change {
                Change::Pod(record) => {
                    names.push(record.name().to_owned());
                    record.source = None;
                }
                Change::Policy(record) => record.source = None,
                Change::Unsupported(object) => object.source = None,
                _ => {}
            }
            told.push(format!("{change:?}"));
        });
        let errors = reader.errors.iter().map(|error| format!("{error}\n")).collect();
        let lines = reader.errors.iter().map(|error| error.line).collect();
        let counts = [reader.documents, reader.objects, reader.foreign, reader.more_errors];
        Self { told, names, errors, lines, counts }
    }
}

/// The object as block YAML; none for what this writer does not write.
fn as_yaml(value: &Value) -> Option<String> {
    let mut out = String::new();
    let object = value.as_object().is_some_and(|fields| !fields.is_empty());
    (object && write_yaml(value, 0, &mut out)).then_some(out)
}

fn write_yaml(value: &Value, depth: usize, out: &mut String) -> bool {
    let pad = |out: &mut String| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    };
    match value {
        _ if depth > 60 => return false,
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                // A merge key has no counterpart in JSON.
                if key == "<<" {
                    return false;
                }
                pad(out);
                write_text(key, out);
                out.push_str(": ");
                if !write_yaml(value, depth + 1, out) {
                    return false;
                }
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for value in values {
                pad(out);
                out.push_str("- ");
                if !write_yaml(value, depth + 1, out) {
                    return false;
                }
            }
        }
        Value::String(text) => write_text(text, out),
        other => write!(out, "{other}").unwrap(),
    }
    true
}

/// Plain where it can only be text, else in double quotes.
fn write_text(text: &str, out: &mut String) {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return out.push_str(text);
    }
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => write!(out, "\\U{:08x}", u32::from(other)).unwrap(),
        }
    }
    out.push('"');
}
