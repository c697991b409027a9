//! From a policy as written to the rules it runs. Nothing stops the rest: what cannot be used is a problem
//! with a field, and the other rules run.
//!
//! `spec` is read as raw JSON, rule by rule: a rule's settings are those of the profile, overridden field by field
//! by what the policy sets. Null is refused everywhere, since an empty `pullPolicyAlways:` would silently switch a
//! rule off and an empty `mode:` would silently undo a profile's setting.
//!
//! What the API server has already dropped cannot be seen here. Under `rules` it keeps everything for us (see
//! [`super::spec`]); elsewhere an unknown field is refused or dropped depending on how the client asks, and an empty
//! one is dropped. In files everything is seen.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::delegation::Delegation;
use super::exemption::Exemption;
pub use super::problem::Problem;
use super::problem::{Reader, kind_of, nearest as nearest_of, null_within, quoted, unknown_field};
use super::profile::{self, Profile};
use super::scope::Scope;
use crate::decode::PolicyRecord;
use crate::rules::{CATALOGUE, Entry, PreparedRule, RuleId, nearest};
use crate::subject::Resource;

/// A policy, ready to judge.
#[derive(Debug)]
pub struct CompiledPolicy {
    /// `metadata.name`
    pub name: Arc<str>,
    /// `metadata.uid`; empty in files
    pub uid: Arc<str>,
    /// `metadata.generation`; 0 in files
    pub generation: i64,
    /// `status.observedGeneration` when the policy was last read
    pub observed_generation: i64,
    /// Name of the profile, and its version.
    pub profile: Option<(&'static str, &'static str)>,
    /// SHA-256 over the canonical JSON of the spec, in hex.
    pub spec_sha256: Box<str>,
    /// What is judged.
    pub scope: Scope,
    /// The effective rules, sorted by [`RuleId`].
    pub rules: Box<[PreparedRule]>,
    /// How many of them are set in the policy itself (the others come from the profile).
    pub rules_set_here: u32,
    /// Dated permissions.
    pub exemptions: Box<[Exemption]>,
    /// What tenants may ask for.
    pub delegation: Box<[Delegation]>,
    /// What could not be used.
    pub problems: Box<[Problem]>,
}

impl CompiledPolicy {
    /// The kinds that it reads, beside those that always are: what its rules read, or would if they may, workloads where it judges their
    /// templates, and the controllers that confirm the owners which its exemptions name, or which those may name that
    /// it lets tenants ask for.
    pub fn needs(&self) -> impl Iterator<Item = Resource> + '_ {
        let templates = self.scope.include_templates.then_some(Resource::TEMPLATES);
        let named = self.exemptions.iter().flat_map(Exemption::confirmed_by);
        let nameable = (!self.delegation.is_empty()).then_some(Resource::CONTROLLERS);
        let rules = self.rules.iter().flat_map(PreparedRule::reads);
        let also = self.rules.iter().flat_map(|rule| rule.id.also_reads().iter().copied());
        let rules = rules.chain(also);
        rules.chain(templates.into_iter().flatten()).chain(named).chain(nameable.into_iter().flatten())
    }

    /// Compiles what is written. Never fails: see [`Self::problems`].
    pub fn compile(record: &PolicyRecord) -> Self {
        let mut policy = Self {
            name: record.name.as_ref().into(),
            uid: record.uid.as_ref().into(),
            generation: record.generation,
            observed_generation: record.observed_generation,
            profile: None,
            spec_sha256: sha256(&record.spec),
            scope: Scope::nothing(),
            rules: Box::default(),
            rules_set_here: 0,
            exemptions: Box::default(),
            delegation: Box::default(),
            problems: Box::default(),
        };
        let mut problems = Vec::new();
        let known = ["profile", "scope", "rules", "exemptions", "delegation"];
        if let Some(mut spec) = Reader::new(&record.spec, "spec", &known, &mut problems) {
            // An empty `scope:` is a problem already, and no scope that could be meant.
            let scope_is_null = record.spec.get("scope").is_some_and(Value::is_null);
            policy.scope = match spec.value("scope") {
                Some(scope) => {
                    let (scope, found) = Scope::compile(scope);
                    spec.problems().extend(found);
                    scope
                }
                None if scope_is_null => Scope::nothing(),
                None => Scope::default(),
            };
            let profile = spec.value("profile").and_then(|profile| find_profile(profile, spec.problems()));
            policy.profile = profile.map(|profile| (profile.name, profile.version));
            let own = match spec.value("rules") {
                Some(Value::Object(rules)) => rules,
                Some(other) => {
                    spec.wrong("rules", format!("expected rules, found {}", kind_of(other)));
                    &Map::new()
                }
                None => &Map::new(),
            };
            (policy.rules, policy.rules_set_here) = compile_rules(profile, own, spec.problems());
            if let Some(exemptions) = spec.value("exemptions") {
                policy.exemptions = Exemption::compile_all(exemptions, spec.problems());
            }
            if let Some(delegation) = spec.value("delegation") {
                policy.delegation = Delegation::compile_all(delegation, spec.problems());
            }
        }
        if policy.rules.is_empty() && problems.is_empty() {
            problems.push(Problem::setting(
                "spec.rules",
                "no rule is active: name a profile, or at least one rule here",
            ));
        }
        policy.problems = problems.into();
        policy
    }

    /// An effective rule.
    pub fn rule(&self, id: RuleId) -> Option<&PreparedRule> {
        let at = self.rules.binary_search_by_key(&id, |rule| rule.id).ok()?;
        Some(&self.rules[at])
    }

    /// How many effective rules come from the profile, untouched by the policy.
    pub fn from_profile_count(&self) -> u32 {
        let rules = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        rules.saturating_sub(self.rules_set_here)
    }
}

