//! What a missing right costs, and that it is picked up when it is granted.

use testkit::controlplane::ControlPlane;

use crate::objects::policy;
use crate::operator::Operator;
use crate::wait::{check, until};
use crate::world::{await_audited, await_findings, condition, image_policy, installed, object};

/// The ClusterRole that grants network policies, among others.
const TIER: &str = "revisor-tier1-namespaces";

/// Takes the rules about a resource out of that ClusterRole, and returns the role as it was.
#[track_caller]
fn take_away(cluster: &ControlPlane, resource: &str) -> String {
    let role = object(cluster, &["clusterrole", TIER]).expect("the shipped ClusterRole");
    let mut less = role.clone();
    let rules = less["rules"].as_array_mut().expect("its rules");
    let before = rules.len();
    rules.retain(|rule| rule["resources"] != serde_json::json!([resource]));
    assert_eq!(rules.len(), before - 1, "one rule about {resource} alone: {role}");
    replace(cluster, &less.to_string());
    role["rules"].to_string()
}

#[track_caller]
fn replace(cluster: &ControlPlane, manifest: &str) {
    let replaced = cluster.kubectl_with_input(&["replace", "-f", "-"], manifest);
    assert!(replaced.status.success(), "{}", String::from_utf8_lossy(&replaced.stderr));
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn without_the_right_to_read_network_policies_their_rules_are_unknown_until_it_is_granted() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    let all = take_away(&cluster, "networkpolicies");
    let name = "rights";
    cluster.create_namespace(name);
    cluster.apply(&policy(name, name, "{defaultDenyIngress: {}, noMutableTag: {}}"));
    let operator = Operator::start(&kubeconfig, &["--recheck-interval=2s"]);

    let audited = await_audited(&cluster, name);
    let ready = condition(&audited, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&"True".into(), &"AuditedPartly".into()), "{ready}");
    let message = ready["message"].as_str().unwrap_or_default();
    assert!(message.contains("networkpolicies") && message.contains("DefaultDenyIngress"), "{message}");
    let compliant = condition(&audited, "Compliant");
    assert_eq!(compliant["status"], "Unknown", "{compliant}");
    let audit = await_findings(&cluster, name, &["DefaultDenyIngress Namespace/rights unknown"]);
    let audit = audit.expect("a NamespaceAudit");
    assert_eq!(audit["findings"][0]["reason"], "MissingPermission", "{audit}");
    let unknown = operator.metrics().sum("revisor_findings", &[("policy", name), ("state", "unknown")]);
    assert_eq!(unknown, Some(1.0));
    let told = operator.log_lines("networkpolicies");
    assert!(
        told.iter().any(|line| line.contains("DefaultDenyIngress")),
        "the log says what it costs: {told:?}"
    );
    let warned = told.iter().filter(|line| line.contains("\"WARN\"")).count();
    assert!(warned <= 3, "and says it once: {told:?}");

    let mut role = object(&cluster, &["clusterrole", TIER]).expect("the ClusterRole");
    role["rules"] = serde_json::from_str(&all).expect("the rules as they were");
    replace(&cluster, &role.to_string());
    await_findings(&cluster, name, &["DefaultDenyIngress Namespace/rights fail"]);
    until("the policy is audited as a whole", || {
        let policy = image_policy(&cluster, name).ok_or("no such policy")?;
        let ready = condition(&policy, "Ready");
        check(ready["reason"] == "Audited", || ready.to_string())
    });
    operator.terminate();
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn without_the_right_to_read_pods_the_log_says_so_and_nothing_passes() {
    let (cluster, _) = installed(ControlPlane::builder().kwok(false));
    cluster.kubectl_ok(&["create", "serviceaccount", "poor", "-n", "revisor-system"]);
    let token = cluster.token_for_service_account("revisor-system", "poor");
    cluster.create_namespace("poor");
    cluster.apply(&policy("poor", "poor", "{noMutableTag: {}}"));
    let operator = Operator::launch(&cluster.kubeconfig_with_token(&token), &["--recheck-interval=2s"]);
    until("the log names verb and resource", || {
        let lines = operator.log_lines("pods");
        check(lines.iter().any(|line| line.contains("list")), || operator.tail())
    });
    let ready = operator.get("/readyz").expect("an answer");
    assert_ne!(ready.status, 200, "{}", ready.body);
    assert_eq!(operator.get("/livez").expect("an answer").status, 200);
    operator.terminate();
}
