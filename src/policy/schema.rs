//! Schemas of fields that stand in several of the custom resources: the same bounds wherever the same thing is written.

use schemars::{Schema, SchemaGenerator, json_schema};

/// An instant. The API server checks the format.
pub(super) fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// Rules by their ids.
pub(super) fn rule_ids(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 64, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "maxLength": 63, "pattern": "^[A-Z][A-Za-z0-9]*$" },
    })
}

/// Globs of workloads, `Kind/name`.
pub(super) fn workload_globs(_: &mut SchemaGenerator) -> Schema {
    const PATTERN: &str = "^[A-Za-z*][A-Za-z0-9*]*/[a-z0-9*]([-a-z0-9.*]*[a-z0-9*])?$";
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 256, "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "minLength": 3, "maxLength": 317, "pattern": PATTERN },
    })
}

/// Globs of namespaces; at least one.
pub(super) fn namespace_globs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 256, "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?$",
        },
    })
}

/// Patterns of images, without tag and digest.
pub(super) fn image_patterns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 256, "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[^\\s@]+$" },
    })
}

/// A reason that is not blank.
pub(super) fn reason(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "\\S" })
}
