//! Roles and bindings, as far as rules read them.

/// What a Role or ClusterRole grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleFacts {
    /// What it grants.
    pub rules: Box<[AccessRule]>,
    /// A controller fills it in from other roles (`aggregationRule`).
    pub aggregated: bool,
    /// Kubernetes itself made it: label `kubernetes.io/bootstrapping=rbac-defaults`.
    pub bootstrap: bool,
}

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// `apiGroups`
    pub groups: Box<[Box<str>]>,
    /// `resources`
    pub resources: Box<[Box<str>]>,
    /// `verbs`
    pub verbs: Box<[Box<str>]>,
    /// `nonResourceURLs`
    pub urls: Box<[Box<str>]>,
    /// It is limited to objects of some names (`resourceNames`).
    pub named: bool,
}

fn has(words: &[Box<str>], word: &str) -> bool {
    words.iter().any(|found| **found == *word)
}

impl AccessRule {
    /// Whether it grants a verb, by name or by `*`.
    pub fn grants_verb(&self, verb: &str) -> bool {
        has(&self.verbs, verb) || has(&self.verbs, "*")
    }

    /// Whether it is about a resource of a group (`pods/exec` is its own resource). `*` and, for subresources,
    /// `*/exec` cover it, as the authorizer has it (`ResourceMatches`).
    pub fn covers(&self, group: &str, resource: &str) -> bool {
        let by_subresource = || {
            let (_, subresource) = resource.split_once('/')?;
            Some(self.resources.iter().any(|found| found.strip_prefix("*/") == Some(subresource)))
        };
        (has(&self.groups, group) || has(&self.groups, "*"))
            && (has(&self.resources, resource)
                || has(&self.resources, "*")
                || by_subresource().unwrap_or(false))
    }

    /// The fields that stand for what nobody has named, with the words that do. Beside `*` these are `*/scale`, that
    /// subresource of whatever resource has it, and `/*`, every path (`ResourceMatches` and `NonResourceURLMatches` of
    /// the authorizer). `pods/*` is none: it covers nothing. `/healthz/*` names what it grants.
    pub fn wildcards(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let any = |word: &str| word == "*";
        let any_resource = |word: &str| word == "*" || word.starts_with("*/");
        let any_url = |word: &str| word.ends_with('*') && matches!(word.trim_end_matches('*'), "" | "/");
        let first =
            |words: &'_ [Box<str>], stands: fn(&str) -> bool| words.iter().position(|word| stands(word));
        [
            ("verbs", &self.verbs, first(&self.verbs, any)),
            ("resources", &self.resources, first(&self.resources, any_resource)),
            ("apiGroups", &self.groups, first(&self.groups, any)),
            ("nonResourceURLs", &self.urls, first(&self.urls, any_url)),
        ]
        .into_iter()
        .filter_map(|(field, words, at)| Some((field, &*words[at?])))
    }

    /// Whether it grants every verb on every resource.
    pub fn grants_all(&self) -> bool {
        has(&self.verbs, "*") && has(&self.resources, "*")
    }
}

/// Whom a RoleBinding or ClusterRoleBinding gives what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingFacts {
    /// The role is a ClusterRole.
    pub of_cluster_role: bool,
    /// The role's name.
    pub role: Box<str>,
    /// Whom it is given to; empty grants nothing.
    pub subjects: Box<[Grantee]>,
}

/// Whom a binding gives its role to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// A service account: namespace and name.
    Account(Box<str>, Box<str>),
    /// A user.
    User(Box<str>),
    /// A group.
    Group(Box<str>),
}

/// Whose service accounts a grantee is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Some or all of one namespace.
    Namespace(&'a str),
    /// Those of every namespace.
    Everyone,
    /// Nobody's.
    Nobody,
}

/// Every user who has shown who they are; every service account is in it.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Every request without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user of a request without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// Every service account.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The administrators that no rule of RBAC can stop.
pub const MASTERS: &str = "system:masters";

const ACCOUNT_USER: &str = "system:serviceaccount:";

/// Of the namespace of this name. The API server takes any text in a subject, and one that can be no namespace's name
/// must not become a subject of ours.
fn in_namespace(name: &str) -> Reach<'_> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_name { Reach::Namespace(name) } else { Reach::Nobody }
}

