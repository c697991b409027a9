//! No bad policy passes silently: the API server refuses it and names the field, or the operator says what is
//! wrong with it.

use testkit::controlplane::ControlPlane;

use crate::objects::{TRUST, policy};
use crate::wait::{check, until};
use crate::world::{await_audited, condition, image_policy, shared, text};

/// A policy with this spec, in YAML without the first two blanks.
fn with_spec(name: &str, spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!(
        "apiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n"
    )
}

/// An exemption with these fields, in a policy.
fn with_exemption(fields: &str) -> String {
    format!("rules: {{validReference: {{}}}}\nexemptions: [{{{fields}}}]")
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn the_api_server_refuses_each_kind_of_bad_policy_and_names_the_field() {
    let cluster = shared().cluster;
    let names = |text: &str, count: usize| vec![text; count].join(",");
    let sound = "name: a, rules: [NoMutableTag], namespaces: ['a-*'], reason: agreed, permanent: true";
    let exemption =
        |without: &str, with: &str| with_exemption(&format!("{}{with}", sound.replace(without, "")));
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "wrong-enum",
            "rules: {pullPolicyAlways: {mode: Sometimes}}".into(),
            &["spec.rules.pullPolicyAlways.mode"],
        ),
        (
            "wrong-severity",
            "rules: {noMutableTag: {severity: huge}}".into(),
            &["spec.rules.noMutableTag.severity"],
        ),
        ("wrong-profile", "profile: {name: Relaxed, version: v1}".into(), &["spec.profile.name"]),
        (
            "wrong-type",
            "rules: {trustedRegistry: {allow: registry.example}}".into(),
            &["spec.rules.trustedRegistry.allow"],
        ),
        ("wrong-rules", "rules: [noMutableTag]".into(), &["spec.rules"]),
        (
            "list-too-long",
            format!("rules: {{trustedRegistry: {{allow: [{}]}}}}", names("a.example", 501)),
            &["spec.rules.trustedRegistry.allow", "500"],
        ),
        (
            "text-too-long",
            format!("rules: {{trustedRegistry: {{allow: ['{}']}}}}", "a".repeat(513)),
            &["spec.rules.trustedRegistry.allow"],
        ),
        (
            "bad-glob",
            "rules: {validReference: {}}\nscope: {includeNamespaces: ['Team A']}".into(),
            &["spec.scope.includeNamespaces"],
        ),
        ("no-reason", exemption("reason: agreed, ", ""), &["spec.exemptions[0].reason"]),
        ("blank-reason", exemption("reason: agreed, ", ", reason: '  '"), &["spec.exemptions[0].reason"]),
        ("no-end", exemption(", permanent: true", ""), &["spec.exemptions[0]", "expiresAt"]),
        (
            "two-ends",
            exemption("", ", expiresAt: '2027-01-31T00:00:00Z'"),
            &["spec.exemptions[0]", "permanent"],
        ),
        (
            "bad-end",
            exemption(", permanent: true", ", expiresAt: tomorrow"),
            &["spec.exemptions[0].expiresAt"],
        ),
        ("covers-all", exemption("namespaces: ['a-*'], ", ""), &["spec.exemptions[0]", "namespaces"]),
        (
            "twice",
            format!("rules: {{validReference: {{}}}}\nexemptions: [{{{sound}}}, {{{sound}}}]"),
            &["spec.exemptions", "uplicate"],
        ),
        ("nothing", "scope: {}".into(), &["profile", "rules"]),
        ("misspelt-field", "rules: {validReference: {}}\nexemption: []".into(), &["spec.exemption"]),
    ];
    for (name, spec, expected) in cases {
        let name = format!("refused-{name}");
        let manifest = with_spec(&name, &spec);
        for args in
            [&["create", "-f", "-"][..], &["apply", "-f", "-"], &["apply", "--server-side", "-f", "-"]]
        {
            let answer = cluster.kubectl_with_input(args, &manifest);
            let said = text(&answer.stderr);
            assert!(!answer.status.success(), "{args:?} accepted {name}: {:?}", image_policy(cluster, &name));
            for word in expected {
                assert!(said.contains(word), "{args:?} of {name} says nothing of {word}: {said}");
            }
        }
    }
}

/// The ways in which a policy gets into a cluster.
const WAYS: [&[&str]; 7] = [
    &["create", "-f", "-"],
    &["create", "--validate=false", "-f", "-"],
    &["replace", "-f", "-"],
    &["replace", "--validate=false", "-f", "-"],
    &["apply", "-f", "-"],
    &["apply", "--validate=false", "-f", "-"],
    &["apply", "--server-side", "--force-conflicts", "-f", "-"],
];

