//! What one object means: which changes the auditor is told.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::ManifestError;
use super::kinds::{Role, TEMPLATE, group_of, role};
use super::object::{Controller, Object, label, place_uid, qualified};
use super::search::search;
use super::tree::type_of;
use crate::decode::pod::{LAST_APPLIED, PodRecord, TemplateOwner};
use crate::decode::{
    Change, JobRecord, PolicyRecord, Source, UnsupportedObject, namespace, network_policy, object,
};
use crate::subject::Resource;
use crate::subject::pod::PodShape;
use crate::subject::uid::parse_uid;

/// Where an object stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'f> {
    pub(super) file: &'f Arc<str>,
    pub(super) document: u32,
    pub(super) line: u32,
    /// What tells it from every other one of the file: where it begins, or the document's number.
    pub(super) at: u64,
    /// Its place in the document's List.
    pub(super) item: Option<usize>,
}

impl Place<'_> {
    pub(super) fn error(&self, message: String) -> ManifestError {
        ManifestError {
            file: self.file.clone(),
            document: self.document,
            line: self.line,
            column: None,
            message,
        }
    }

    pub(super) fn source(&self) -> Source {
        Source { file: self.file.clone(), line: self.line }
    }
}

/// What became of an object.
#[derive(Debug)]
pub(super) enum Told {
    /// The auditor was told, or there was nothing to tell.
    Changes,
    /// Its kind is not known, and it names no image.
    Unknown(String),
    /// It is no object of a cluster; this is what to do with it.
    Hint(String),
}

/// Tells the auditor about one object.
pub(super) struct Telling<'t> {
    pub(super) default_namespace: &'t Arc<str>,
    pub(super) place: Place<'t>,
    pub(super) sink: &'t mut dyn FnMut(Change),
    /// The pod template, where it was read as it came: the tree has nothing in its place.
    pub(super) template: Option<PodRecord>,
}