/// The policy that `revisor audit` uses when none is given: the profile of this name, in its first version, over
/// everything.
pub fn builtin(profile: &str) -> PolicyRecord {
    PolicyRecord {
        name: profile.to_ascii_lowercase().into(),
        uid: Box::default(),
        generation: 0,
        observed_generation: 0,
        spec: serde_json::json!({ "profile": { "name": profile, "version": "v1" } }),
        source: None,
    }
}

/// Takes the `spec` out of an ImagePolicy as the API server tells it, with the empty fields of the manifest that it
/// was applied from: see [`restore_nulls`].
pub fn take_spec(object: &mut Value) -> Value {
    let mut spec = object.get_mut("spec").map(Value::take).unwrap_or_default();
    let applied = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
    if let Some(applied) = object.pointer(applied).and_then(Value::as_str) {
        restore_nulls(&mut spec, applied);
    }
    spec
}

/// Puts back the empty fields that client-side `kubectl apply` has taken out on the way to the server, so that they
/// are told like any other mistake: rules, and the lists of an exemption. `last_applied` is the annotation
/// `kubectl.kubernetes.io/last-applied-configuration`, the manifest as written. Only nulls come back, and only where
/// `spec` has nothing: the annotation may be older than the spec.
pub fn restore_nulls(spec: &mut Value, last_applied: &str) {
    let Ok(applied) = serde_json::from_str::<Value>(last_applied) else { return };
    let Some(spec) = spec.as_object_mut() else { return };
    if let Some(rules) = applied.pointer("/spec/rules").filter(|rules| has_null(rules)) {
        restore_nulls_of(spec.entry("rules").or_insert_with(|| Value::Object(Map::new())), rules);
    }
    // Delegations have no names, so only those count that stand where they stood.
    if let (Some(delegations), Some(applied)) = (
        spec.get_mut("delegation").and_then(Value::as_array_mut),
        applied.pointer("/spec/delegation").and_then(Value::as_array),
    ) && delegations.len() == applied.len()
    {
        delegations.iter_mut().zip(applied).for_each(|(now, applied)| restore_nulls_of(now, applied));
    }
    let (Some(exemptions), Some(applied)) = (
        spec.get_mut("exemptions").and_then(Value::as_array_mut),
        applied.pointer("/spec/exemptions").and_then(Value::as_array),
    ) else {
        return;
    };
    for exemption in exemptions {
        let name = exemption.get("name").cloned();
        if let Some(applied) =
            applied.iter().find(|applied| name.is_some() && applied.get("name") == name.as_ref())
        {
            restore_nulls_of(exemption, applied);
        }
    }
}

fn has_null(object: &Value) -> bool {
    object.as_object().is_some_and(|fields| fields.values().any(Value::is_null))
}

fn restore_nulls_of(object: &mut Value, applied: &Value) {
    let (Some(object), Some(applied)) = (object.as_object_mut(), applied.as_object()) else { return };
    for (name, _) in applied.iter().filter(|(_, field)| field.is_null()) {
        object.entry(name.as_str()).or_insert(Value::Null);
    }
}

fn find_profile(value: &Value, problems: &mut Vec<Problem>) -> Option<&'static Profile> {
    let mut reader = Reader::new(value, "spec.profile", &["name", "version"], problems)?;
    let (name, version) = (reader.text("name"), reader.text("version"));
    for field in ["name", "version"] {
        if reader.value(field).is_none() {
            reader.wrong(
                field,
                "is required: a profile is named with its version, such as name: Baseline, version: v1",
            );
        }
    }
    let (name, version) = (name?, version?);
    if let Some(found) = profile::find(name, version) {
        return reader.is_clean().then_some(found);
    }
    let of_name: Vec<_> = profile::ALL.iter().filter(|profile| profile.name == name).collect();
    if of_name.is_empty() {
        let names = || profile::ALL.iter().map(|profile| profile.name);
        let hint = match nearest_of(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("expected one of {}", names().collect::<Vec<_>>().join(", ")),
        };
        reader.wrong("name", format!("unknown profile {}: {hint}", quoted(name)));
    } else {
        let versions: Vec<_> = of_name.iter().map(|profile| profile.version).collect();
        let message =
            format!("{name} has no version {}: expected {}", quoted(version), versions.join(" or "));
        reader.wrong("version", message);
    }
    None
}

