//! Images: how they are written in a spec and what a node reports of them.

use super::random::{Dice, mix, put, put_sha256};

const REGISTRIES: [&str; 6] = [
    "registry.corp.example.com",
    "ghcr.io",
    "docker.io",
    "quay.io",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "registry.k8s.io",
];
const PROJECTS: [&str; 5] = ["platform", "team-a", "payments", "apps", "core"];
const ROLES: [&str; 7] = ["api", "worker", "frontend", "gateway", "batch", "proxy", "cache"];

/// How an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Digest,
    TagAndDigest,
    Version,
    Commit,
    Latest,
    /// `nginx-17:1.25`, without a registry.
    Short,
    /// From `k8s.gcr.io`, which is frozen.
    Frozen,
    /// From a registry that no policy trusts.
    Foreign,
    /// From an address.
    Address,
}

/// An image of the cluster. Its number is its repository, its build the content of a rollout (0: the first).
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    number: usize,
    build: u32,
    seed: u64,
    form: Form,
}

impl Image {
    pub(super) fn new(seed: u64, number: usize, build: u32) -> Self {
        let form = match Dice::new(seed, b'f', number).below(100) {
            0..20 => Form::Digest,
            20..40 => Form::TagAndDigest,
            40..78 => Form::Version,
            78..86 => Form::Commit,
            86..96 => Form::Latest,
            96 => Form::Short,
            97 => Form::Frozen,
            98 => Form::Foreign,
            _ => Form::Address,
        };
        Self { number, build, seed, form }
    }

    /// One of the images that stand beside the main one in many pods, always pinned by digest.
    pub(super) fn beside(seed: u64, number: usize) -> Self {
        Self { number: 10_000_000 + number, build: 0, seed, form: Form::TagAndDigest }
    }

    /// Whether no rule about images has anything against it.
    pub(super) fn is_fine(self) -> bool {
        matches!(self.form, Form::Digest | Form::TagAndDigest)
    }

    /// Whether its registry is one of those that the synthetic policy trusts.
    pub(super) fn is_trusted(self) -> bool {
        !matches!(self.form, Form::Frozen | Form::Foreign | Form::Address)
    }

    /// The same image from a registry that nobody trusts.
    pub(super) fn elsewhere(self) -> Self {
        Self { form: Form::Foreign, ..self }
    }

    /// Whether its tag has been pushed again, so that nodes run two contents under it.
    pub(super) fn has_moved(self) -> bool {
        !self.is_fine() && Dice::new(self.seed, b'm', self.number).percent(5)
    }

    /// The pull policy that stands beside it, `IfNotPresent` for some that should not have it.
    pub(super) fn pull_policy(self) -> &'static str {
        let careless = Dice::new(self.seed, b'p', self.number).percent(20);
        if self.is_fine() || careless { "IfNotPresent" } else { "Always" }
    }

    fn put_repository(self, out: &mut String, canonical: bool) {
        let mut dice = Dice::new(self.seed, b'i', self.number);
        let (registry, project, role) = (dice.pick(&REGISTRIES), dice.pick(&PROJECTS), dice.pick(&ROLES));
        let prefix = match self.form {
            Form::Short if canonical => "docker.io/library/",
            Form::Short => "",
            Form::Frozen => "k8s.gcr.io/",
            Form::Foreign => "registry.elsewhere.test/free/",
            Form::Address => "10.96.0.17:5000/",
            _ => {
                return put(out, format_args!("{registry}/{project}/{role}-{}", self.number));
            }
        };
        put(out, format_args!("{prefix}{role}-{}", self.number));
    }

    fn digest_number(self, other: bool) -> u64 {
        let content = self.number as u64 ^ u64::from(self.build) << 40 ^ u64::from(other) << 39;
        mix(self.seed ^ mix(content))
    }

    /// As written in the spec.
    pub(super) fn put(self, out: &mut String) {
        self.put_repository(out, false);
        let number = self.number;
        match self.form {
            Form::Latest if self.build == 0 => out.push_str(":latest"),
            Form::Commit => put(out, format_args!(":sha-{:012x}", mix(self.digest_number(false)) >> 16)),
            Form::Digest => {}
            _ => put(out, format_args!(":v{}.{}.{}", number % 9, number % 17, self.build)),
        }
        if self.is_fine() {
            out.push_str("@sha256:");
            put_sha256(out, self.digest_number(false));
        }
    }

    /// As containerd reports what runs.
    pub(super) fn put_id(self, out: &mut String, other_digest: bool) {
        self.put_repository(out, true);
        out.push_str("@sha256:");
        put_sha256(out, self.digest_number(other_digest));
    }
}