impl Telling<'_> {
    /// Tells about `value`. The error says what was expected.
    pub(super) fn tell(&mut self, mut value: Value, api_version: &str, kind: &str) -> Result<Told, String> {
        let role = role(group_of(api_version), kind);
        match role {
            Role::Harmless => return Ok(Told::Changes),
            Role::Kustomization => return Ok(Told::Hint(kustomization(self.place.file))),
            Role::ImagePolicy => return self.policy(&mut value, api_version, kind),
            Role::Pod | Role::NetworkPolicy => self.complete(&mut value),
            Role::Object(resource) if resource.is_namespaced() => self.complete(&mut value),
            _ => {}
        }
        let object = match Object::read(&value, api_version, kind) {
            Ok(object) => object,
            // Configuration files of Kubernetes' own programs have kinds and no metadata.
            Err(_) if role == Role::Unknown && search(&value).is_empty() => {
                return Ok(Told::Unknown(qualified(group_of(api_version), kind)));
            }
            Err(error) => return Err(error),
        };
        if let Some(resource) = Resource::of_controller(group_of(api_version), kind)
            && let Some(facts) = match &self.template {
                Some(template) => object::controller_in(resource, &value, template, self.namespace(&object)),
                None => object::read_in(resource, &value, self.namespace(&object)),
            }
        {
            (self.sink)(Change::Object(facts));
        }
        match role {
            Role::Pod => self.pod(&object),
            Role::Workload(path) => self.workload(&object, path, None)?,
            Role::ReplicaSet => {
                let owner = object.controller();
                // A Deployment keeps its former ReplicaSets, scaled to nothing.
                if owner.is_none() || object.at(&["spec", "replicas"]).and_then(Value::as_i64) != Some(0) {
                    self.workload(&object, TEMPLATE, owner)?;
                }
            }
            Role::Job => self.job(&object)?,
            Role::Namespace => {
                self.told(namespace::read(&value), &object, |(name, facts)| Change::Namespace(name, facts))?;
            }
            Role::NetworkPolicy => {
                self.told(network_policy::read(&value), &object, |(at, facts)| {
                    Change::NetworkPolicy(at, facts)
                })?;
            }
            Role::Object(resource) => {
                self.told(object::read(resource, &value), &object, Change::Object)?;
            }
            Role::Unknown | Role::ImagePolicy | Role::Kustomization | Role::Harmless => {
                return self.unknown(&object);
            }
        }
        Ok(Told::Changes)
    }

    fn told<T>(
        &mut self,
        read: Option<T>,
        object: &Object<'_>,
        change: fn(T) -> Change,
    ) -> Result<(), String> {
        let read =
            read.ok_or_else(|| format!("{}: expected usable metadata", label(object.kind, object.name)))?;
        (self.sink)(change(read));
        Ok(())
    }

    fn namespace<'o>(&'o self, object: &Object<'o>) -> &'o str {
        object.namespace.unwrap_or(self.default_namespace)
    }

    fn uid(&self, object: &Object<'_>, path: &str) -> u128 {
        let item = self.place.item.map_or(0, |item| item as u64 + 1);
        let numbers = [self.place.at, item];
        place_uid(self.place.file, numbers, object, self.namespace(object), path)
    }

    /// Writes the default namespace, and the name's prefix as a name, into an object that has none.
    fn complete(&self, value: &mut Value) {
        let Some(Value::Object(metadata)) = value.get_mut("metadata") else { return };
        let lacks = |metadata: &Map<String, Value>, field: &str| match metadata.get(field) {
            None | Some(Value::Null) => true,
            Some(value) => value.as_str().is_some_and(str::is_empty),
        };
        if lacks(metadata, "namespace") {
            metadata.insert("namespace".to_owned(), Value::from(&**self.default_namespace));
        }
        if lacks(metadata, "name")
            && let Some(prefix) = metadata.get("generateName").cloned()
        {
            metadata.insert("name".to_owned(), prefix);
        }
    }

    fn pod(&mut self, object: &Object<'_>) {
        let mut record = PodRecord::from_value(object.value);
        record.flags |= as_written(object);
        record.uid = object.uid().map_or_else(|| self.uid(object, ""), parse_uid);
        record.source = Some(self.place.source());
        (self.sink)(Change::Pod(record));
    }

    /// Tells about the pods of a workload, reported under `owner` where there is one.
    fn workload(
        &mut self,
        object: &Object<'_>,
        path: &[&str],
        owner: Option<Controller<'_>>,
    ) -> Result<(), String> {
        if self.template.is_some() {
            self.template(object, &path.join("."), &Value::Null, owner);
            return Ok(());
        }
        let template = object.at(path).unwrap_or(&Value::Null);
        let expected = |what: &str, found: &Value| {
            let found = type_of(found);
            Err(format!(
                "{}: expected {what}, found {found} (is this a patch?)",
                label(object.kind, object.name)
            ))
        };
        if !template.is_object() {
            return expected(&format!("a pod template at {}", path.join(".")), template);
        }
        // A pod without containers is none: it must not come out clean.
        let containers = template.get("spec").and_then(|spec| spec.get("containers")).unwrap_or(&Value::Null);
        if containers.is_null() || containers.as_array().is_some_and(Vec::is_empty) {
            return expected(&format!("containers at {}.spec.containers", path.join(".")), containers);
        }
        self.template(object, &path.join("."), template, owner);
        Ok(())
    }

    fn template(&mut self, object: &Object<'_>, path: &str, template: &Value, owner: Option<Controller<'_>>) {
        let uid = object.uid().filter(|_| path == TEMPLATE_PATH);
        let uid = uid.map_or_else(|| self.uid(object, path), parse_uid);
        let own = Controller {
            api_version: object.api_version,
            kind: object.kind,
            name: object.name,
            uid: object.uid().unwrap_or_default(),
        };
        let Controller { api_version, kind, name, uid: owner_uid } = owner.unwrap_or(own);
        let path: Vec<&str> = path.split('.').collect();
        let annotation = object.at(&["metadata", "annotations", LAST_APPLIED]).and_then(Value::as_str);
        let last_applied = annotation.map(|annotation| (annotation, &*path));
        let read = self.template.take();
        let namespace = self.namespace(object);
        let owner = TemplateOwner { api_version, kind, name, namespace, uid: owner_uid, last_applied };
        let source = Some(self.place.source());
        let mut record = match read {
            Some(record) => record.of_owner(&owner, uid, source),
            None => PodRecord::from_template(&owner, template, uid, source),
        };
        record.flags |= as_written(object);
        (self.sink)(Change::Pod(record));
    }

    fn job(&mut self, object: &Object<'_>) -> Result<(), String> {
        let owner = object.controller();
        if let Some(uid) = object.uid() {
            let cron_job = owner.filter(|owner| owner.kind == "CronJob").map(|owner| owner.name.into());
            let namespace = self.namespace(object).into();
            (self.sink)(Change::Job(JobRecord {
                uid: parse_uid(uid),
                namespace,
                name: object.name.into(),
                cron_job,
            }));
        }
        // The template of a Job that has ended starts no pod any more.
        if object::stand_in::has_ended(object.value) {
            return Ok(());
        }
        self.workload(object, TEMPLATE, owner)
    }

    fn policy(&mut self, value: &mut Value, api_version: &str, kind: &str) -> Result<Told, String> {
        if api_version != "revisor.dev/v1alpha1" {
            return Err(format!("{kind}: expected apiVersion revisor.dev/v1alpha1, found {api_version}"));
        }
        let spec = value.get_mut("spec").map(Value::take);
        let object = Object::read(value, api_version, kind)?;
        let spec = match spec {
            Some(spec @ Value::Object(_)) => spec,
            other => {
                let found = type_of(&other.unwrap_or_default());
                return Err(format!(
                    "{}: expected an object at spec, found {found}",
                    label(kind, object.name)
                ));
            }
        };
        let number = |path: &[&str]| object.at(path).and_then(Value::as_i64).unwrap_or_default();
        (self.sink)(Change::Policy(PolicyRecord {
            name: object.name.into(),
            uid: object.uid().unwrap_or_default().into(),
            generation: number(&["metadata", "generation"]),
            observed_generation: number(&["status", "observedGeneration"]),
            spec,
            source: Some(self.place.source()),
        }));
        Ok(Told::Changes)
    }

    fn unknown(&mut self, object: &Object<'_>) -> Result<Told, String> {
        let found = search(object.value);
        for (path, template) in &found.templates {
            self.template(object, path, template, None);
        }
        if let Some(image) = found.image {
            let namespace = self.namespace(object).into();
            (self.sink)(Change::Unsupported(UnsupportedObject {
                namespace,
                kind: object.kind.into(),
                name: object.name.into(),
                image: image.into(),
                source: Some(self.place.source()),
            }));
        }
        if found.is_empty() {
            return Ok(Told::Unknown(qualified(object.group(), object.kind)));
        }
        Ok(Told::Changes)
    }
}

/// [`PodShape::AS_WRITTEN`] for what no API server has seen: it fills in defaults, and gives a uid.
fn as_written(object: &Object<'_>) -> u8 {
    let given = |field| object.at(&["metadata", field]).is_some_and(|value| !value.is_null());
    match ["uid", "resourceVersion"].into_iter().any(given) {
        true => 0,
        false => PodShape::AS_WRITTEN,
    }
}

const TEMPLATE_PATH: &str = "spec.template";

fn kustomization(file: &str) -> String {
    let folder = file.rsplit_once('/').map_or(".", |(folder, _)| folder);
    format!("{file} is a kustomization: audit what it makes, `kubectl kustomize {folder} | revisor audit -`")
}
