//! What a scenario does to the cluster by calling the handle: no HTTP, no
//! permissions, no faults, nothing recorded. A mistake in a scenario panics.

use serde_json::{Value, json};
use std::sync::Arc;

use super::ApiServer;
use super::object::{StoredObject, text};
use super::refusal::Refusal;
use super::resource::ResourceType;
use super::write::{Part, Patch, Place};

/// The field manager of [`ApiServer::apply`].
const MANAGER: &str = "scenario";

impl ApiServer {
    /// Creates an object as given, status, uid and creation time included, and its
    /// namespace (`default` if it names none) where that does not exist.
    ///
    /// # Panics
    ///
    /// If the kind is not served, the name is bad or the object exists.
    #[track_caller]
    pub fn create(&self, object: Value) -> Value {
        let kind = self.kind_of(&object);
        let namespace = self.settle_namespace(&kind, &object);
        let name = text(&object, "name");
        let place = Place { kind: &kind, namespace: &namespace, name: &name, part: Part::Whole };
        let created = self.shared.store().create(place, object);
        self.done(created)
    }

    /// Replaces an object; a status is kept if none is given, versions do not matter.
    ///
    /// # Panics
    ///
    /// If the object does not exist.
    #[track_caller]
    pub fn update(&self, object: Value) -> Value {
        let kind = self.kind_of(&object);
        let namespace = namespace_of(&kind, &object);
        let name = text(&object, "name");
        let place = Place { kind: &kind, namespace: &namespace, name: &name, part: Part::Whole };
        let updated = self.shared.store().replace(place, object);
        self.done(updated)
    }

    /// Creates or changes the objects of a YAML or JSON text of one or more
    /// documents; what an earlier call set and this one leaves out is removed.
    ///
    /// # Panics
    ///
    /// If the text cannot be read or an object cannot be stored.
    #[track_caller]
    pub fn apply(&self, documents: &str) -> Vec<Value> {
        let mut applied = Vec::new();
        for document in split_documents(documents) {
            let object: Value = match serde_saphyr::from_str(&document) {
                Ok(object) => object,
                Err(error) => panic!("cannot read the document: {error}\n{document}"),
            };
            match object["items"].as_array() {
                Some(items) => applied.extend(items.iter().map(|item| self.apply_one(item))),
                None if object.is_null() => {}
                None => applied.push(self.apply_one(&object)),
            }
        }
        applied
    }

    /// Merges into the status of an object; null removes a field.
    ///
    /// # Panics
    ///
    /// If the object does not exist.
    #[track_caller]
    pub fn patch_status(&self, kind: &str, namespace: &str, name: &str, status: Value) -> Value {
        self.patch(kind, namespace, name, json!({"status": status}))
    }

    /// Merges into an object, status included; null removes a field.
    ///
    /// # Panics
    ///
    /// If the object does not exist.
    #[track_caller]
    pub fn patch(&self, kind: &str, namespace: &str, name: &str, patch: Value) -> Value {
        let kind = self.kind_named(kind);
        let place = Place { kind: &kind, namespace, name, part: Part::Whole };
        let patched = self.shared.store().patch(place, Patch::Merge(patch));
        self.done(patched.map(|(stored, _)| stored))
    }

    /// Stores an object as it is, in place of the one of its name: nothing is checked, nothing filled in but the
    /// resourceVersion. What cannot be read as a name or a namespace counts as empty.
    ///
    /// # Panics
    ///
    /// If the kind is not served, or `metadata` is neither an object nor missing.
    #[track_caller]
    pub fn plant(&self, mut object: Value) {
        let kind = self.kind_of(&object);
        self.shared.store().put(&kind, &mut object, Arc::default());
        self.shared.records.activity.bump();
    }

    /// Deletes an object (a namespace with all in it) and returns its last state.
    ///
    /// # Panics
    ///
    /// If the object does not exist.
    #[track_caller]
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let kind = self.kind_named(kind);
        let place = Place { kind: &kind, namespace, name, part: Part::Whole };
        let deleted = self.shared.store().delete(place, &Value::Null);
        self.done(deleted)
    }

    /// An object by kind (`Pod`), plural (`pods`) or qualified plural
    /// (`events.events.k8s.io`); the namespace is empty for cluster-scoped kinds.
    #[track_caller]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let kind = self.kind_named(kind);
        let found = self.shared.store().get(&kind, namespace, name);
        found.map(|object| object.value())
    }

    /// All objects of a kind, of one namespace unless that is empty, by namespace and name.
    #[track_caller]
    pub fn list(&self, kind: &str, namespace: &str) -> Vec<Value> {
        let kind = self.kind_named(kind);
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        let found = self.shared.store().objects(&kind, namespace);
        found.iter().map(|object| object.value()).collect()
    }

    /// Whether a plural is served.
    pub fn is_served(&self, plural: &str) -> bool {
        self.shared.store().catalogue.named(plural).is_some()
    }

    /// Serves one more resource from now on.
    pub fn serve(&self, added: ResourceType) {
        self.shared.store().serve(added);
    }

    /// The newest resourceVersion: equal before and after if nothing was written.
    pub fn version(&self) -> u64 {
        self.shared.store().version()
    }

    #[track_caller]
    fn apply_one(&self, object: &Value) -> Value {
        let kind = self.kind_of(object);
        let namespace = self.settle_namespace(&kind, object);
        let name = text(object, "name");
        let place = Place { kind: &kind, namespace: &namespace, name: &name, part: Part::Whole };
        let patch = Patch::Apply { manager: MANAGER.into(), intent: object.clone() };
        let applied = self.shared.store().patch(place, patch);
        self.done(applied.map(|(stored, _)| stored))
    }

    #[track_caller]
    fn done(&self, outcome: Result<Arc<StoredObject>, Refusal>) -> Value {
        self.shared.records.activity.bump();
        match outcome {
            Ok(stored) => stored.value(),
            Err(refusal) => panic!("the scenario was refused: {}", refusal.message),
        }
    }

    #[track_caller]
    fn kind_of(&self, object: &Value) -> Arc<ResourceType> {
        let read = |field: &str| object[field].as_str().unwrap_or_default();
        let found = self.shared.store().catalogue.of_object(read("apiVersion"), read("kind"));
        match found {
            Some(kind) => kind,
            None => panic!("{} {} is not served", read("apiVersion"), read("kind")),
        }
    }

    #[track_caller]
    fn kind_named(&self, name: &str) -> Arc<ResourceType> {
        let found = self.shared.store().catalogue.named(name);
        match found {
            Some(kind) => kind,
            None => panic!("{name} is not served"),
        }
    }

    /// The object's namespace, made if it does not exist.
    fn settle_namespace(&self, kind: &ResourceType, object: &Value) -> String {
        let namespace = namespace_of(kind, object);
        if kind.namespaced && !self.shared.store().namespace_exists(&namespace) {
            self.create(json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace},
            }));
        }
        namespace
    }
}

fn namespace_of(kind: &ResourceType, object: &Value) -> String {
    match (kind.namespaced, text(object, "namespace")) {
        (false, _) => String::new(),
        (true, namespace) if namespace.is_empty() => "default".into(),
        (true, namespace) => namespace,
    }
}

/// Splits at the lines that are `---`; documents of comments only are left out.
fn split_documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let says_something = |document: &String| {
        document.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
    };
    documents.retain(says_something);
    documents
}
