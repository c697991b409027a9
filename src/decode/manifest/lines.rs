//! A second pass over a document that finds the lines of its containers and their fields. Only whoever asks for
//! places pays for it; objects themselves are read without.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_saphyr::Spanned;

use super::places::{METADATA, Part};
use crate::subject::pod::Slot;

/// How a format tells lines: YAML with each value, JSON by what has been read so far.
trait Format: Copy {
    fn key<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<(String, u32)>, A::Error>;
    fn node<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Node), D::Error>;
}

/// What is kept of a value until its parts are found.
#[derive(Debug)]
enum Node {
    Object(Vec<(String, u32, Node)>),
    List(Vec<(u32, Node)>),
    Text(String),
    Other,
}

impl Node {
    fn field(&self, name: &str) -> Option<(u32, &Self)> {
        let Self::Object(fields) = self else { return None };
        // The last of two equal keys counts, as it does for the object.
        fields.iter().rev().find(|(key, ..)| key == name).map(|(_, line, value)| (*line, value))
    }

    fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Some((_, Self::Text(text))) => text,
            _ => "",
        }
    }
}

#[derive(Clone, Copy)]
struct Yaml;

struct YamlNode(Node);

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading(Yaml)).map(YamlNode)
    }
}

impl Format for Yaml {
    fn key<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<(String, u32)>, A::Error> {
        let key = map.next_key::<Spanned<String>>()?;
        Ok(key.map(|key| (key.value, line(key.referenced.line()))))
    }

    fn node<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Node), D::Error> {
        let spanned = Spanned::<YamlNode>::deserialize(deserializer)?;
        Ok((line(spanned.referenced.line()), spanned.value.0))
    }
}

fn line<N: TryInto<u32>>(line: N) -> u32 {
    line.try_into().unwrap_or(0)
}

/// The line that a JSON reader has come to.
#[derive(Clone, Copy)]
struct Json<'c>(&'c Cell<u32>);

impl Format for Json<'_> {
    fn key<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<(String, u32)>, A::Error> {
        let key = map.next_key::<String>()?;
        Ok(key.map(|key| (key, self.0.get())))
    }

    fn node<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Node), D::Error> {
        // The value's first byte has been looked at, and nothing after it.
        let line = self.0.get();
        deserializer.deserialize_any(Reading(self)).map(|node| (line, node))
    }
}

/// Reads a value.
#[derive(Clone, Copy)]
struct Reading<F>(F);

impl<'de, F: Format> DeserializeSeed<'de> for Reading<F> {
    type Value = (u32, Node);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Node), D::Error> {
        self.0.node(deserializer)
    }
}

impl<'de, F: Format> Visitor<'de> for Reading<F> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, line)) = self.0.key(&mut map)? {
            let (of_value, value) = map.next_value_seed(self)?;
            fields.push((key, if line == 0 { of_value } else { line }, value));
        }
        Ok(Node::Object(fields))
    }
}

/// Reads a document, item by item where it is a List, so that a dump of a cluster takes the memory of one object.
struct Document<'p, F> {
    format: F,
    parts: &'p mut Vec<Part>,
}

impl<'de, F: Format> DeserializeSeed<'de> for Document<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Format> Visitor<'de> for Document<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { format, parts } = self;
        let mut fields = Vec::new();
        while let Some((key, line)) = format.key(&mut map)? {
            match &*key {
                "items" => map.next_value_seed(Items { format, parts: &mut *parts })?,
                // What it was observed to be is no wish, and metadata may be long.
                "status" => map.next_value::<IgnoredAny>().map(drop)?,
                "metadata" if is_other_than_namespace(&fields) => map.next_value::<IgnoredAny>().map(drop)?,
                _ => {
                    let (_, value) = map.next_value_seed(Reading(format))?;
                    fields.push((key, line, value));
                }
            }
        }
        object(&Node::Object(fields), None, parts);
        Ok(())
    }
}

struct Items<'p, F> {
    format: F,
    parts: &'p mut Vec<Part>,
}

impl<'de, F: Format> DeserializeSeed<'de> for Items<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Format> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some((_, node)) = sequence.next_element_seed(Reading(self.format))? {
            object(&node, Some(index), self.parts);
            index += 1;
        }
        Ok(())
    }
}

/// The lists of a pod spec that name images.
const LISTS: [(&str, Slot); 4] = [
    ("initContainers", Slot::InitContainer),
    ("containers", Slot::Container),
    ("ephemeralContainers", Slot::EphemeralContainer),
    ("volumes", Slot::ImageVolume),
];

