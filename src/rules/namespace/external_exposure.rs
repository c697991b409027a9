//! ExternalExposure: nothing of the namespace can be reached from outside the cluster.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::offenders::{Named, Offenders};
use crate::rules::settings::check_key;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::{NamespaceSubject, TextPairs};
use crate::subject::objects::{Content, Exposed, ObjectFacts};
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No Service has node ports, a load balancer that is not internal, or external IPs, and there is no Ingress that
    /// is not internal.
    struct Settings {
        /// Ways out that are fine. Default: none.
        #[schemars(length(max = 4))]
        allow: Vec<WayOut>,
        /// Annotations that make a load balancer or an Ingress internal, beside those of the known clouds (such as
        /// `service.beta.kubernetes.io/azure-load-balancer-internal=true`). Default: none but those.
        #[schemars(length(max = 64))]
        internal_annotations: Vec<Mark>,
        /// Classes of Ingress that are internal, beside `gce-internal`. Default: none but that.
        #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
        internal_ingress_classes: Vec<String>,
        /// `true`: only the annotations and classes named here are internal, not the known ones. Default: false.
        replace_defaults: bool,
    }
}

/// A way into the cluster from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WayOut {
    /// A Service of type NodePort.
    NodePort,
    /// A Service of type LoadBalancer.
    LoadBalancer,
    /// A Service with `externalIPs`.
    ExternalIPs,
    /// An Ingress.
    Ingress,
}

/// An annotation that says internal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mark {
    /// The annotation's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// Its value, of at most 64 bytes. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub value: Option<String>,
}

/// What the cloud controllers read: key, and value where only one does it.
const INTERNAL: &[(&str, Option<&str>)] = &[
    ("service.beta.kubernetes.io/aws-load-balancer-internal", Some("true")),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", Some("0.0.0.0/0")),
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", Some("internal")),
    ("alb.ingress.kubernetes.io/scheme", Some("internal")),
    ("networking.gke.io/load-balancer-type", Some("Internal")),
    ("cloud.google.com/load-balancer-type", Some("Internal")),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", Some("true")),
    ("appgw.ingress.kubernetes.io/use-private-ip", Some("true")),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", Some("true")),
    ("service.beta.kubernetes.io/oci-load-balancer-internal", Some("true")),
    ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", Some("intranet")),
    ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", None),
    ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", Some("private")),
    ("service.beta.kubernetes.io/do-loadbalancer-network", Some("INTERNAL")),
    ("service.beta.kubernetes.io/scw-loadbalancer-private", Some("true")),
];

const INTERNAL_CLASS: &str = "gce-internal";

/// The rule, tables joined.
#[derive(Debug)]
pub struct ExternalExposure {
    allow: Vec<WayOut>,
    internal: Vec<Mark>,
    internal_classes: Vec<String>,
}

impl Rule for ExternalExposure {
    const INFO: RuleInfo = RuleInfo {
        id: "ExternalExposure",
        title: "Nothing is exposed outside the cluster",
        rationale: "A node port or a load balancer opens a way in from outside, past the gateway \
                    that was meant to be the only one. External IPs are worse: whoever may write a \
                    Service with them draws the traffic for any address to its own pods \
                    (CVE-2020-8554).",
        remedy: "Make it reachable inside the cluster only, and let the gateway forward to it:\n\n  \
                 kubectl -n NAMESPACE patch service NAME -p '{\"spec\": {\"type\": \"ClusterIP\"}}'\n  \
                 kubectl -n NAMESPACE patch service NAME --type json \
                 -p '[{\"op\": \"remove\", \"path\": \"/spec/externalIPs\"}]'\n\n\
                 A load balancer for the company's own network is made internal by an annotation that \
                 depends on the cloud.",
        severity: Severity::Medium,
        controls: &[Control::bsi("APP.4.4.A7"), Control::nist("3.4.2"), Control::owasp("K05")],
        reads: &[Resource::Services, Resource::Ingresses],
        false_positives: "The namespace of the gateway itself, whose load balancer is the way in: \
                          exempt it, or allow LoadBalancer in a policy of its own. Firewalls and \
                          loadBalancerSourceRanges before it are not seen. The routes of the Gateway \
                          API are not read, and neither are host ports and the host's network of pods.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let mut internal = settings.internal_annotations.clone().unwrap_or_default();
        for (index, mark) in internal.iter().enumerate() {
            check_key(&format!("internalAnnotations[{index}].key"), &mark.key)?;
        }
        let mut internal_classes = settings.internal_ingress_classes.clone().unwrap_or_default();
        if let Some(index) = internal_classes.iter().position(String::is_empty) {
            let field = format!("internalIngressClasses[{index}]");
            return Err(SettingError::new(field, "name a class"));
        }
        if settings.replace_defaults != Some(true) {
            let mark = |(key, value): &(&str, Option<&str>)| Mark {
                key: (*key).to_owned(),
                value: value.map(str::to_owned),
            };
            internal.extend(INTERNAL.iter().map(mark));
            internal_classes.push(INTERNAL_CLASS.to_owned());
        }
        Ok(Self { allow: settings.allow.clone().unwrap_or_default(), internal, internal_classes })
    }
}