impl Grantee {
    /// Whose service accounts it is.
    pub fn reach(&self) -> Reach<'_> {
        match self {
            Self::Account(namespace, _) => in_namespace(namespace),
            Self::User(name) => match name.strip_prefix(ACCOUNT_USER).and_then(|rest| rest.split_once(':')) {
                Some((namespace, _)) => in_namespace(namespace),
                None => Reach::Nobody,
            },
            Self::Group(name) if **name == *AUTHENTICATED || **name == *SERVICE_ACCOUNTS => Reach::Everyone,
            Self::Group(name) => {
                match name.strip_prefix(SERVICE_ACCOUNTS).and_then(|it| it.strip_prefix(':')) {
                    Some(namespace) => in_namespace(namespace),
                    None => Reach::Nobody,
                }
            }
        }
    }

    /// Whether this service account is meant, by its name, its user name or a group that it is in.
    pub fn includes_account(&self, namespace: &str, name: &str) -> bool {
        match (self.reach(), self) {
            (Reach::Nobody, _) => false,
            (Reach::Everyone, _) => true,
            (Reach::Namespace(found), _) if found != namespace => false,
            (_, Self::Account(_, found)) => **found == *name,
            (_, Self::User(user)) => user.rsplit_once(':').is_some_and(|(_, found)| found == name),
            (_, Self::Group(_)) => true,
        }
    }

    /// Whether this is the group of this name.
    pub fn is_group(&self, group: &str) -> bool {
        matches!(self, Self::Group(name) if **name == *group)
    }

    /// Whether this is a request without credentials.
    pub fn is_anonymous(&self) -> bool {
        self.is_group(UNAUTHENTICATED) || matches!(self, Self::User(name) if **name == *ANONYMOUS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Box<[Box<str>]> {
        words.iter().map(|word| Box::from(*word)).collect()
    }

    #[test]
    fn a_rule_covers_what_the_authorizer_would_allow() {
        let rule = |groups: &[&str], resources: &[&str]| AccessRule {
            groups: words(groups),
            resources: words(resources),
            ..AccessRule::default()
        };
        assert!(rule(&[""], &["secrets"]).covers("", "secrets"));
        assert!(!rule(&["apps"], &["secrets"]).covers("", "secrets"), "another group's");
        assert!(rule(&["*"], &["*"]).covers("", "pods/exec"));
        assert!(rule(&[""], &["*/exec"]).covers("", "pods/exec"));
        assert!(!rule(&[""], &["pods"]).covers("", "pods/exec"), "a subresource is its own resource");
        assert!(!rule(&[""], &["pods/*"]).covers("", "pods/exec"), "no such wildcard");
    }

    #[test]
    fn what_can_be_no_name_of_a_namespace_is_nobodys() {
        for namespace in ["", "..", "../team-a", "Team-a", "-a", "a-", "a b", &"a".repeat(64)] {
            for grantee in [
                Grantee::Account(namespace.into(), "web".into()),
                Grantee::User(format!("system:serviceaccount:{namespace}:web").into()),
                Grantee::Group(format!("system:serviceaccounts:{namespace}").into()),
            ] {
                assert_eq!(grantee.reach(), Reach::Nobody, "{grantee:?}");
            }
        }
        assert_eq!(Grantee::Account("0-a".into(), "web".into()).reach(), Reach::Namespace("0-a"));
    }

    #[test]
    fn a_service_account_is_meant_by_name_by_user_name_and_by_its_groups() {
        let group = |name: &str| Grantee::Group(name.into());
        for grantee in [
            Grantee::Account("team-a".into(), "default".into()),
            Grantee::User("system:serviceaccount:team-a:default".into()),
            group("system:serviceaccounts:team-a"),
            group(SERVICE_ACCOUNTS),
            group(AUTHENTICATED),
        ] {
            assert!(grantee.includes_account("team-a", "default"), "{grantee:?}");
        }
        for grantee in [
            Grantee::Account("team-b".into(), "default".into()),
            Grantee::Account("team-a".into(), "web".into()),
            Grantee::User("system:serviceaccount:team-a:web".into()),
            Grantee::User("default".into()),
            group("system:serviceaccounts:team-b"),
            group("system:serviceaccountsx"),
            group(UNAUTHENTICATED),
        ] {
            assert!(!grantee.includes_account("team-a", "default"), "{grantee:?}");
        }
    }
}