/// The effective rules, sorted, and how many of them the policy itself sets.
fn compile_rules(
    profile: Option<&Profile>,
    own: &Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> (Box<[PreparedRule]>, u32) {
    for key in own.keys() {
        if !RuleId::all().any(|rule| rule.entry().key == key) {
            let hint = match nearest(key) {
                Some(near) => format!("did you mean {}?", near.entry().key),
                None => "`revisor rules` lists all".to_owned(),
            };
            let message = format!("unknown rule {}: {hint}", quoted(key));
            problems.push(Problem::rule(format!("spec.rules.{key}"), message));
        }
    }
    let (mut rules, mut set_here) = (Vec::new(), 0);
    for rule in RuleId::all() {
        let entry = rule.entry();
        let own = own.get(entry.key);
        let settings = match (profile.and_then(|profile| profile.settings(rule)), own) {
            (None, None) => continue,
            (Some(preset), None) => preset,
            (preset, Some(own)) => match merge(entry, preset, own, problems) {
                Some(settings) => settings,
                None => continue,
            },
        };
        match (entry.prepare)(&settings) {
            Ok(Some(prepared)) => {
                rules.push(prepared);
                set_here += u32::from(own.is_some());
            }
            Ok(None) => {}
            Err(error) => {
                let field = match error.field.as_str() {
                    "" => culprit(entry, &settings, &error.message),
                    field => Some(field.to_owned()),
                };
                problems.push(Problem::setting(rule_field(entry, field.as_deref()), error.message));
            }
        }
    }
    accept_alternatives(&mut rules);
    (rules.into(), set_here)
}

/// Joins every rule in whose place another one may pass with that one, as this policy sets it or with its defaults.
fn accept_alternatives(rules: &mut Vec<PreparedRule>) {
    for at in 0..rules.len() {
        let Some(other) = rules[at].wants_alternative().and_then(RuleId::named) else { continue };
        let set = rules.iter().find(|rule| rule.id == other).map(|rule| rule.settings.clone());
        let settings = set.unwrap_or_else(|| Value::Object(Map::new()));
        if let Ok(Some(other)) = (other.entry().prepare)(&settings) {
            let rule = rules.remove(at);
            rules.insert(at, rule.accept(other));
        }
    }
}

fn rule_field(entry: &Entry, field: Option<&str>) -> String {
    match field {
        Some(field) => format!("spec.rules.{}.{field}", entry.key),
        None => format!("spec.rules.{}", entry.key),
    }
}

/// The names of a rule's settings, from its schema. A schema takes longer to make than a policy to compile, so
/// each is made once.
fn settings_of(entry: &Entry) -> Vec<&'static str> {
    static NAMES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        let names = |entry: &Entry| {
            let schema = (entry.schema)();
            let properties = schema.get("properties").and_then(Value::as_object);
            properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
        };
        CATALOGUE.iter().map(names).collect()
    });
    let names = RuleId::named(entry.key).map_or(&[][..], |rule| &NAMES[rule.index()]);
    names.iter().map(String::as_str).collect()
}

/// The profile's settings, overridden field by field. None if the policy's own cannot be used.
fn merge(entry: &Entry, preset: Option<Value>, own: &Value, problems: &mut Vec<Problem>) -> Option<Value> {
    let Value::Object(own) = own else {
        let message = match own {
            Value::Null => {
                "is empty, which would silently switch the rule off: write {} for its defaults, or \
                            {enabled: false}"
                    .to_owned()
            }
            other => format!("expected settings such as {{}}, found {}", kind_of(other)),
        };
        problems.push(Problem::setting(rule_field(entry, None), message));
        return None;
    };
    let before = problems.len();
    let known = settings_of(entry);
    let mut merged = match preset {
        Some(Value::Object(preset)) => preset,
        _ => Map::new(),
    };
    for (name, value) in own {
        if !known.is_empty() && !known.contains(&name.as_str()) {
            problems.push(Problem::setting(rule_field(entry, Some(name)), unknown_field(name, &known)));
        } else if let Some(place) = null_within(value) {
            let field = rule_field(entry, Some(&format!("{name}{place}")));
            problems.push(Problem::setting(field, "is empty: leave it out, or give it a value"));
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    (problems.len() == before).then_some(Value::Object(merged))
}

/// The setting that an error without a field is about: the one that gives the same error when it stands alone.
fn culprit(entry: &Entry, settings: &Value, message: &str) -> Option<String> {
    let alone = |(name, value): (&String, &Value)| {
        let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        let error = (entry.prepare)(&alone).err()?;
        (error.field.is_empty() && error.message == message).then(|| name.clone())
    };
    let settings = settings.as_object().filter(|settings| settings.len() > 1 || !settings.is_empty())?;
    settings.iter().find_map(alone)
}

/// SHA-256 over the value's canonical JSON: keys sorted, nothing between the tokens.
fn sha256(value: &Value) -> Box<str> {
    let mut text = String::new();
    write_canonical(value, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Sorted here, since `serde_json::Map` keeps the order of insertion as soon as any crate asks for that feature.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                text.push(if index == 0 { '[' } else { ',' });
                write_canonical(item, text);
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (index, (name, field)) in fields.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(field, text);
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
