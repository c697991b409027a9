//! NoUserWorkloadsInSystemNamespace: only parts of the cluster itself run in its namespaces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::offenders::Offenders;
use crate::reference::Glob;
use crate::rules::settings::check_key;
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, PodsRead, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::{NamespaceSubject, PodFacts};
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// In the namespaces of the cluster itself, only workloads run that are known as parts of it: static pods, those
    /// whose name or whose pods' labels say so.
    struct Settings {
        /// Which namespaces those are, as globs. Default: kube-system, kube-public and kube-node-lease.
        #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
        namespaces: Vec<String>,
        /// Workloads that are fine, as globs over `Kind/name` (`DaemonSet/log-agent`, `*/backup-*`), beside the known
        /// parts of Kubernetes and of its distributions. Default: none but those.
        #[schemars(length(max = 256), inner(length(min = 1, max = 317)))]
        workloads: Vec<String>,
        /// Labels of pods that are fine, beside `tier=control-plane`, `kubernetes.io/cluster-service=true` and
        /// `addonmanager.kubernetes.io/mode` with any value. Default: none but those.
        #[schemars(length(max = 64))]
        labels: Vec<PodLabel>,
        /// `true`: only the workloads and labels named here are fine, not the known ones. Default: false.
        replace_defaults: bool,
    }
}

/// A label that marks a part of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodLabel {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// Its value. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
}

const NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Parts of Kubernetes and of its distributions, by the names under which they install them.
const WORKLOADS: &[&str] = &[
    // Kubernetes and its own add-ons.
    "*/kube-apiserver*",
    "*/kube-controller-manager*",
    "*/kube-scheduler*",
    "*/kube-proxy*",
    "*/etcd*",
    "*/coredns*",
    "*/kube-dns*",
    "*/node-local-dns*",
    "*/metrics-server*",
    "*/konnectivity-agent*",
    "*/cluster-autoscaler*",
    "*/cloud-controller-manager*",
    "*/*-cloud-controller-manager",
    "*/snapshot-controller",
    // Networks and storage.
    "*/calico-*",
    "*/canal",
    "*/cilium",
    "*/cilium-*",
    "*/hubble-*",
    "*/kube-flannel*",
    "*/kube-router",
    "*/weave-net",
    "*/kindnet",
    "*/csi-*",
    "*/*-csi-*",
    // Distributions and clouds.
    "*/kube-vip*",
    "*/aws-node",
    "*/eks-*",
    "*/gke-*",
    "*/fluentbit-gke",
    "*/event-exporter-gke*",
    "*/pdcsi-node",
    "*/netd",
    "*/l7-default-backend",
    "*/azure-*",
    "*/ama-*",
    "*/cloud-node-manager*",
    "*/local-path-provisioner",
    "*/helm-install-*",
    "*/svclb-*",
    "*/traefik",
    "*/rke2-*",
    "*/storage-provisioner",
];

const LABELS: [(&str, Option<&str>); 3] = [
    ("tier", Some("control-plane")),
    ("kubernetes.io/cluster-service", Some("true")),
    ("addonmanager.kubernetes.io/mode", None),
];

/// The rule, tables joined.
#[derive(Debug)]
pub struct NoUserWorkloadsInSystemNamespace {
    namespaces: Vec<Glob>,
    workloads: Vec<Glob>,
    labels: Vec<PodLabel>,
}

fn globs<'a>(field: &str, texts: impl Iterator<Item = &'a str>) -> Result<Vec<Glob>, SettingError> {
    let read = |(index, text)| {
        Glob::parse(text).map_err(|error| SettingError::new(format!("{field}[{index}]"), error))
    };
    texts.enumerate().map(read).collect()
}

