//! What a write may change: the rules of create, update, patch and delete.
//!
//! A write that changes nothing is not a write: it gets no new resourceVersion
//! and no watch hears of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::clock::rfc3339;
use super::object::{Applied, StoredObject, member_mut, metadata_mut, text};
use super::patch;
use super::refusal::Refusal;
use super::resource::ResourceType;
use super::store::Store;

/// Which part of an object a write reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything but the status, where `/status` exists.
    Main,
    /// The status only.
    Status,
    /// Everything: a scenario speaking for the whole cluster.
    Whole,
}

/// A patch by its media type.
#[derive(Clone, Debug)]
pub(super) enum Patch {
    Merge(Value),
    Apply { manager: String, intent: Value },
}

/// Where a write goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) kind: &'a ResourceType,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) part: Part,
}

impl Store {
    /// Creates an object; `part` is `Main` or `Whole`.
    pub(super) fn create(
        &mut self,
        place: Place<'_>,
        mut object: Value,
    ) -> Result<Arc<StoredObject>, Refusal> {
        let kind = place.kind;
        check_type(kind, &object)?;
        self.settle_name(place, &mut object)?;
        let name = text(&object, "name");
        if kind.namespaced && !self.namespace_exists(place.namespace) {
            return Err(Refusal::not_found(&self.namespaces(), place.namespace));
        }
        if self.get(kind, place.namespace, &name).is_some() {
            return Err(Refusal::already_exists(kind, &name));
        }
        if place.part == Part::Main {
            if !text(&object, "resourceVersion").is_empty() {
                let message = "resourceVersion should not be set on objects to be created";
                return Err(Refusal::bad_request(message));
            }
            for given in ["uid", "creationTimestamp", "generation", "managedFields"] {
                metadata_mut(&mut object).remove(given);
            }
            if kind.status {
                object["status"] = if kind.custom { Value::Null } else { json!({}) };
                drop_null_status(&mut object);
            }
        }
        self.fill_metadata(place, &mut object);
        fill_defaults(kind, &mut object);
        let stored = self.put(kind, &mut object, Arc::default());
        self.after_put(kind, &object);
        Ok(stored)
    }

    /// Replaces an object by a PUT.
    pub(super) fn replace(&mut self, place: Place<'_>, object: Value) -> Result<Arc<StoredObject>, Refusal> {
        let old = self.existing(place)?;
        check_type(place.kind, &object)?;
        check_identity(place, &object)?;
        if text(&object, "resourceVersion").is_empty() && must_name_version(place) {
            let problem = "Invalid value: 0: must be specified for an update";
            let field = "metadata.resourceVersion";
            return Err(Refusal::invalid(place.kind, place.name, field, problem));
        }
        check_version(place, &old, &object)?;
        Ok(self.commit(place, &old, object, Arc::clone(&old.applied)))
    }

    /// Patches an object; the flag says whether an apply created it.
    pub(super) fn patch(
        &mut self,
        place: Place<'_>,
        patch: Patch,
    ) -> Result<(Arc<StoredObject>, bool), Refusal> {
        let (Patch::Merge(change) | Patch::Apply { intent: change, .. }) = &patch;
        if !change.is_object() {
            return Err(Refusal::bad_request("the patch is not an object"));
        }
        check_identity(place, change)?;
        let Some(old) = self.get(place.kind, place.namespace, place.name) else {
            return self.create_by_apply(place, patch);
        };
        check_version(place, &old, change)?;
        let mut object = old.value();
        let mut applied = Arc::clone(&old.applied);
        match patch {
            Patch::Merge(change) => patch::merge(&mut object, &change),
            Patch::Apply { manager, mut intent } => {
                check_type(place.kind, &intent)?;
                metadata_mut(&mut intent).remove("resourceVersion");
                let owner = owner(place.part, &manager);
                patch::apply(&mut object, applied.get(&owner), &intent);
                if applied.get(&owner) != Some(&intent) {
                    let mut updated = BTreeMap::clone(&applied);
                    updated.insert(owner, intent);
                    applied = Arc::new(updated);
                }
            }
        }
        Ok((self.commit(place, &old, object, applied), false))
    }

    /// Deletes an object, a namespace with all that is in it.
    pub(super) fn delete(&mut self, place: Place<'_>, options: &Value) -> Result<Arc<StoredObject>, Refusal> {
        let old = self.existing(place)?;
        let asked = &options["preconditions"];
        let version = old.version.to_string();
        if asked["uid"].as_str().is_some_and(|uid| uid != old.uid)
            || asked["resourceVersion"].as_str().is_some_and(|asked| asked != version)
        {
            return Err(Refusal::conflict(place.kind, place.name));
        }
        let last = self.empty_namespace(place.kind, &old);
        let removed = self.remove(place.kind, &last);
        if is_crd(place.kind) {
            self.undefine(&removed.value());
        }
        Ok(removed)
    }

