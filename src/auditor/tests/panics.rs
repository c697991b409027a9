//! A rule that panics over one subject: that one is unknown, everything else is judged.

use std::sync::Arc;

use super::{Cluster, baseline, web, with};
use crate::policy::compile::CompiledPolicy;
use crate::rules::testing::panics_over;
use serde_json::json;

#[test]
fn a_rule_that_panics_over_one_image_leaves_it_unknown_and_judges_the_others() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let mut policy = CompiledPolicy::compile(&baseline());
    let rule = policy.rules.iter_mut().find(|rule| rule.id.as_str() == "NoMutableTag").unwrap();
    rule.check = panics_over("boom");
    cluster.auditor.plan.policies = Arc::new([Arc::new(policy)]);
    cluster.put(&web(1, "boom"));
    cluster.put(&with(web(2, "nginx"), "/metadata/ownerReferences/0/name", json!("other-6f7")));
    // The plan is as it is now, whatever was told of policies.
    let snapshot = cluster.auditor.judge_under(None, cluster.now);
    let findings = snapshot.namespaces.iter().flat_map(|part| part.findings.iter());
    let mut told: Vec<_> = findings.map(|finding| (finding.state.as_str(), finding.reason)).collect();
    told.sort_unstable();
    assert_eq!(told, [("fail", "NoTag"), ("unknown", "InternalError")]);
    let unknown = snapshot.namespaces.iter().flat_map(|part| part.findings.iter());
    let unknown = unknown.into_iter().find(|finding| finding.reason == "InternalError").unwrap();
    let message = unknown.explain(&snapshot.policies[0].policy);
    assert!(message.starts_with("the rule failed by an error of its own"), "{message}");
}
