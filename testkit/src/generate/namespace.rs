//! Namespaces and their network policies: some keep every rule, the others lack one thing or another.

use super::Cluster;
use super::random::{Dice, put, put_time, put_uuid};
use super::template::{template, unknown_place};

const TEAMS: [&str; 6] = ["payments", "search", "ml", "web", "infra", "data"];
const STAGES: [&str; 3] = ["dev", "stg", "prod"];

/// A network policy of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetworkPolicy {
    DenyIngress,
    DenyEgress,
    AllowAllEgress,
    AllowHttp,
}

/// A namespace, in numbers.
#[derive(Clone, Copy)]
pub(super) struct Namespace {
    index: usize,
    /// What keeps a namespace from being clean: no two have to go together, one at least is there.
    flaw: usize,
    dice: Dice,
}

impl Namespace {
    pub(super) fn new(cluster: &Cluster, index: usize) -> Self {
        let mut dice = cluster.dice(b'n', index);
        let clean = dice.percent(cluster.clean_percent);
        let flaw = if clean { 0 } else { 1 + dice.below(20) };
        Self { index, flaw, dice }
    }

    pub(super) fn is_clean(self) -> bool {
        self.flaw == 0
    }

    fn team(self) -> &'static str {
        TEAMS[self.index % TEAMS.len()]
    }

    pub(super) fn put_name(self, out: &mut String) {
        let mut dice = self.dice;
        put(out, format_args!("team-{:05}-{}-{}", self.index, self.team(), dice.pick(&STAGES)));
    }

    pub(super) fn put(self, out: &mut String) {
        let mut dice = self.dice;
        let number = dice.number();
        template!("namespace.tmpl").write(out, |out, place| match place {
            "name" => self.put_name(out),
            "uid" => put_uuid(out, number),
            "resourceVersion" => put(out, format_args!("{}", 1_000_000 + self.index)),
            "created" => put_time(out, number),
            "optedOut" if self.flaw == 1 => out.push_str(r#""admission.gatekeeper.sh/ignore":"yes","#),
            "optedOut" => {}
            "owner" if self.flaw == 2 || self.flaw == 3 => {}
            "owner" => put(out, format_args!(r#","owner":"team-{}""#, self.team())),
            "podSecurity" => self.put_pod_security(out),
            _ => unknown_place(place),
        });
    }

    fn put_pod_security(self, out: &mut String) {
        let (level, version) = match self.flaw {
            4..8 => return,
            8 => ("basline", Some("v1.37")),
            9..12 => ("baseline", None),
            _ => ("restricted", Some("v1.37")),
        };
        put(out, format_args!(r#","pod-security.kubernetes.io/enforce":"{level}""#));
        if let Some(version) = version {
            put(out, format_args!(r#","pod-security.kubernetes.io/enforce-version":"{version}""#));
        }
    }

    pub(super) fn network_policies(self) -> &'static [NetworkPolicy] {
        use NetworkPolicy::{AllowAllEgress, AllowHttp, DenyEgress, DenyIngress};
        match self.flaw {
            8 | 12..16 => &[],
            1 | 2 | 16 | 17 => &[AllowHttp],
            3 | 18 | 19 => &[DenyIngress, AllowHttp, AllowAllEgress],
            20 => &[DenyEgress, AllowHttp],
            _ => &[DenyIngress, DenyEgress, AllowHttp],
        }
    }

    pub(super) fn put_network_policy(self, out: &mut String, policy: NetworkPolicy) {
        let mut dice = self.dice;
        let number = dice.number() ^ policy as u64;
        template!("network_policy.tmpl").write(out, |out, place| match place {
            "name" => out.push_str(match policy {
                NetworkPolicy::DenyIngress => "default-deny-ingress",
                NetworkPolicy::DenyEgress => "default-deny-egress",
                NetworkPolicy::AllowAllEgress => "allow-all-egress",
                NetworkPolicy::AllowHttp => "allow-http",
            }),
            "namespace" => self.put_name(out),
            "uid" => put_uuid(out, number),
            "resourceVersion" => put(out, format_args!("{}", 2_000_000 + self.index)),
            "created" => put_time(out, number),
            "spec" => out.push_str(match policy {
                NetworkPolicy::DenyIngress => r#"{"podSelector":{},"policyTypes":["Ingress"]}"#,
                NetworkPolicy::DenyEgress => r#"{"podSelector":{},"policyTypes":["Egress"]}"#,
                NetworkPolicy::AllowAllEgress => r#"{"podSelector":{},"egress":[{}],"policyTypes":["Egress"]}"#,
                NetworkPolicy::AllowHttp => concat!(
                    r#"{"podSelector":{"matchLabels":{"expose":"http"}},"ingress":[{"ports":[{"protocol":"TCP","port":8080}],"#,
                    r#""from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"ingress"}}}]}],"#,
                    r#""policyTypes":["Ingress"]}"#,
                ),
            }),
            _ => unknown_place(place),
        });
    }
}
