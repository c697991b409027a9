//! Exemption objects: what tenants ask for. The spec is kept as it was written, to be read field by field later; of
//! the status only what decides.

use serde_json::Value;

use super::super::selector::{list, text};
use crate::subject::objects::{APPROVED, EFFECTIVE, ExemptionFacts};

/// Reads an Exemption. A status of another shape than the API says approves nothing.
pub(super) fn read(value: &Value) -> ExemptionFacts {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let generation = metadata.get("generation").and_then(Value::as_i64).unwrap_or(0);
    let created = text(metadata, "creationTimestamp").and_then(|text| text.parse().ok());
    let conditions = value.get("status").and_then(|status| list(status, "conditions")).unwrap_or_default();
    let condition = |name: &str| conditions.iter().find(|condition| text(condition, "type") == Some(name));
    ExemptionFacts {
        spec: value.get("spec").cloned().unwrap_or_default(),
        generation,
        created,
        approved: condition(APPROVED).is_some_and(|condition| approves(condition, generation)),
        effective: condition(EFFECTIVE).cloned(),
    }
}

/// Whether it is True and speaks of this very generation. An edit of the spec counts the generation up, so that what
/// was approved is what stands there. In a file that no API server has seen there is no generation, and no approval.
fn approves(condition: &Value, generation: i64) -> bool {
    let observed = condition.get("observedGeneration").and_then(Value::as_i64);
    text(condition, "status") == Some("True") && generation > 0 && observed == Some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn exemption(generation: Value, condition: Value) -> ExemptionFacts {
        read(&json!({
            "metadata": {"name": "e", "generation": generation, "creationTimestamp": "2026-11-01T00:00:00Z"},
            "spec": {"rules": ["NoRoot"]}, "status": {"conditions": [condition]},
        }))
    }

    #[test]
    fn only_a_condition_at_the_current_generation_approves() {
        let approved = |status: &str, observed: Value| json!({"type": "Approved", "status": status, "observedGeneration": observed});
        for (generation, condition, approves) in [
            (json!(2), approved("True", json!(2)), true),
            (json!(2), approved("True", json!(1)), false),
            (json!(2), approved("False", json!(2)), false),
            (json!(2), approved("true", json!(2)), false),
            (json!(2), json!({"type": "Approved", "status": "True"}), false),
            (json!(2), json!({"type": "Effective", "status": "True", "observedGeneration": 2}), false),
            (json!(null), approved("True", json!(0)), false),
            (json!("2"), approved("True", json!("2")), false),
        ] {
            let facts = exemption(generation.clone(), condition.clone());
            assert_eq!(facts.approved, approves, "{generation} {condition}");
        }
    }

    #[test]
    fn what_the_tenant_wrote_is_kept_and_a_status_of_any_shape_approves_nothing() {
        let facts = exemption(json!(1), json!({}));
        assert_eq!(facts.spec, json!({"rules": ["NoRoot"]}));
        assert_eq!(facts.created, "2026-11-01T00:00:00Z".parse().ok());
        for status in
            [json!(null), json!([]), json!({"conditions": 1}), json!({"conditions": [1, null, "True"]})]
        {
            let facts = read(&json!({"metadata": 7, "status": status}));
            assert_eq!((facts.approved, facts.created, facts.spec), (false, None, Value::Null));
        }
    }
}