fn is_other_than_namespace(fields: &[(String, u32, Node)]) -> bool {
    let kind = |(key, _, value): &(String, u32, Node)| match value {
        Node::Text(kind) if key == "kind" => kind != "Namespace",
        _ => false,
    };
    fields.iter().any(kind)
}

/// The parts of a whole object. The metadata of a namespace says what it asks for; that of others holds copies and
/// other people's notes.
fn object(node: &Node, item: Option<usize>, parts: &mut Vec<Part>) {
    if let (Some((line, metadata)), "Namespace") = (node.field("metadata"), node.text("kind")) {
        let fields = fields(metadata, "labels");
        parts.push(Part { item, slot: None, name: METADATA.into(), image: "".into(), line, fields });
    }
    let Node::Object(fields) = node else { return };
    fields.iter().filter(|(key, ..)| key != "metadata").for_each(|(key, line, value)| {
        field(key, *line, value, item, parts);
    });
}

fn is_pod_spec(node: &Node) -> bool {
    matches!(node.field("containers"), Some((_, Node::List(_))))
}

/// Finds every pod spec at any depth, and images outside of one.
fn find(node: &Node, item: Option<usize>, parts: &mut Vec<Part>) {
    match node {
        Node::Object(fields) => {
            let is_spec = is_pod_spec(node);
            if is_spec {
                pod(node, item, parts);
            }
            let is_seen = |key: &str| is_spec && LISTS.iter().any(|(list, _)| *list == key);
            fields.iter().filter(|(key, ..)| !is_seen(key)).for_each(|(key, line, value)| {
                field(key, *line, value, item, parts);
            });
        }
        Node::List(items) => items.iter().for_each(|(_, node)| find(node, item, parts)),
        Node::Text(_) | Node::Other => {}
    }
}

fn field(key: &str, line: u32, value: &Node, item: Option<usize>, parts: &mut Vec<Part>) {
    match value {
        Node::Text(image) if key == "image" => {
            let fields = Box::new([("image".into(), line)]);
            parts.push(Part { item, slot: None, name: "".into(), image: (&**image).into(), line, fields });
        }
        value => find(value, item, parts),
    }
}

/// The parts of a pod spec: itself, then its containers and image volumes.
fn pod(spec: &Node, item: Option<usize>, parts: &mut Vec<Part>) {
    let of_pod = fields(spec, "securityContext");
    let line = of_pod.first().map_or(0, |(_, line)| *line);
    parts.push(Part { item, slot: None, name: "".into(), image: "".into(), line, fields: of_pod });
    for (list, slot) in LISTS {
        let Some((_, Node::List(containers))) = spec.field(list) else { continue };
        for (line, container) in containers {
            let (image, fields) = match (slot, container.field("image")) {
                (Slot::ImageVolume, None) => continue,
                (Slot::ImageVolume, Some((_, volume))) => (volume.text("reference"), volume_fields(volume)),
                _ => (container.text("image"), fields(container, "securityContext")),
            };
            let (name, image) = (container.text("name").into(), image.into());
            parts.push(Part { item, slot: Some(slot), name, image, line: *line, fields });
        }
    }
}

/// The fields of an object by path, and those of its field `open`.
fn fields(node: &Node, open: &str) -> Box<[(Box<str>, u32)]> {
    let mut found = Vec::new();
    let Node::Object(fields) = node else { return Box::default() };
    for (key, line, value) in fields {
        found.push((key.as_str().into(), *line));
        if let (true, Node::Object(fields)) = (key == open, value) {
            found.extend(fields.iter().map(|(key, line, _)| (format!("{open}.{key}").into(), *line)));
        }
    }
    found.into()
}

/// The fields of an image volume, under the names that a container has for them.
fn volume_fields(volume: &Node) -> Box<[(Box<str>, u32)]> {
    let named = [("reference", "image"), ("pullPolicy", "imagePullPolicy")];
    named.into_iter().filter_map(|(field, name)| Some((name.into(), volume.field(field)?.0))).collect()
}

/// The parts of a YAML document, with lines counted from its first; what was found until then, where it does not
/// parse.
pub(super) fn yaml(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    if may_have_parts(text) {
        let document = Document { format: Yaml, parts: &mut parts };
        let _ = super::yaml::with(text, |deserializer| document.deserialize(deserializer));
    }
    parts
}

/// The parts of one JSON object, likewise.
pub(super) fn json(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    if may_have_parts(text) {
        super::json::with(text, |deserializer, line| {
            // The object was read before; whatever is wrong with it has been told.
            let _ = Document { format: Json(line), parts: &mut parts }.deserialize(deserializer);
        });
    }
    parts
}

fn may_have_parts(text: &str) -> bool {
    ["ontainers", "image", "Namespace"].iter().any(|word| text.contains(word))
}
