//! Taking in a record: what it remembers stands in the place of what was found and told before, and the next judgement
//! tells the difference.

use std::sync::Arc;

use jiff::Timestamp;

use super::bytes::Cursor;
use super::entries::{BEYOND, Entries, Memory};
use super::subjects::{Ground, Subjects};
use super::{Label, VERSION, open, spec_of};
use crate::auditor::Auditor;
use crate::auditor::findings::{Finding, Subject};
use crate::auditor::marks::Marks;
use crate::auditor::snapshot::Snapshot;
use crate::policy::compile::CompiledPolicy;
use crate::subject::canonical::text_hash;

/// What one shard says.
struct Read {
    label: Label,
    /// By policy: whether it says the same as when the shard was written.
    same: Arc<[bool]>,
    /// What is remembered of each namespace.
    namespaces: Vec<(Arc<str>, Memory)>,
    /// The same of references and of the cluster.
    beyond: Option<[Memory; 2]>,
    /// References with several contents, and since when.
    skews: Vec<(Arc<str>, Option<Timestamp>)>,
    /// Something had to be left out: what is not there may be so all the same.
    cut: bool,
}

/// The policies that a shard names.
struct Policies {
    /// The number that each has now.
    numbers: Vec<Option<u16>>,
    /// By the policies of now: whether each says the same as then.
    same: Arc<[bool]>,
}

impl Label {
    /// Whether a namespace, by the stable hash of its name, is in this shard.
    fn covers(self, hash: u64) -> bool {
        hash % u64::from(self.of) == u64::from(self.shard)
    }
}

impl Auditor {
    /// Takes in a record that was told, if there is one. Returns whether there was.
    pub(in crate::auditor) fn take_in_record(&mut self) -> bool {
        let Some(shards) = self.record.as_mut().and_then(|record| record.told.take()) else { return false };
        let of = u64::try_from(shards.len()).unwrap_or(u64::MAX);
        for (shard, at) in shards.iter().zip(0_u64..) {
            let read = shard.as_deref().and_then(|bytes| self.read_shard(bytes));
            if let Some(read) = read.filter(|read| u64::from(read.label.shard) == at) {
                self.install(read, |hash| hash % of == at);
            }
        }
        true
    }

    fn read_shard(&self, bytes: &[u8]) -> Option<Read> {
        let (label, mut cursor) = open(bytes).ok()?;
        let Policies { numbers, same } = self.read_policies(&mut cursor)?;
        let mut subjects = Subjects::new(self.inventory.pairs.runtimes());
        let mut read =
            Read { label, same, namespaces: Vec::new(), beyond: None, skews: Vec::new(), cut: false };
        if label.shard == 0 {
            for _ in 0..cursor.number()? {
                read.skews.push((cursor.text()?.into(), cursor.optional_time()?));
            }
        }
        loop {
            let name = cursor.text()?;
            if name.is_empty() {
                read.cut = cursor.byte()? != 0;
                return Some(read);
            }
            let known = self.namespaces.find(name);
            let ground = Ground {
                name: known.map_or_else(|| name.into(), |known| known.name.clone()),
                object: known.and_then(|known| known.object.clone()),
            };
            let (cursor, subjects, policies) = (&mut cursor, &mut subjects, &*self.plan.policies);
            let mut entries = Entries { cursor, subjects, numbers: &numbers, policies };
            match name {
                BEYOND => read.beyond = Some([entries.read(&ground)?, entries.read(&ground)?]),
                _ => read.namespaces.push((ground.name.clone(), entries.read(&ground)?)),
            }
        }
    }

    fn read_policies(&self, cursor: &mut Cursor<'_>) -> Option<Policies> {
        let same_version = cursor.text()? == VERSION;
        let policies = &self.plan.policies;
        let (mut numbers, mut same) = (Vec::new(), vec![false; policies.len()]);
        for _ in 0..cursor.number()? {
            let (name, uid, spec) = (cursor.text()?, cursor.text()?, cursor.word()?);
            let is_it = |policy: &Arc<CompiledPolicy>| *policy.name == *name && *policy.uid == *uid;
            let at = policies.iter().position(is_it);
            if let Some(at) = at {
                same[at] = same_version && spec_of(&policies[at]) == spec;
            }
            numbers.push(at.and_then(|at| u16::try_from(at).ok()));
        }
        Some(Policies { numbers, same: same.into() })
    }

    /// What `is_asked` of a shard stands in the place of what was found and told before.
    fn install(&mut self, read: Read, is_asked: impl Fn(u64) -> bool) {
        let label = read.label;
        let own = |hash: u64| is_asked(hash) && label.covers(hash);
        let ids = self.namespaces.ids().into_iter();
        for id in ids.filter(|id| own(self.namespaces.get(*id).hash)).collect::<Vec<_>>() {
            if !read.cut {
                let namespace = self.namespaces.get_mut(id);
                (namespace.marks, namespace.same) = (Marks::default(), Some(read.same.clone()));
                self.namespaces.mark(id);
            }
        }
        for (name, memory) in read.namespaces.into_iter().filter(|(name, _)| own(text_hash(name))) {
            let id = self.namespaces.named(&name);
            let namespace = self.namespaces.get_mut(id);
            let part = Arc::make_mut(&mut namespace.part);
            part.findings = joined(memory.findings, &part.findings);
            namespace.marks = Marks::recalled(memory.marks, memory.over);
            namespace.same = Some(read.same.clone());
            self.namespaces.mark(id);
        }
        if let Some(beyond) = read.beyond {
            self.install_beyond(beyond, read.skews, read.same);
        }
    }

    /// The same of what lies in no namespace.
    fn install_beyond(
        &mut self,
        [references, cluster]: [Memory; 2],
        skews: Vec<(Arc<str>, Option<Timestamp>)>,
        same: Arc<[bool]>,
    ) {
        for finding in &references.findings {
            if let Subject::Reference(spread) = &finding.subject {
                self.inventory.references.mark_reference(&spread.facts.canonical);
            }
        }
        for (reference, since) in skews {
            self.inventory.references.mark_reference(&reference);
            self.skews.recall(reference, since);
        }
        self.inventory.references.mark_all();
        self.objects.judge_again();
        let old = &*self.snapshot;
        self.snapshot = Arc::new(Snapshot {
            references: joined(references.findings, &old.references),
            cluster: joined(cluster.findings, &old.cluster),
            policies: old.policies.clone(),
            namespaces: old.namespaces.clone(),
            ..Snapshot {
                observed_at: old.observed_at,
                complete: old.complete,
                seen: old.seen,
                ..Snapshot::empty()
            }
        });
        self.reference_marks = Marks::recalled(references.marks, references.over);
        self.cluster_marks = Marks::recalled(cluster.marks, cluster.over);
        if let Some(record) = &mut self.record {
            record.same = Some(same);
        }
    }
}

/// What a record remembers, and what was found that it does not know: that keeps its own time.
fn joined(mut recalled: Vec<Finding>, own: &[Finding]) -> Arc<[Finding]> {
    let key = |finding: &Finding| (finding.id, finding.policy);
    let known = recalled.len();
    for finding in own {
        if recalled[..known].binary_search_by_key(&key(finding), key).is_err() {
            recalled.push(finding.clone());
        }
    }
    recalled.sort_by_key(key);
    recalled.into()
}