    fn existing(&self, place: Place<'_>) -> Result<Arc<StoredObject>, Refusal> {
        self.get(place.kind, place.namespace, place.name)
            .ok_or_else(|| Refusal::not_found(place.kind, place.name))
    }

    fn create_by_apply(
        &mut self,
        place: Place<'_>,
        patch: Patch,
    ) -> Result<(Arc<StoredObject>, bool), Refusal> {
        let Patch::Apply { manager, intent } = patch else {
            return Err(Refusal::not_found(place.kind, place.name));
        };
        if place.part == Part::Status {
            return Err(Refusal::not_found(place.kind, place.name));
        }
        if place.part == Part::Main && !text(&intent, "resourceVersion").is_empty() {
            return Err(Refusal::conflict(place.kind, place.name));
        }
        let created = self.create(place, intent.clone())?;
        let applied = BTreeMap::from([(owner(place.part, &manager), intent)]);
        // The managers are remembered beside the object, not in it: no new version.
        let stored = self.adopt(place.kind, &created, Arc::new(applied));
        Ok((stored, true))
    }

    /// Stores what a write made of an object, unless that changed nothing.
    fn commit(
        &mut self,
        place: Place<'_>,
        old: &Arc<StoredObject>,
        mut object: Value,
        applied: Applied,
    ) -> Arc<StoredObject> {
        let kind = place.kind;
        let before = old.value();
        match place.part {
            Part::Status => {
                let status = object["status"].take();
                object = before.clone();
                object["status"] = status;
            }
            Part::Main if kind.status => object["status"] = before["status"].clone(),
            Part::Whole if object.get("status").is_none() => {
                object["status"] = before["status"].clone();
            }
            Part::Main | Part::Whole => {}
        }
        drop_null_status(&mut object);
        keep_identity(&before, &mut object);
        fill_defaults(kind, &mut object);
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.clone().into();
        if kind.generation && spec_differs(kind, &before, &object) {
            let generation = before["metadata"]["generation"].as_u64().unwrap_or(1) + 1;
            object["metadata"]["generation"] = generation.into();
        }
        if object == before {
            return self.adopt(kind, old, applied);
        }
        let stored = self.put(kind, &mut object, applied);
        self.after_put(kind, &object);
        stored
    }

    fn after_put(&mut self, kind: &ResourceType, object: &Value) {
        if is_crd(kind) {
            self.define(object);
        }
    }

    /// Deletes what is in a namespace, after showing it as Terminating.
    fn empty_namespace(&mut self, kind: &ResourceType, namespace: &Arc<StoredObject>) -> Arc<StoredObject> {
        if !is_namespace(kind) {
            return Arc::clone(namespace);
        }
        let mut object = namespace.value();
        object["metadata"]["deletionTimestamp"] = rfc3339(SystemTime::now()).into();
        object["status"]["phase"] = "Terminating".into();
        let last = self.put(kind, &mut object, Arc::clone(&namespace.applied));
        for inside in self.catalogue.types().to_vec() {
            if inside.namespaced {
                for object in self.objects(&inside, Some(&namespace.name)) {
                    self.remove(&inside, &object);
                }
            }
        }
        last
    }

    fn namespaces(&self) -> Arc<ResourceType> {
        self.catalogue
            .served("", "v1", "namespaces")
            .unwrap_or_else(|| Arc::new(ResourceType::custom("", "v1", "namespaces", "Namespace")))
    }

    pub(super) fn namespace_exists(&self, name: &str) -> bool {
        self.get(&self.namespaces(), "", name).is_some()
    }

    fn settle_name(&mut self, place: Place<'_>, object: &mut Value) -> Result<(), Refusal> {
        let kind = place.kind;
        let prefix = text(object, "generateName");
        let mut name = text(object, "name");
        if name.is_empty() && !prefix.is_empty() {
            let number = mix(self.next_number());
            name = format!("{prefix}{:05x}", number & 0xf_ffff);
            metadata_mut(object).insert("name".into(), name.clone().into());
        }
        if name.is_empty() {
            let problem = "Required value: name or generateName is required";
            return Err(Refusal::invalid(kind, "", "metadata.name", problem));
        }
        if !is_subdomain(&name) {
            let problem = format!(
                "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower \
                 case alphanumeric characters, '-' or '.', and must start and end with an \
                 alphanumeric character"
            );
            return Err(Refusal::invalid(kind, &name, "metadata.name", &problem));
        }
        check_identity(Place { name: &name, ..place }, object)
    }