/// Brings a policy into the cluster in each way, over a sound one where there must be one before. It must be
/// refused, or end with a Ready condition that is false for this reason and says these words.
#[track_caller]
fn never_silent(cluster: &ControlPlane, prefix: &str, rules: &str, reasons: &[&str], words: &[&str]) {
    for (index, args) in WAYS.iter().enumerate() {
        for over_another in [false, true] {
            if over_another == (args[0] == "create") || (args[0] == "replace" && !over_another) {
                continue;
            }
            let name = format!("{prefix}-{index}{}", if over_another { "-edited" } else { "" });
            if over_another {
                let before = policy(&name, &name, TRUST);
                let first: &[&str] = if args[0] == "replace" { &["create", "-f", "-"] } else { args };
                let created = cluster.kubectl_with_input(first, &before);
                assert!(created.status.success(), "{first:?}: {}", text(&created.stderr));
                await_audited(cluster, &name);
            }
            let answer = cluster.kubectl_with_input(args, &policy(&name, &name, rules));
            if !answer.status.success() {
                let said = text(&answer.stderr);
                assert!(said.contains("rules"), "{args:?} refuses without naming the field: {said}");
                continue;
            }
            until(&format!("{args:?} of {name} is refused or told in Ready"), || {
                let policy = image_policy(cluster, &name).ok_or("no such policy")?;
                let ready = condition(&policy, "Ready");
                let told = ready["status"] == "False"
                    && reasons.iter().any(|reason| ready["reason"] == *reason)
                    && words
                        .iter()
                        .all(|word| ready["message"].as_str().is_some_and(|said| said.contains(word)));
                check(told, || policy.to_string())?;
                let stalled = condition(&policy, "Stalled");
                check(stalled["status"] == "True", || stalled.to_string())
            });
        }
    }
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_misspelt_rule_never_passes_silently_and_the_nearest_is_named() {
    let rules = "{trustedRegistri: {allow: [registry.example]}, noMutableTag: {}}";
    never_silent(
        shared().cluster,
        "misspelt",
        rules,
        &["UnknownRule"],
        &["trustedRegistri", "trustedRegistry"],
    );
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_rule_of_a_newer_schema_never_passes_silently_and_the_others_run() {
    let cluster = shared().cluster;
    let rules = "{quantumSafeSignature: {minBits: 512}, noMutableTag: {}}";
    never_silent(cluster, "newer", rules, &["UnknownRule"], &["quantumSafeSignature"]);
    let policy = image_policy(cluster, "newer-1").expect("create without validation is let through");
    let running = policy["status"]["rules"].as_array().map_or(0, Vec::len);
    assert_eq!(running, 1, "{policy}");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn an_empty_rule_never_passes_silently() {
    let rules = "\n    noMutableTag: {}\n    pullPolicyAlways:";
    never_silent(shared().cluster, "empty", rules, &["BadSetting"], &["pullPolicyAlways"]);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_mended_policy_is_ready_again() {
    let cluster = shared().cluster;
    let name = "refusals-mended";
    let bad = policy(name, name, "{noMutableTags: {}}");
    let created = cluster.kubectl_with_input(&["create", "--validate=false", "-f", "-"], &bad);
    assert!(created.status.success(), "{}", text(&created.stderr));
    let bad = await_audited(cluster, name);
    assert_eq!(condition(&bad, "Ready")["reason"], "UnknownRule");
    assert_eq!(condition(&bad, "Compliant")["status"], "Unknown", "what is not judged is not compliant");

    let good = policy(name, name, "{noMutableTag: {}}");
    let replaced = cluster.kubectl_with_input(&["replace", "-f", "-"], &good);
    assert!(replaced.status.success(), "{}", text(&replaced.stderr));
    let good = await_audited(cluster, name);
    assert_eq!(condition(&good, "Ready")["status"], "True", "{}", good["status"]);
    assert_eq!(condition(&good, "Stalled")["status"], "False", "{}", good["status"]);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn kubectl_explains_the_rules() {
    let cluster = shared().cluster;
    // kubectl breaks lines where it likes.
    let explained = |path: &str| {
        let text = cluster.kubectl_ok(&["explain", path]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let rule = explained("imagepolicies.spec.rules.trustedRegistry");
    assert!(rule.contains("Images come only from registries and repositories that are named here"), "{rule}");
    for field in ["allow <[]string>", "deny <[]string>", "severity <string>", "enabled <boolean>"] {
        assert!(rule.contains(field), "{field}: {rule}");
    }
    assert!(rule.contains("enum: "), "the severities are listed: {rule}");
    let kind = explained("imgpol");
    assert!(kind.contains("GROUP: revisor.dev") && kind.contains("Revisor never blocks anything"), "{kind}");
    let findings = explained("namespaceaudits.findings");
    assert!(findings.contains("What to do about it."), "{findings}");
}
