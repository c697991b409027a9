//! CustomResourceDefinitions: established as they are stored, and what they define.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::clock::rfc3339;
use super::resource::ResourceType;
use super::store::Store;

/// Fills the status that a controller of the real server would write.
pub(super) fn establish(definition: &mut Value) {
    if definition["status"]["conditions"].is_array() {
        return;
    }
    let now = rfc3339(SystemTime::now());
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": now})
    };
    let stored: Vec<&Value> = versions(definition)
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"])
        .collect();
    definition["status"] = json!({
        "acceptedNames": definition["spec"]["names"],
        "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted",
                "the initial names have been accepted"),
        ],
    });
}

impl Store {
    /// Serves what a definition defines.
    pub(super) fn define(&mut self, definition: &Value) {
        let (group, plural) = defined(definition);
        self.catalogue.unregister(&group, &plural);
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default();
        let cluster_scoped = definition["spec"]["scope"] == "Cluster";
        for version in versions(definition).filter(|version| version["served"] == true) {
            let name = version["name"].as_str().unwrap_or_default();
            let mut added = ResourceType::custom(&group, name, &plural, kind);
            added.namespaced = !cluster_scoped;
            added.status = version["subresources"]["status"].is_object();
            self.serve(added);
        }
    }

    /// Forgets what a definition defined, with all objects.
    pub(super) fn undefine(&mut self, definition: &Value) {
        let (group, plural) = defined(definition);
        self.close(&group, &plural);
    }

    /// Adds a type and starts to serve it.
    pub(super) fn serve(&mut self, added: ResourceType) -> Arc<ResourceType> {
        let added = self.catalogue.register(added);
        self.open(&added);
        added
    }
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"].as_array().into_iter().flatten()
}

fn defined(definition: &Value) -> (String, String) {
    let spec = &definition["spec"];
    let read = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (read(&spec["group"]), read(&spec["names"]["plural"]))
}
