//! NodeImageUntrusted: what lies in the image stores of nodes comes from trusted registries.
//!
//! One finding for the cluster, not one a node or a repository: an image that was pulled once lies on any number of
//! nodes, nodes come and go by themselves, and each would open and resolve a finding. The remedy is one search over
//! all nodes, and the message names the first repositories and a node of each.

use std::collections::BTreeMap;

use crate::reference::Reference;
use crate::rules::shown::Cut;
use crate::rules::trust::Trust;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::cluster::ClusterSubject;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::{Content, NodeFacts};
use crate::verdict::{Note, Severity, Verdict, reason};

/// How many images a message names.
const NAMED: usize = 5;

/// How many images a kubelet lists where nobody has set `nodeStatusMaxImages`.
const LISTED_AT_MOST: i32 = 50;

rule_settings! {
    /// Every image that a node lists in its status comes from a registry or repository that is named here, whether or
    /// not a pod uses it now. Patterns as in trustedRegistry. At least one of allow and deny is needed.
    struct Settings {
        /// Patterns of what is trusted. Default: everything that is not denied.
        #[schemars(length(max = 500), inner(length(min = 1, max = 512)))]
        allow: Vec<String>,
        /// Patterns of what is never trusted; deny beats allow. Default: none.
        #[schemars(length(max = 500), inner(length(min = 1, max = 512)))]
        deny: Vec<String>,
        /// The kubelets' nodeStatusMaxImages; -1 where it is -1, no limit. A node that lists as many images may hold
        /// more, so that nothing wrong among those that it lists is no pass. Default: 50.
        #[schemars(range(min = -1, max = 100_000))]
        listed_at_most: i32,
    }
}

/// The rule, patterns parsed.
#[derive(Debug)]
pub struct NodeImageUntrusted {
    trust: Trust,
    /// None: no limit.
    listed_at_most: Option<u32>,
}

impl Rule for NodeImageUntrusted {
    const INFO: RuleInfo = RuleInfo {
        id: "NodeImageUntrusted",
        title: "Nodes hold only images from trusted registries",
        rationale: "An image from elsewhere in a node's store was run there by a pod that is gone, or was put there \
                    by hand. It shows what the audit of running pods cannot: the Job that lasted a minute, the debug \
                    container, the attacker's tool. And any pod with pull policy Never or IfNotPresent on that node \
                    can run it again without asking a registry.",
        remedy: "Find the nodes and what ran there, then remove the image on each of them:\n\n  \
                 kubectl get nodes -o json | jq -r '.items[] | .metadata.name as $node | .status.images[] | \
                 .names[]? | \"\\($node) \\(.)\"' | grep IMAGE\n  \
                 crictl rmi IMAGE\n\n\
                 or add the repository to spec.rules.nodeImageUntrusted.allow of the policy.",
        severity: Severity::Medium,
        controls: &[
            Control::bsi("SYS.1.6.A6"),
            Control::bsi("SYS.1.6.A12"),
            Control::nist("4.1.5"),
            Control::attack("T1525"),
            Control::attack("T1612"),
        ],
        reads: &[Resource::Nodes],
        false_positives: "What the provider brings with its nodes (pause, CNI, CSI, kube-proxy): allow those \
                          repositories. An image stays in the store until the kubelet collects it, days after its \
                          last pod. A kubelet lists the 50 largest images only (nodeStatusMaxImages): a node that \
                          lists as many is undecided, and so is one that lists none, as virtual nodes do. Images \
                          without a name are not judged.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let limit = settings.listed_at_most.unwrap_or(LISTED_AT_MOST);
        let listed_at_most = match limit {
            -1 => None,
            limit => Some(u32::try_from(limit).map_err(|_| {
                SettingError::new("listedAtMost", "expected a number of images, or -1 for no limit")
            })?),
        };
        Ok(Self { trust: Trust::new(settings.allow.as_deref(), settings.deny.as_deref())?, listed_at_most })
    }
}

impl NodeImageUntrusted {
    /// Why a repository is not trusted.
    fn wrong(&self, repository: &str) -> Option<String> {
        match Reference::parse(repository) {
            Ok(reference) => self.trust.distrusts(&reference).map(|distrust| distrust.to_string()),
            Err(error) => Some(format!("names no registry ({error})")),
        }
    }

    /// Why nothing wrong in what a node lists is no pass.
    fn gap(&self, node: &NodeFacts) -> Option<String> {
        if node.listed == 0 {
            return Some("lists no images".to_owned());
        }
        let limit = self.listed_at_most.filter(|limit| node.listed >= *limit)?;
        Some(format!("lists {limit} images or more, at which its kubelet cuts the list"))
    }
}

impl NamespaceRule for NodeImageUntrusted {
    const ASKS: Asks = Asks::ONLY_CLUSTER;

    fn check(&self, _: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        note.not_applicable("NoNode", format_args!("nodes lie in no namespace"))
    }

