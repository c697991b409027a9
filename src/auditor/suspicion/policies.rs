//! Who audits the auditor: policies that ask for less, that are gone, or that permit more.

use jiff::Timestamp;

use super::{About, Signal};
use crate::auditor::Auditor;
use crate::policy::compile::CompiledPolicy;
use crate::policy::weakening::Weakening;

/// How many changes a message names.
const NAMED: usize = 5;

fn listed(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(NAMED);
    texts.truncate(NAMED);
    let mut text = texts.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

impl Auditor {
    /// Compares a policy with what it was.
    pub(super) fn compare_policy(&mut self, before: &CompiledPolicy, now: Timestamp) {
        let (name, uid) = (before.name.clone(), before.uid.clone());
        let Some(policy) = self.plan.compiled(&name) else {
            let rules = before.rules.len();
            let message =
                format!("policy {name} was deleted: its {rules} rules are not judged by it any more");
            self.suspicion.add(Signal::PolicyDeleted, About::Policy { name, uid }, message, now);
            return;
        };
        if std::ptr::eq(before, &**policy) {
            return;
        }
        let uid = policy.uid.clone();
        let Weakening { weaker, exemptions } = Weakening::between(before, policy, now);
        let found = [
            (Signal::PolicyWeakened, "asks for less", weaker),
            (Signal::ExemptionAdded, "has a new exemption", exemptions),
        ];
        for (signal, what, texts) in found {
            if !texts.is_empty() {
                let message = format!("policy {name} {what}: {}", listed(texts));
                let (name, uid) = (name.clone(), uid.clone());
                self.suspicion.add(signal, About::Policy { name, uid }, message, now);
            }
        }
    }
}
