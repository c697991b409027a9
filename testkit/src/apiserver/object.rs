//! One stored object as the bytes it is served as.
//!
//! Only bytes are kept, so that 150,000 pods cost their size on the wire and no
//! list or watch encodes anything; a write parses the one object it changes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};

use super::resource::ResourceType;

/// Labels as selectors read them, shared between an object and its history.
pub(super) type Labels = Arc<BTreeMap<String, String>>;

/// What each field manager applied last, by manager and subresource.
pub(super) type Applied = Arc<BTreeMap<String, Value>>;

/// Which form of an object the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The whole object.
    Full,
    /// Its metadata as a `PartialObjectMetadata`.
    Partial,
}

impl Form {
    /// Reads an Accept header.
    pub(super) fn accepted(accept: &str) -> Self {
        let partial = accept.split(',').any(|media| {
            let asks = |wanted: &str| media.split(';').any(|part| part.trim() == wanted);
            asks("g=meta.k8s.io")
                && asks("v=v1")
                && (asks("as=PartialObjectMetadata") || asks("as=PartialObjectMetadataList"))
        });
        if partial { Self::Partial } else { Self::Full }
    }
}

pub(super) const PARTIAL_TYPE: &str = r#""kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1""#;

/// An immutable version of an object.
#[derive(Clone, Debug)]
pub(super) struct StoredObject {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) version: u64,
    pub(super) labels: Labels,
    pub(super) applied: Applied,
    bytes: Bytes,
    after_type: usize,
    metadata: Range<usize>,
    typed_items: bool,
}

impl StoredObject {
    /// Encodes an object whose metadata is complete.
    pub(super) fn encode(kind: &ResourceType, object: &Value, version: u64, applied: Applied) -> Self {
        let mut buffer = BytesMut::with_capacity(512);
        buffer.put_slice(br#"{"kind":"#);
        put_json(&mut buffer, &Value::String(kind.kind.clone()));
        buffer.put_slice(br#","apiVersion":"#);
        put_json(&mut buffer, &Value::String(kind.api_version()));
        let after_type = buffer.len();
        buffer.put_slice(br#","metadata":"#);
        let start = buffer.len();
        put_json(&mut buffer, &object["metadata"]);
        let metadata = start..buffer.len();
        for (key, value) in object.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "kind" | "apiVersion" | "metadata") {
                buffer.put_u8(b',');
                put_json(&mut buffer, &Value::String(key.clone()));
                buffer.put_u8(b':');
                put_json(&mut buffer, value);
            }
        }
        buffer.put_u8(b'}');
        Self {
            namespace: text(object, "namespace"),
            name: text(object, "name"),
            uid: text(object, "uid"),
            version,
            labels: Arc::new(labels_of(object)),
            applied,
            bytes: buffer.freeze(),
            after_type,
            metadata,
            typed_items: kind.custom,
        }
    }

    /// The same version with other memories of who applied what.
    pub(super) fn with_applied(&self, applied: Applied) -> Self {
        Self { applied, ..self.clone() }
    }

    /// The object as a value, parsed anew.
    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// How many bytes the object takes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn put(&self, buffer: &mut BytesMut, form: Form) {
        match form {
            Form::Full => buffer.put_slice(&self.bytes),
            Form::Partial => self.put_partial(buffer),
        }
    }

    /// As an item of a list: built-in types carry no kind and apiVersion there.
    pub(super) fn put_item(&self, buffer: &mut BytesMut, form: Form) {
        match form {
            Form::Full if self.typed_items => buffer.put_slice(&self.bytes),
            Form::Full => {
                buffer.put_u8(b'{');
                buffer.put_slice(&self.bytes[self.after_type + 1..]);
            }
            Form::Partial => self.put_partial(buffer),
        }
    }

    fn put_partial(&self, buffer: &mut BytesMut) {
        buffer.put_u8(b'{');
        buffer.put_slice(PARTIAL_TYPE.as_bytes());
        buffer.put_slice(br#","metadata":"#);
        buffer.put_slice(&self.bytes[self.metadata.clone()]);
        buffer.put_u8(b'}');
    }
}

/// A string field of the metadata, empty if absent.
pub(super) fn text(object: &Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}

/// The metadata, made an object if it is not one.
pub(super) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    member_mut(object, "metadata")
}

/// A member that is an object, made one if it is not.
pub(super) fn member_mut<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let member = as_map_mut(object).entry(field).or_insert(Value::Null);
    as_map_mut(member)
}

fn as_map_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

pub(super) fn put_json(buffer: &mut BytesMut, value: &Value) {
    // Writing a Value into memory cannot fail: its keys are strings.
    let _ = serde_json::to_writer(buffer.writer(), value);
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object["metadata"]["labels"].as_object();
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