    fn fill_metadata(&mut self, place: Place<'_>, object: &mut Value) {
        object["apiVersion"] = place.kind.api_version().into();
        object["kind"] = place.kind.kind.clone().into();
        let number = self.next_number();
        let metadata = metadata_mut(object);
        if place.kind.namespaced {
            metadata.insert("namespace".into(), place.namespace.into());
        }
        metadata.entry("uid").or_insert_with(|| uid(number).into());
        metadata.entry("creationTimestamp").or_insert_with(|| rfc3339(SystemTime::now()).into());
        if place.kind.generation {
            metadata.entry("generation").or_insert_with(|| 1.into());
        }
    }
}

/// Each manager owns apart what it applied to the object and to its status.
fn owner(part: Part, manager: &str) -> String {
    if part == Part::Status { format!("{manager}/status") } else { manager.to_owned() }
}

fn is_namespace(kind: &ResourceType) -> bool {
    kind.group.is_empty() && kind.plural == "namespaces"
}

fn is_crd(kind: &ResourceType) -> bool {
    kind.plural == "customresourcedefinitions" && kind.group == "apiextensions.k8s.io"
}

/// Kinds whose unconditional PUT the real server refuses.
fn must_name_version(place: Place<'_>) -> bool {
    place.part != Part::Whole && (place.kind.custom || place.kind.plural == "leases")
}

fn check_type(kind: &ResourceType, object: &Value) -> Result<(), Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the body of the request is not an object"));
    }
    let api_version = kind.api_version();
    let differs =
        |field: &str, expected: &str| object.get(field).is_some_and(|found| found.as_str() != Some(expected));
    if differs("kind", &kind.kind) || differs("apiVersion", &api_version) {
        return Err(Refusal::bad_request(format!(
            "{} {} cannot be handled as a {} in version {api_version}",
            object["apiVersion"], object["kind"], kind.kind
        )));
    }
    Ok(())
}

fn check_identity(place: Place<'_>, object: &Value) -> Result<(), Refusal> {
    let name = text(object, "name");
    if !name.is_empty() && name != place.name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            place.name
        )));
    }
    let namespace = text(object, "namespace");
    if place.kind.namespaced && !namespace.is_empty() && namespace != place.namespace {
        return Err(Refusal::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the \
             request ({namespace}, {})",
            place.namespace
        )));
    }
    Ok(())
}

fn check_version(place: Place<'_>, old: &StoredObject, asked: &Value) -> Result<(), Refusal> {
    let version = text(asked, "resourceVersion");
    let uid = text(asked, "uid");
    let stale = !version.is_empty() && version != old.version.to_string();
    if place.part != Part::Whole && (stale || (!uid.is_empty() && uid != old.uid)) {
        return Err(Refusal::conflict(place.kind, place.name));
    }
    Ok(())
}

fn drop_null_status(object: &mut Value) {
    if let Some(fields) = object.as_object_mut()
        && fields.get("status").is_some_and(Value::is_null)
    {
        fields.remove("status");
    }
}

/// What no write changes.
fn keep_identity(before: &Value, object: &mut Value) {
    let metadata = metadata_mut(object);
    for field in ["name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion"] {
        match before["metadata"].get(field) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None => metadata.remove(field),
        };
    }
}

fn spec_differs(kind: &ResourceType, before: &Value, after: &Value) -> bool {
    let spec = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("metadata");
            if kind.status {
                fields.remove("status");
            }
        }
        object
    };
    spec(before) != spec(after)
}

/// The few defaults of the real server that clients read.
fn fill_defaults(kind: &ResourceType, object: &mut Value) {
    if is_namespace(kind) {
        let name = text(object, "name");
        let metadata = metadata_mut(object);
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        labels["kubernetes.io/metadata.name"] = name.into();
        member_mut(object, "spec").entry("finalizers").or_insert_with(|| json!(["kubernetes"]));
        member_mut(object, "status").entry("phase").or_insert_with(|| "Active".into());
    } else if kind.group.is_empty() && kind.plural == "pods" {
        member_mut(object, "status").entry("phase").or_insert_with(|| "Pending".into());
    } else if is_crd(kind) {
        super::custom::establish(object);
    }
}

fn is_subdomain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = name.as_bytes().first().zip(name.as_bytes().last());
    name.len() <= 253
        && edges.is_some_and(|(first, last)| allowed(*first) && allowed(*last))
        && name.bytes().all(|byte| allowed(byte) || byte == b'-' || byte == b'.')
}

/// Looks random and is the same in every run.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn uid(number: u64) -> String {
    let (high, low) = (mix(number), mix(!number));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
