//! The kinds of suspicious activity.

/// A kind of suspicious activity. Each is explained in docs/suspicious-activity.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// The image of a container was changed in a pod that lives.
    PodImageChanged,
    /// An ephemeral container was added to a pod.
    EphemeralContainerAdded,
    /// A namespace is kept at a lower Pod Security level than before, or at none of its own.
    PodSecurityDowngraded,
    /// A label was added to a namespace that takes it out of an admission controller's sight.
    OptOutLabelAdded,
    /// No network policy of a namespace denies by default any more.
    DefaultDenyRemoved,
    /// An image comes from a registry that was not used in the cluster before.
    RegistryFirstUsed,
    /// Pods start a content under a tag that another content had replaced.
    TagMovedBack,
    /// Somebody was bound to cluster-admin.
    ClusterAdminBound,
    /// Something was bound to requests without credentials.
    AnonymousBound,
    /// A policy asks for less than before.
    PolicyWeakened,
    /// A policy was deleted.
    PolicyDeleted,
    /// A policy has an exemption that it did not have.
    ExemptionAdded,
}

impl Signal {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::PodImageChanged,
        Self::EphemeralContainerAdded,
        Self::PodSecurityDowngraded,
        Self::OptOutLabelAdded,
        Self::DefaultDenyRemoved,
        Self::RegistryFirstUsed,
        Self::TagMovedBack,
        Self::ClusterAdminBound,
        Self::AnonymousBound,
        Self::PolicyWeakened,
        Self::PolicyDeleted,
        Self::ExemptionAdded,
    ];

    /// The word used in Events, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodImageChanged => "PodImageChanged",
            Self::EphemeralContainerAdded => "EphemeralContainerAdded",
            Self::PodSecurityDowngraded => "PodSecurityDowngraded",
            Self::OptOutLabelAdded => "OptOutLabelAdded",
            Self::DefaultDenyRemoved => "DefaultDenyRemoved",
            Self::RegistryFirstUsed => "RegistryFirstUsed",
            Self::TagMovedBack => "TagMovedBack",
            Self::ClusterAdminBound => "ClusterAdminBound",
            Self::AnonymousBound => "AnonymousBound",
            Self::PolicyWeakened => "PolicyWeakened",
            Self::PolicyDeleted => "PolicyDeleted",
            Self::ExemptionAdded => "ExemptionAdded",
        }
    }

    /// What to do first, in one line.
    pub fn first_step(self) -> &'static str {
        match self {
            Self::PodImageChanged => {
                "Find in the API server's audit log who patched the pod; if nobody knows of it, keep the evidence and \
                 replace the pod"
            }
            Self::EphemeralContainerAdded => {
                "Find in the API server's audit log who debugs here; replace the pod when that is over"
            }
            Self::PodSecurityDowngraded => {
                "Find in the API server's audit log who changed the label, set it again, and look at the pods made since"
            }
            Self::OptOutLabelAdded => {
                "Find in the API server's audit log who set the label, remove it, and look at what was made since"
            }
            Self::DefaultDenyRemoved => {
                "Apply the network policy again, and find in the API server's audit log who removed it"
            }
            Self::RegistryFirstUsed => {
                "Find out whether the registry is meant, and name in a policy those that are"
            }
            Self::TagMovedBack => {
                "Compare the two digests in the registry's history, and pin the one that is meant"
            }
            Self::ClusterAdminBound => {
                "Find in the API server's audit log who made the binding, and delete it if it is not meant"
            }
            Self::AnonymousBound => {
                "Delete the binding, then look in the API server's audit log for requests of system:anonymous"
            }
            Self::PolicyWeakened => "Find in the API server's audit log who edited the policy, and why",
            Self::PolicyDeleted => {
                "Find in the API server's audit log who deleted the policy, and apply it again if it is missed"
            }
            Self::ExemptionAdded => "Look whether its reason was agreed upon, and by whom",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_stands_at_its_place_under_a_word_that_is_fit_for_an_event() {
        for (at, signal) in Signal::ALL.into_iter().enumerate() {
            assert_eq!(signal as usize, at, "{signal:?}");
            assert_eq!(signal.as_str(), format!("{signal:?}"));
            assert!(crate::rules::RuleId::named(signal.as_str()).is_none(), "{signal:?} is a rule");
        }
    }
}
