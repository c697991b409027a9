//! Where in the input the fields stand that rules read, for reports that point at the line to change.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kinds::group_of;
use crate::decode::Source;
use crate::subject::pod::Slot;

/// Places of a whole input. Kept only on request.
#[derive(Debug, Default)]
pub struct Places {
    objects: BTreeMap<Source, Vec<Part>>,
    namespaces: BTreeMap<Box<str>, Source>,
    /// The first object that lies in a namespace.
    inhabited: BTreeMap<Box<str>, Source>,
    /// Objects by `Kind name`, each with its namespace.
    named: BTreeMap<Box<str>, Vec<(Box<str>, Source)>>,
    first: Option<Source>,
}

/// The container to look for where fields of a namespace's own metadata are meant.
pub const METADATA: &str = "metadata";

/// A container, an image volume, a pod spec, an image outside of one, or the metadata of a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its object's place in the document's List, until the object is known.
    pub(super) item: Option<usize>,
    /// None for what is no container.
    pub(super) slot: Option<Slot>,
    /// The container's or volume's name.
    pub(super) name: Box<str>,
    /// Its image as written.
    pub(super) image: Box<str>,
    /// The line on which it begins.
    pub(super) line: u32,
    /// Its fields, `image` or `securityContext.privileged`, each with its line.
    pub(super) fields: Box<[(Box<str>, u32)]>,
}

/// What is looked for in an object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// `container`, `initContainer`, `ephemeralContainer` or `imageVolume`; none for the pod, and for an image in
    /// an object of an unknown kind.
    pub slot: Option<&'a str>,
    /// The container's or volume's name; [`METADATA`] for a namespace's labels.
    pub container: &'a str,
    /// The image as written.
    pub image: &'a str,
    /// Paths below the container or pod spec, `securityContext.privileged`; the first that is there counts.
    pub fields: &'a [&'a str],
}

impl Places {
    /// The line of the first wanted field, else that where its container begins. None where neither is known.
    pub fn line(&self, object: &Source, wanted: Wanted<'_>) -> Option<u32> {
        let parts = self.objects.get(object)?;
        let is_meant =
            |part: &&Part| part.slot.map(Slot::as_str) == wanted.slot && *part.name == *wanted.container;
        // One object may hold several templates with containers of one name.
        let same_image = |part: &&Part| *part.image == *wanted.image;
        let part = parts.iter().find(|part| is_meant(part) && same_image(part));
        let part = part.or_else(|| parts.iter().find(is_meant))?;
        let field = |wanted: &&str| part.fields.iter().rev().find(|(path, _)| **path == **wanted);
        let line = wanted.fields.iter().find_map(field).map(|(_, line)| *line);
        line.or_else(|| wanted.slot.map(|_| part.line)).filter(|line| *line > 0)
    }

    /// Where a namespace stands; where no object of it does, the first object that lies in it.
    pub fn namespace(&self, name: &str) -> Option<&Source> {
        self.namespaces.get(name).or_else(|| self.inhabited.get(name))
    }

    /// An object by its name, in this namespace where it lies in one.
    pub fn named(&self, namespace: Option<&str>, kind: &str, name: &str) -> Option<&Source> {
        let found = self.named.get(&*format!("{kind} {name}"))?;
        let here =
            found.iter().find(|(lies_in, _)| namespace.is_none_or(|namespace| **lies_in == *namespace));
        let of_cluster = || found.first().filter(|_| kind.starts_with("Cluster"));
        here.or_else(of_cluster).map(|(_, source)| source)
    }

    /// The first object of the input.
    pub fn first(&self) -> Option<&Source> {
        self.first.as_ref()
    }

    /// Takes over what was found in the part of the input that comes next.
    pub(super) fn absorb(&mut self, next: Self) {
        for (source, parts) in next.objects {
            self.objects.entry(source).or_default().extend(parts);
        }
        for (name, source) in next.namespaces {
            self.namespaces.entry(name).or_insert(source);
        }
        for (name, source) in next.inhabited {
            self.inhabited.entry(name).or_insert(source);
        }
        for (name, sources) in next.named {
            self.named.entry(name).or_default().extend(sources);
        }
        self.first = self.first.take().or(next.first);
    }

