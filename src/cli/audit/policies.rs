//! The policies of an audit: from the input, from `--policy`, from the cluster, or the profile Baseline.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files;
use crate::decode::manifest::Reader;
use crate::decode::{Change, PolicyRecord, Source};
use crate::policy::compile::{CompiledPolicy, builtin};
use crate::subject::Resource;

/// The profile that judges where no policy is given.
pub(in crate::cli) const DEFAULT_PROFILE: &str = "Baseline";

/// Policies as they are found.
#[derive(Debug, Default)]
pub(in crate::cli) struct Policies {
    records: Vec<PolicyRecord>,
    /// Those that a draft may be compared with.
    pub(in crate::cli) beside: Vec<PolicyRecord>,
    /// What is wrong with them.
    pub(in crate::cli) errors: Vec<String>,
}

impl Policies {
    /// Reads the files of `--policy`, which hold policies and nothing else.
    pub(in crate::cli) fn read(&mut self, paths: &[PathBuf]) {
        for path in paths {
            let file: Arc<str> = path.display().to_string().into();
            let text = match files::read(path) {
                Ok(text) => text,
                Err(error) => {
                    self.errors.push(format!("{file}: {error}"));
                    continue;
                }
            };
            let mut reader = Reader::new("default");
            let mut policies = 0;
            reader.read(file.clone(), &text, &mut |change| {
                if let Change::Policy(record) = change {
                    policies += 1;
                    self.add(record);
                }
            });
            self.errors.extend(reader.errors.iter().map(ToString::to_string));
            if reader.objects + reader.foreign > policies + reader.errors.len() {
                self.errors.push(format!(
                    "{file}: expected nothing but ImagePolicies (revisor.dev/v1alpha1) in a file of --policy; \
                     what is to be audited is named without it"
                ));
            } else if policies == 0 && reader.errors.is_empty() {
                self.errors
                    .push(format!("{file}: expected an ImagePolicy (revisor.dev/v1alpha1), found nothing"));
            }
        }
    }

    /// Reads what a draft is compared with, so that whatever its rules read is looked at too.
    pub(in crate::cli) fn read_beside(&mut self, path: &Path) {
        let mut other = Self::default();
        other.read(&[path.to_owned()]);
        self.beside.append(&mut other.records);
    }

    /// Takes a policy. A second one of the same name that says the same is no second one.
    pub(in crate::cli) fn add(&mut self, record: PolicyRecord) {
        match self.records.iter().find(|known| known.name == record.name) {
            None => self.records.push(record),
            Some(known) if known.spec == record.spec => {}
            Some(known) => self.errors.push(format!(
                "{}: stands here too, differently: {}",
                at(&record),
                known.source.as_ref().map_or_else(|| "in the cluster".to_owned(), place),
            )),
        }
    }

    /// Whether there is none.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The kinds that their rules read; those of the default one where there is none.
    pub(in crate::cli) fn needs(&self) -> BTreeSet<Resource> {
        let default = self.is_empty().then(|| builtin(DEFAULT_PROFILE));
        let compiled = self.records.iter().chain(&self.beside).chain(&default).map(CompiledPolicy::compile);
        let needs = |policy: CompiledPolicy| {
            let requests = (!policy.delegation.is_empty()).then_some(Resource::Exemptions);
            policy.needs().chain(requests).collect::<Vec<_>>()
        };
        compiled.flat_map(needs).collect()
    }

    /// Takes the default one.
    pub(in crate::cli) fn add_default(&mut self) {
        self.add(builtin(DEFAULT_PROFILE));
    }

    /// Every policy, with what in them cannot be used added to the errors.
    pub(in crate::cli) fn finish(self) -> (Vec<PolicyRecord>, Vec<String>) {
        let Self { records, mut errors, .. } = self;
        for record in &records {
            for problem in &CompiledPolicy::compile(record).problems {
                errors.push(format!(
                    "{}: {}: {} ({})",
                    at(record),
                    problem.field,
                    problem.message,
                    problem.reason
                ));
            }
        }
        (records, errors)
    }
}

fn at(record: &PolicyRecord) -> String {
    match &record.source {
        Some(source) => format!("{}: ImagePolicy {}", place(source), record.name),
        None => format!("ImagePolicy {}", record.name),
    }
}

fn place(source: &Source) -> String {
    format!("{}:{}", source.file, source.line)
}