/// A Service or an Ingress, and how it is reached.
struct Exposure<'a>(&'a ObjectFacts, WayOut);

impl fmt::Display for Exposure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Named(self.0);
        match self.1 {
            WayOut::Ingress => write!(f, "{name}"),
            WayOut::NodePort => write!(f, "{name} (node ports)"),
            WayOut::LoadBalancer => write!(f, "{name} (load balancer)"),
            WayOut::ExternalIPs => write!(f, "{name} (external IPs)"),
        }
    }
}

impl ExternalExposure {
    fn is_internal(&self, annotations: &TextPairs) -> bool {
        self.internal.iter().any(|Mark { key, value }| {
            annotations.get(key).is_some_and(|found| value.as_deref().is_none_or(|value| value == found))
        })
    }

    /// The worst way in through an object.
    fn way_out(&self, object: &ObjectFacts) -> Option<WayOut> {
        let forbidden = |way: WayOut| !self.allow.contains(&way);
        match &object.content {
            Content::Service(service) => {
                if service.external_ips && forbidden(WayOut::ExternalIPs) {
                    return Some(WayOut::ExternalIPs);
                }
                let way = match service.exposed {
                    Exposed::No => return None,
                    Exposed::NodePort => WayOut::NodePort,
                    Exposed::LoadBalancer if self.is_internal(&service.annotations) => return None,
                    Exposed::LoadBalancer => WayOut::LoadBalancer,
                };
                Some(way).filter(|way| forbidden(*way))
            }
            Content::Ingress(ingress) => {
                let internal = self.internal_classes.iter().any(|class| **class == *ingress.class)
                    || self.is_internal(&ingress.annotations);
                Some(WayOut::Ingress).filter(|way| !internal && forbidden(*way))
            }
            _ => None,
        }
    }
}