impl Rule for NoUserWorkloadsInSystemNamespace {
    const INFO: RuleInfo = RuleInfo {
        id: "NoUserWorkloadsInSystemNamespace",
        title: "Only parts of the cluster run in its namespaces",
        rationale: "Network policies, quotas and admission control usually leave kube-system alone, \
                    so that the cluster can always mend itself. A workload of a user there escapes \
                    all of them, stands beside service accounts with great power, and hides well \
                    among names that nobody reads twice.",
        remedy: "Run the workload in a namespace of its own, then delete it here:\n\n  \
                 kubectl create namespace NAMESPACE\n  \
                 kubectl -n NAMESPACE apply -f FILE\n  \
                 kubectl -n kube-system delete KIND NAME\n\n\
                 Nobody knows it? Look when it came and who manages it: kubectl -n kube-system get \
                 KIND NAME --show-managed-fields -o yaml",
        severity: Severity::Medium,
        controls: &[Control::cis("5.6.1"), Control::bsi("APP.4.4.A1"), Control::nsa("Namespaces")],
        reads: &[],
        false_positives: "Agents that an administrator puts into kube-system on purpose, and parts of \
                          a distribution that are not known here: name them under workloads. Names \
                          and labels are the word of whoever made the workload; the images are \
                          judged by the other rules.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let own = |texts: &Option<Vec<String>>| texts.clone().unwrap_or_default();
        let namespaces = match &settings.namespaces {
            Some(texts) if texts.is_empty() => {
                return Err(SettingError::new("namespaces", "name at least one, or leave it out"));
            }
            Some(texts) => globs("namespaces", texts.iter().map(String::as_str))?,
            None => globs("namespaces", NAMESPACES.into_iter())?,
        };
        let mut workloads = globs("workloads", own(&settings.workloads).iter().map(String::as_str))?;
        let mut labels = settings.labels.clone().unwrap_or_default();
        for (index, label) in labels.iter().enumerate() {
            check_key(&format!("labels[{index}].key"), &label.key)?;
        }
        if settings.replace_defaults != Some(true) {
            workloads.extend(globs("workloads", WORKLOADS.iter().copied())?);
            let known = |(key, value): (&str, Option<&str>)| PodLabel {
                key: key.to_owned(),
                value: value.map(str::to_owned),
            };
            labels.extend(LABELS.map(known));
        }
        Ok(Self { namespaces, workloads, labels })
    }
}

impl NoUserWorkloadsInSystemNamespace {
    fn is_part_of_cluster(&self, pods: &PodFacts) -> bool {
        let known_by_name = || {
            let workload = format!("{}/{}", pods.kind, pods.name);
            self.workloads.iter().any(|glob| glob.matches(&workload))
        };
        let labelled = |label: &PodLabel| match (pods.label(&label.key), &label.value) {
            (Some(found), Some(value)) => found == value,
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        };
        pods.is_static || self.labels.iter().any(labelled) || known_by_name()
    }
}