    /// Takes note of an object's identity.
    pub(super) fn see(&mut self, value: &Value, api_version: &str, kind: &str, default: &str, at: &Source) {
        self.first.get_or_insert_with(|| at.clone());
        let text = |field: &str| value.get("metadata")?.get(field)?.as_str().filter(|text| !text.is_empty());
        let (name, namespace) = (text("name"), text("namespace").unwrap_or(default));
        if let (Some(name), "Namespace", "") = (name, kind, group_of(api_version)) {
            self.namespaces.entry(name.into()).or_insert_with(|| at.clone());
            return;
        }
        if let Some(name) = name {
            let named = self.named.entry(format!("{kind} {name}").into()).or_default();
            named.push((namespace.into(), at.clone()));
        }
        if !self.inhabited.contains_key(namespace) {
            self.inhabited.insert(namespace.into(), at.clone());
        }
    }

    /// Takes the parts of a document, whose lines are counted from the one after `above`. `items` are the lines of
    /// the List's items that were told, in the order of their place in it.
    pub(super) fn add(&mut self, document: Source, above: u32, items: &[(usize, u32)], parts: Vec<Part>) {
        for mut part in parts {
            let lines = part.fields.iter_mut().map(|(_, line)| line).chain([&mut part.line]);
            lines.filter(|line| **line > 0).for_each(|line| *line += above);
            let of_item = |index| items.binary_search_by_key(&index, |(item, _)| *item).ok();
            let line = part.item.take().and_then(of_item).map_or(document.line, |item| items[item].1);
            self.objects.entry(Source { line, ..document.clone() }).or_default().push(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    fn places(file: &str, text: &str) -> Places {
        let mut reader = Reader::new("default").with_places();
        reader.read(file.into(), text, &mut |_| {});
        assert!(reader.errors.is_empty(), "{:?}", reader.errors);
        reader.places.unwrap()
    }

    fn line(places: &Places, file: &str, object: u32, wanted: (&str, &str, &str, &[&str])) -> Option<u32> {
        let (slot, container, image, fields) = wanted;
        let slot = Some(slot).filter(|slot| !slot.is_empty());
        places.line(&Source { file: file.into(), line: object }, Wanted { slot, container, image, fields })
    }

    const DEPLOYMENT: &str = "\
# a comment
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: team-a}
spec:
  template:
    spec:
      hostNetwork: true
      initContainers:
      - name: app
        image: init:1
      containers:
      - name: app
        # the one that is meant
        image: app:1
        securityContext:
          capabilities: {}
          privileged: true
      - image: side:1
        name: side
        imagePullPolicy: Never
      volumes:
      - {name: data, emptyDir: {}}
      - name: model
        image:
          reference: model:1
          pullPolicy: Always
";

    #[test]
    fn fields_of_containers_are_found_by_slot_and_name() {
        let places = places("a.yaml", DEPLOYMENT);
        let at = |slot, name, fields| line(&places, "a.yaml", 2, (slot, name, "", fields));
        assert_eq!(at("container", "app", &["image"]), Some(15));
        assert_eq!(at("container", "app", &["securityContext.privileged"]), Some(18));
        assert_eq!(at("container", "side", &["imagePullPolicy", "image"]), Some(21));
        assert_eq!(at("container", "app", &["imagePullPolicy", "image"]), Some(15));
        assert_eq!(at("container", "app", &["env"]), Some(13), "where it would have to be written");
        assert_eq!(at("initContainer", "app", &["image"]), Some(11));
        assert_eq!(at("imageVolume", "model", &["image"]), Some(26));
        assert_eq!(at("imageVolume", "data", &["image"]), None);
        assert_eq!(at("", "", &["hostPID", "hostNetwork"]), Some(8), "a field of the pod");
        assert_eq!(at("", "", &["hostPID"]), None, "the pod as such is where its object is");
        assert_eq!(at("container", "other", &["image"]), None);
    }

    #[test]
    fn documents_and_items_of_lists_count_lines_of_the_file() {
        let indented = DEPLOYMENT.lines().map(|line| format!("  {line}\n")).collect::<String>();
        let item = indented.replacen("  # a comment\n  apiVersion", "- apiVersion", 1);
        let text = format!(
            "kind: Namespace\napiVersion: v1\nmetadata: {{name: team-a}}\n---\napiVersion: v1\nkind: List\nitems:\n{item}"
        );
        let places = places("a.yaml", &text);
        assert_eq!(line(&places, "a.yaml", 8, ("container", "app", "", &["image"])), Some(21));
        assert_eq!(places.namespace("team-a").map(|source| source.line), Some(1));
        assert_eq!(places.namespace("team-b"), None);
        assert_eq!(places.first().map(|source| source.line), Some(1));
    }

    #[test]
    fn labels_of_a_namespace_have_lines_and_other_metadata_has_none() {
        let text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    team: x\n---\n\
                    apiVersion: v1\nmetadata:\n  name: b\n  annotations: {image: x}\nkind: Namespace\n";
        let places = places("a.yaml", text);
        let at = |object, fields| line(&places, "a.yaml", object, ("", METADATA, "", fields));
        assert_eq!((at(1, &["labels.team"]), at(1, &["labels.other", "labels"])), (Some(6), Some(5)));
        assert_eq!((at(8, &["labels"]), at(8, &["name"])), (None, Some(10)));
        assert_eq!(line(&places, "a.yaml", 8, ("", "", "x", &["image"])), None);
    }

    #[test]
    fn objects_are_found_by_name_in_their_namespace() {
        let object = |kind: &str, namespace: &str| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: x{namespace}}}\n---\n"
            )
        };
        let text = object("RoleBinding", ", namespace: a")
            + &object("RoleBinding", ", namespace: b")
            + &object("ClusterRoleBinding", "");
        let places = places("a.yaml", &text);
        let at = |namespace, kind| places.named(namespace, kind, "x").map(|source| source.line);
        assert_eq!((at(Some("a"), "RoleBinding"), at(Some("b"), "RoleBinding")), (Some(1), Some(5)));
        assert_eq!((at(Some("c"), "RoleBinding"), at(Some("c"), "ClusterRoleBinding")), (None, Some(9)));
        assert_eq!((at(None, "RoleBinding"), at(None, "Role")), (Some(1), None));
    }

    #[test]
    fn a_namespace_without_an_object_is_where_its_first_object_is() {
        let places = places("a.yaml", &format!("---\n{DEPLOYMENT}"));
        assert_eq!(places.namespace("team-a").map(|source| source.line), Some(3));
    }

    #[test]
    fn json_has_places_too() {
        let pod = r#"{
 "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
 "spec": {"containers": [
  {"name": "a", "image": "x:1"},
  {
   "name": "b",
   "image": "y:1"
  }
 ]}
}"#;
        let places = places(
            "a.json",
            &format!("{pod}\n\n{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{pod}]}}"),
        );
        let at = |object, name| line(&places, "a.json", object, ("container", name, "", &["image"]));
        assert_eq!((at(1, "a"), at(1, "b")), (Some(4), Some(7)));
        assert_eq!((at(13, "a"), at(13, "b")), (Some(16), Some(19)));
    }

    #[test]
    fn equal_names_in_one_object_are_told_apart_by_their_image() {
        let template = |image: &str| {
            format!("  - template: {{spec: {{containers: [{{name: app, image: '{image}'}}]}}}}\n")
        };
        let text = format!(
            "apiVersion: example.com/v1\nkind: Fleet\nmetadata: {{name: f}}\nspec:\n  groups:\n{}{}  web:\n    image: disk:1\n",
            template("a:1"),
            template("b:1"),
        );
        let places = places("a.yaml", &text);
        let at = |image| line(&places, "a.yaml", 1, ("container", "app", image, &["image"]));
        assert_eq!((at("a:1"), at("b:1")), (Some(6), Some(7)));
        assert_eq!(line(&places, "a.yaml", 1, ("", "", "disk:1", &["image"])), Some(9));
    }

    #[test]
    fn without_a_request_no_places_are_kept() {
        let mut reader = Reader::new("default");
        reader.read("a.yaml".into(), DEPLOYMENT, &mut |_| {});
        assert!(reader.places.is_none());
    }
}
