//! What a tenant may read: the findings of his own namespace.

use crate::objects::{EVIL, TRUST, pod, policy};
use crate::wait::{check, until};
use crate::world::{await_findings, kubectl_as, shared, text};

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_tenant_with_the_view_role_reads_the_findings_of_his_namespace_and_nothing_else() {
    let world = shared();
    let cluster = world.cluster;
    for namespace in ["tenants-mine", "tenants-theirs"] {
        cluster.create_namespace(namespace);
        cluster.apply(&pod(namespace, "bare", EVIL));
    }
    cluster.apply(&policy("tenants", "tenants-*", TRUST));
    cluster.kubectl_ok(&["create", "serviceaccount", "tenant", "-n", "tenants-mine"]);
    cluster.kubectl_ok(&[
        "create",
        "rolebinding",
        "tenant",
        "--clusterrole=view",
        "--serviceaccount=tenants-mine:tenant",
        "-n",
        "tenants-mine",
    ]);
    let tenant = cluster.kubeconfig_with_token(&cluster.token_for_service_account("tenants-mine", "tenant"));
    for namespace in ["tenants-mine", "tenants-theirs"] {
        await_findings(cluster, namespace, &["TrustedRegistry Pod/bare fail"]);
    }

    let own = until("the tenant reads his findings", || {
        let table = kubectl_as(cluster, &tenant, &["get", "namespaceaudits", "-n", "tenants-mine"]);
        check(table.status.success(), || text(&table.stderr))?;
        Ok(text(&table.stdout))
    });
    let words = |line| own.lines().nth(line).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    assert_eq!(words(0), ["NAME", "COMPLIANT", "CRITICAL", "VIOLATIONS", "UNKNOWN", "EXEMPT", "AGE"]);
    assert_eq!(words(1)[..6], ["revisor", "False", "1", "1", "0", "0"], "{own}");

    for args in [
        &["get", "namespaceaudits", "-n", "tenants-theirs"][..],
        &["get", "namespaceaudits", "-A"],
        &["get", "imagepolicies.revisor.dev"],
        &["get", "imagepolicies.revisor.dev", "tenants"],
    ] {
        let refused = kubectl_as(cluster, &tenant, args);
        assert!(!refused.status.success(), "{args:?}: {}", text(&refused.stdout));
        assert!(text(&refused.stderr).contains("Forbidden"), "{args:?}: {}", text(&refused.stderr));
    }
    let write = ["delete", "namespaceaudits", "revisor", "-n", "tenants-mine"];
    let refused = kubectl_as(cluster, &tenant, &write);
    assert!(text(&refused.stderr).contains("Forbidden"), "{}", text(&refused.stdout));
}