impl NamespaceRule for ExternalExposure {
    const ASKS: Asks = Asks::PRESENCE;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let objects = || {
            let services = subject.objects(Resource::Services).iter();
            services.chain(subject.objects(Resource::Ingresses))
        };
        let (mut hijacking, mut exposed) = (Offenders::default(), Offenders::default());
        for object in objects() {
            match self.way_out(object) {
                Some(WayOut::ExternalIPs) => hijacking.push(Exposure(object, WayOut::ExternalIPs)),
                Some(way) => exposed.push(Exposure(object, way)),
                None => {}
            }
        }
        if !hijacking.is_empty() {
            let other = if exposed.is_empty() { "" } else { "; besides " };
            return note.fail(
                "ExternalIPs",
                format_args!(
                    "traffic for addresses outside the cluster is drawn in by {hijacking}{other}{exposed}"
                ),
            );
        }
        exposed.verdict("Exposed", "reachable from outside the cluster", objects(), note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{object, settings_error, surrounded};
    use crate::subject::objects::{IngressFacts, ServiceFacts};

    fn service(name: &str, exposed: Exposed, annotations: &[(&str, &str)]) -> ObjectFacts {
        let annotations = TextPairs::new(annotations.to_vec());
        let facts = ServiceFacts { exposed, external_ips: false, annotations };
        object(Resource::Services, name, Content::Service(facts))
    }

    fn with_external_ips(name: &str) -> ObjectFacts {
        let facts = ServiceFacts { external_ips: true, ..ServiceFacts::default() };
        object(Resource::Services, name, Content::Service(facts))
    }

    fn ingress(class: &str, annotations: &[(&str, &str)]) -> ObjectFacts {
        let facts = IngressFacts { class: class.into(), annotations: TextPairs::new(annotations.to_vec()) };
        object(Resource::Ingresses, "web", Content::Ingress(facts))
    }

    fn verdict(settings: &str, objects: Vec<ObjectFacts>) -> Verdict {
        surrounded::<ExternalExposure>(settings, objects).0
    }

    const EXPOSED: Verdict = Verdict::Fail("Exposed");

    #[test]
    fn node_ports_load_balancers_and_ingresses_are_ways_in_and_other_services_are_not() {
        assert_eq!(verdict("{}", vec![]), Verdict::Pass);
        assert_eq!(verdict("{}", vec![service("s", Exposed::No, &[])]), Verdict::Pass);
        assert_eq!(verdict("{}", vec![service("s", Exposed::NodePort, &[])]), EXPOSED);
        assert_eq!(verdict("{}", vec![service("s", Exposed::LoadBalancer, &[])]), EXPOSED);
        assert_eq!(verdict("{}", vec![ingress("nginx", &[])]), EXPOSED);
        let all = vec![
            service("s", Exposed::NodePort, &[]),
            service("t", Exposed::LoadBalancer, &[]),
            ingress("", &[]),
        ];
        let (_, text) = surrounded::<ExternalExposure>("{}", all);
        assert_eq!(
            text,
            "reachable from outside the cluster: Service s (node ports), Service t (load balancer), Ingress web"
        );
    }

    #[test]
    fn external_ips_are_told_first() {
        let both = vec![service("a", Exposed::NodePort, &[]), with_external_ips("b")];
        let (found, text) = surrounded::<ExternalExposure>("{}", both);
        assert_eq!(found, Verdict::Fail("ExternalIPs"));
        assert!(
            text.ends_with("drawn in by Service b (external IPs); besides Service a (node ports)"),
            "{text}"
        );
        assert_eq!(verdict(r#"{"allow": ["ExternalIPs"]}"#, vec![with_external_ips("b")]), Verdict::Pass);
    }

    #[test]
    fn an_annotation_of_a_cloud_or_of_ones_own_makes_a_load_balancer_internal() {
        let balancer = |key, value| vec![service("s", Exposed::LoadBalancer, &[(key, value)])];
        let azure = "service.beta.kubernetes.io/azure-load-balancer-internal";
        assert_eq!(verdict("{}", balancer(azure, "true")), Verdict::Pass);
        assert_eq!(verdict("{}", balancer(azure, "false")), EXPOSED);
        let subnet = "service.kubernetes.io/qcloud-loadbalancer-internal-subnetid";
        assert_eq!(verdict("{}", balancer(subnet, "subnet-1")), Verdict::Pass);
        let own = r#"{"internalAnnotations": [{"key": "example.com/zone", "value": "office"}]}"#;
        assert_eq!(verdict(own, balancer("example.com/zone", "office")), Verdict::Pass);
        assert_eq!(verdict(own, balancer("example.com/zone", "world")), EXPOSED);
        assert_eq!(verdict(own, balancer(azure, "true")), Verdict::Pass);
        let only = r#"{"internalAnnotations": [{"key": "example.com/zone"}], "replaceDefaults": true}"#;
        assert_eq!(verdict(only, balancer(azure, "true")), EXPOSED);
        let node_port = service("s", Exposed::NodePort, &[(azure, "true")]);
        assert_eq!(verdict("{}", vec![node_port]), EXPOSED, "nodes know nothing of it");
    }

    #[test]
    fn a_class_or_an_annotation_makes_an_ingress_internal() {
        assert_eq!(verdict("{}", vec![ingress("gce-internal", &[])]), Verdict::Pass);
        assert_eq!(
            verdict("{}", vec![ingress("alb", &[("alb.ingress.kubernetes.io/scheme", "internal")])]),
            Verdict::Pass
        );
        let own = r#"{"internalIngressClasses": ["office"]}"#;
        assert_eq!(verdict(own, vec![ingress("office", &[])]), Verdict::Pass);
        assert_eq!(verdict(own, vec![ingress("", &[])]), EXPOSED, "the default class may be any");
    }

    #[test]
    fn ways_that_are_allowed_are_fine_and_what_cannot_be_read_is_unknown_unless_another_fails() {
        let node_port = || service("s", Exposed::NodePort, &[]);
        assert_eq!(verdict(r#"{"allow": ["NodePort"]}"#, vec![node_port()]), Verdict::Pass);
        assert_eq!(verdict(r#"{"allow": ["LoadBalancer", "Ingress"]}"#, vec![node_port()]), EXPOSED);
        let garbled = || object(Resource::Services, "garbled", Content::Malformed);
        assert_eq!(verdict("{}", vec![garbled()]), Verdict::Unknown("Malformed"));
        assert_eq!(verdict("{}", vec![garbled(), node_port()]), EXPOSED);
    }

    #[test]
    fn settings_that_match_nothing_are_refused() {
        let field = |settings| settings_error::<ExternalExposure>(settings).field;
        assert_eq!(field(r#"{"internalAnnotations": [{"key": "a b"}]}"#), "internalAnnotations[0].key");
        assert_eq!(field(r#"{"internalIngressClasses": ["a", ""]}"#), "internalIngressClasses[1]");
    }
}