    fn check_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict {
        // Nodes hold much the same: each repository is judged once, and shown with the first node that has it.
        let mut repositories: BTreeMap<&str, &str> = BTreeMap::new();
        let (mut malformed, mut gap) = (None, None);
        for object in subject.nodes.of(Resource::Nodes) {
            let Content::Node(node) = &object.content else {
                malformed = malformed.or(Some(&object.name));
                continue;
            };
            for repository in &node.repositories {
                repositories.entry(repository).or_insert(&object.name);
            }
            if gap.is_none() {
                gap = self.gap(node).map(|gap| (&object.name, gap));
            }
        }
        let mut named = String::new();
        let mut count = 0;
        for (repository, node) in repositories {
            let Some(wrong) = self.wrong(repository) else { continue };
            if count < NAMED {
                let separator = if count == 0 { "" } else { "; " };
                named.push_str(&format!("{separator}{} on node {node} {wrong}", Cut(repository)));
            }
            count += 1;
        }
        if count > 0 {
            let more = if count > NAMED { format!("; and {} more", count - NAMED) } else { String::new() };
            return note.fail("UntrustedImage", format_args!("{named}{more}"));
        }
        if let Some(node) = malformed {
            return note.unknown(reason::MALFORMED, format_args!("the status of node {node} cannot be read"));
        }
        if let Some((node, gap)) = gap {
            return note.unknown("ListIncomplete", format_args!("node {node} {gap}: it may hold others"));
        }
        match subject.nodes.is_empty() {
            true => note.not_applicable("NoNode", format_args!("there are no nodes")),
            false => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{cluster_explained, settings_error};
    use crate::subject::objects::ObjectFacts;

    const ONE: &str =
        r#"{"allow": ["registry.example.com", "docker.io/library"], "deny": ["docker.io/library/old"]}"#;

    fn object(name: &str, content: Content) -> ObjectFacts {
        ObjectFacts { kind: Resource::Nodes, namespace: "".into(), name: name.into(), content }
    }

    fn node(name: &str, listed: u32, repositories: &[&str]) -> ObjectFacts {
        let repositories = repositories.iter().map(|text| (*text).into()).collect();
        object(name, Content::Node(NodeFacts { repositories, listed, runtime: None }))
    }

    fn judged(settings: &str, nodes: Vec<ObjectFacts>) -> (Verdict, String) {
        cluster_explained::<NodeImageUntrusted>(settings, nodes)
    }

    const GOOD: &str = "registry.example.com/team/app";

    #[test]
    fn one_image_from_elsewhere_on_one_node_fails_and_is_named_with_its_node() {
        let settings = r#"{"allow": ["registry.example.com"]}"#;
        let (verdict, message) =
            judged(settings, vec![node("a", 1, &[GOOD]), node("b", 2, &[GOOD, "evil.test/miner"])]);
        assert_eq!(verdict, Verdict::Fail("UntrustedImage"));
        assert_eq!(message, "evil.test/miner on node b is in none of the trusted repositories");
        assert_eq!(judged(settings, vec![node("a", 1, &[GOOD])]).0, Verdict::Pass);
    }

    #[test]
    fn the_same_image_on_many_nodes_is_named_once_and_many_images_are_counted() {
        let settings = r#"{"allow": ["registry.example.com"]}"#;
        let names: Vec<String> = (0..7).map(|index| format!("evil.test/{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (_, message) = judged(settings, vec![node("a", 7, &names), node("b", 7, &names)]);
        assert_eq!((message.matches("evil.test").count(), message.matches("node b").count()), (5, 0));
        assert!(message.ends_with("; and 2 more"), "{message}");
    }

    #[test]
    fn a_denied_repository_fails_and_what_is_no_reference_is_trusted_by_no_list() {
        let denied = judged(r#"{"deny": ["evil.test"]}"#, vec![node("a", 1, &["evil.test/x"])]);
        assert!(denied.0 == Verdict::Fail("UntrustedImage") && denied.1.contains("is denied by evil.test"));
        assert_eq!(judged(ONE, vec![node("a", 1, &["Evil"])]).0, Verdict::Fail("UntrustedImage"));
    }

    #[test]
    fn a_list_that_may_be_cut_is_no_pass_but_what_it_shows_is_wrong_all_the_same() {
        let unknown = Verdict::Unknown("ListIncomplete");
        let with = |listed, settings: &str| judged(settings, vec![node("a", listed, &[GOOD])]).0;
        assert_eq!((with(49, ONE), with(50, ONE), with(0, ONE)), (Verdict::Pass, unknown, unknown));
        let raised = r#"{"allow": ["registry.example.com"], "listedAtMost": 100}"#;
        assert_eq!((with(99, raised), with(100, raised)), (Verdict::Pass, unknown));
        let endless = r#"{"allow": ["registry.example.com"], "listedAtMost": -1}"#;
        assert_eq!(with(1_000, endless), Verdict::Pass);
        assert_eq!(judged(ONE, vec![node("a", 50, &["evil.test/x"])]).0, Verdict::Fail("UntrustedImage"));
    }

    #[test]
    fn without_nodes_there_is_nothing_to_judge_and_one_that_cannot_be_read_leaves_it_open() {
        assert_eq!(judged(ONE, vec![]).0, Verdict::NotApplicable("NoNode"));
        let nodes = vec![node("a", 1, &[GOOD]), object("b", Content::Malformed)];
        assert_eq!(judged(ONE, nodes).0, Verdict::Unknown(reason::MALFORMED));
    }

    #[test]
    fn settings_that_trust_everything_or_count_backwards_are_errors() {
        assert_eq!(settings_error::<NodeImageUntrusted>("{}").field, "allow");
        let backwards = r#"{"allow": ["a.test"], "listedAtMost": -2}"#;
        assert_eq!(settings_error::<NodeImageUntrusted>(backwards).field, "listedAtMost");
    }
}