impl NamespaceRule for NoUserWorkloadsInSystemNamespace {
    const ASKS: Asks = Asks { pods: PodsRead::Labels, ..Asks::PRESENCE };

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if !self.namespaces.iter().any(|glob| glob.matches(subject.name())) {
            return note.not_applicable(
                "OtherNamespace",
                format_args!("this is not a namespace of the cluster itself"),
            );
        }
        let (mut offenders, mut malformed) = (Offenders::default(), false);
        for pods in subject.live_pods().filter(|pods| !self.is_part_of_cluster(pods)) {
            malformed |= pods.malformed;
            if !pods.malformed {
                offenders.push(format_args!("{} {}", pods.kind, Cut(&pods.name)));
            }
        }
        if !offenders.is_empty() {
            return note
                .fail("InSystemNamespace", format_args!("not known as a part of the cluster: {offenders}"));
        }
        match malformed {
            true => note.unknown(reason::MALFORMED, format_args!("a pod of the namespace cannot be read")),
            false => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{beyond, namespace, namespace_explained, pods, settings_error};
    use crate::subject::namespace::{NamespaceFacts, TextPairs};

    fn explained(settings: &str, name: &str, pods: PodFacts) -> (Verdict, String) {
        let beyond = beyond(Vec::new(), vec![pods]).into();
        let facts = NamespaceFacts { name: name.into(), beyond, ..namespace(&[], &[]) };
        namespace_explained::<NoUserWorkloadsInSystemNamespace>(settings, &facts)
    }

    fn in_system(settings: &str, pods: PodFacts) -> Verdict {
        explained(settings, "kube-system", pods).0
    }

    fn labelled(key: &str, value: &str) -> PodFacts {
        PodFacts { labels: TextPairs::new(vec![(key, value)]), ..pods("mine") }
    }

    const WRONG: Verdict = Verdict::Fail("InSystemNamespace");

    #[test]
    fn a_workload_that_is_no_known_part_fails_in_the_clusters_namespaces_only() {
        let (verdict, text) = explained("{}", "kube-system", pods("miner"));
        assert_eq!((verdict, &*text), (WRONG, "not known as a part of the cluster: Deployment miner"));
        assert_eq!(explained("{}", "kube-public", pods("miner")).0, WRONG);
        for name in ["team-a", "default", "kube-system-2"] {
            assert_eq!(
                explained("{}", name, pods("miner")).0,
                Verdict::NotApplicable("OtherNamespace"),
                "{name}"
            );
        }
        assert_eq!(in_system("{}", PodFacts { ended: true, ..pods("miner") }), Verdict::Pass);
    }

    #[test]
    fn parts_are_known_by_name_by_label_and_as_static_pods() {
        for name in
            ["coredns", "kube-proxy", "kube-proxy-windows", "aws-node", "ebs-csi-controller", "calico-node"]
        {
            assert_eq!(in_system("{}", pods(name)), Verdict::Pass, "{name}");
        }
        for name in ["my-coredns", "kubeproxy", "aws-node-2", "ebs-csi"] {
            assert_eq!(in_system("{}", pods(name)), WRONG, "{name}");
        }
        assert_eq!(in_system("{}", PodFacts { is_static: true, ..pods("mine") }), Verdict::Pass);
        assert_eq!(in_system("{}", labelled("tier", "control-plane")), Verdict::Pass);
        assert_eq!(in_system("{}", labelled("addonmanager.kubernetes.io/mode", "Reconcile")), Verdict::Pass);
        assert_eq!(in_system("{}", labelled("tier", "frontend")), WRONG);
        assert_eq!(in_system("{}", labelled("k8s-app", "coredns")), WRONG);
    }

    #[test]
    fn own_names_come_beside_the_known_ones_or_replace_them() {
        let beside = r#"{"workloads": ["Deployment/log-*"], "labels": [{"key": "platform"}]}"#;
        assert_eq!(in_system(beside, pods("log-agent")), Verdict::Pass);
        assert_eq!(in_system(beside, PodFacts { kind: "DaemonSet".into(), ..pods("log-agent") }), WRONG);
        assert_eq!(in_system(beside, labelled("platform", "")), Verdict::Pass);
        assert_eq!(in_system(beside, pods("coredns")), Verdict::Pass);
        let instead = r#"{"workloads": ["*/log-*"], "replaceDefaults": true}"#;
        assert_eq!(in_system(instead, pods("coredns")), WRONG);
        assert_eq!(in_system(instead, labelled("tier", "control-plane")), WRONG);
        let named = r#"{"namespaces": ["infra-*"]}"#;
        assert_eq!(explained(named, "infra-dns", pods("mine")).0, WRONG);
        assert_eq!(in_system(named, pods("mine")), Verdict::NotApplicable("OtherNamespace"));
    }

    #[test]
    fn a_pod_that_cannot_be_read_is_unknown_unless_its_name_is_enough() {
        let garbled = |name| PodFacts { malformed: true, ..pods(name) };
        assert_eq!(in_system("{}", garbled("mine")), Verdict::Unknown("Malformed"));
        assert_eq!(in_system("{}", garbled("coredns")), Verdict::Pass);
    }

    #[test]
    fn settings_that_match_nothing_are_refused() {
        let field = |settings| settings_error::<NoUserWorkloadsInSystemNamespace>(settings).field;
        assert_eq!(field(r#"{"namespaces": []}"#), "namespaces");
        assert_eq!(field(r#"{"workloads": ["*/a", "a?"]}"#), "workloads[1]");
        assert_eq!(field(r#"{"labels": [{"key": "a b"}]}"#), "labels[0].key");
    }
}
