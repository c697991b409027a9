//! The record: the small durable memory of what was found and told, for restarts and for another replica that takes
//! over. An auditor that is given it goes on as if it had never stopped: findings keep their since-times, dormant ones
//! stay, what opened or was mended meanwhile is a transition, and an unchanged cluster tells nothing.
//!
//! **What it holds.** Of each namespace, and of what lies in none: every finding with its since-times, what was told of it
//! (open, exempt, about to be told as resolved) and the number of its last transition, from which Events are named; the
//! subject, with what was judged of it, so that a finding whose pods are gone can still be explained and told as
//! resolved; the numbers of findings that were over in the last 24 hours. And which policies it was found under.
//!
//! **Why not NamespaceAudits alone.** They are for people: of a finding under two policies they hold one time, of one
//! that is dormant or undecided nothing of what was told, of a namespace with many findings only the first hundred, and
//! nothing that lies in no namespace. A hundred findings of ten workloads take them up to 64 KiB, and the record less than
//! 16, with all that was judged.
//!
//! **Its form.** One record for everything, in shards by the hash of the namespace's name, so that a change rewrites one of
//! them: one shard at first, twice as many whenever one with several namespaces has outgrown [`SHARD_AIM`], at most [`SHARDS_MOST`]. Bytes, not
//! text: nobody reads hashes, the NamespaceAudits say the same for people, and a finding takes 20 to 30 bytes instead of a
//! hundred. Texts and what was judged stand there once a shard. Each shard names its format, the operator's version and a
//! checksum, and can be read without the others.
//!
//! **When it is of no use.** A shard that is not there, is damaged or of a newer format is lost: its namespaces are
//! audited as if for the first time, which tells nothing. A policy that the record does not know, or whose spec has changed
//! since, tells nothing of its own either; it has its summary. Another version of the operator may judge otherwise, so
//! after an upgrade since-times are kept and nothing is told. A shard that had to leave something out says so.
//!
//! **What makes it differ.** [`Auditor::record_digest`] covers what was found, since when, and what was told. It leaves out
//! what changes while no verdict does: dormancy, and the evidence. So a nightly job writes nothing; what is known of these
//! is as old as the last write.

mod adopt;
mod bytes;
mod entries;
mod subjects;

use std::sync::Arc;

use self::bytes::{Cursor, Writer};
use super::Auditor;
use super::findings::Finding;
use super::marks::Marks;
use super::namespaces::Namespace;
use crate::decode::RecordShards;
use crate::policy::compile::CompiledPolicy;
use crate::subject::canonical::{bytes_hash, combine, text_hash};

/// More shards there never are.
pub const SHARDS_MOST: u8 = 64;
/// A shard that is longer is a reason to have twice as many.
pub const SHARD_AIM: usize = 256 * 1_024;
/// A shard is cut before it is longer: a ConfigMap may have 1 MiB.
const SHARD_LIMIT: usize = 960 * 1_024;
/// Beyond this length evidence is left out.
const EVIDENCE_LIMIT: usize = 640 * 1_024;

/// What a shard begins with; the format's number, a checksum and the content follow.
const MAGIC: &[u8; 4] = b"RVSR";
/// The format that this version writes.
const FORMAT: u8 = 1;
/// Who writes.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The shard among `SHARDS_MOST` that a place is in, by the stable hash of the namespace's name.
fn bucket(hash: u64) -> usize {
    usize::try_from(hash % u64::from(SHARDS_MOST)).unwrap_or_default()
}

/// Why a shard cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is something else.
    #[error("it is no record of Revisor")]
    Foreign,
    /// A later version wrote it.
    #[error("it has format {0}, which a newer version wrote; this one reads up to format {FORMAT}")]
    Newer(u8),
    /// The checksum does not fit.
    #[error("it is damaged: the checksum does not fit")]
    Damaged,
}

/// A shard, put into bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// All of it.
    pub bytes: Vec<u8>,
    /// What it says, in one number ([`Auditor::record_digest`]).
    pub digest: u64,
    /// How many namespaces it holds.
    pub namespaces: u32,
    /// How many findings.
    pub findings: u32,
    /// How many had to be left out.
    pub omitted: u32,
}

/// What a shard says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which one it is.
    pub shard: u8,
    /// Of how many.
    pub of: u8,
    /// What it says, in one number.
    pub digest: u64,
}

/// Reads what a shard says of itself, and checks that it is whole.
pub fn label(bytes: &[u8]) -> Result<Label, Unreadable> {
    open(bytes).map(|(label, _)| label)
}

fn open(bytes: &[u8]) -> Result<(Label, Cursor<'_>), Unreadable> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Unreadable::Foreign)?;
    let (format, rest) = rest.split_first().ok_or(Unreadable::Damaged)?;
    if *format > FORMAT {
        return Err(Unreadable::Newer(*format));
    }
    let (checksum, content) = rest.split_first_chunk::<8>().ok_or(Unreadable::Damaged)?;
    if bytes_hash(content) != u64::from_le_bytes(*checksum) {
        return Err(Unreadable::Damaged);
    }
    let mut cursor = Cursor::new(content);
    let label = cursor.byte().zip(cursor.byte()).zip(cursor.word());
    let ((shard, of), digest) = label.ok_or(Unreadable::Damaged)?;
    if of == 0 || of > SHARDS_MOST || shard >= of || !of.is_power_of_two() {
        return Err(Unreadable::Damaged);
    }
    Ok((Label { shard, of, digest }, cursor))
}

fn seal(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 13);
    bytes.extend_from_slice(MAGIC);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&bytes_hash(content).to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// What a policy says, in one number.
fn spec_of(policy: &CompiledPolicy) -> u64 {
    text_hash(&policy.spec_sha256)
}

/// One place of which something is remembered: a namespace, or with no name all that lies in none.
struct Place<'a> {
    name: &'a str,
    findings: Vec<&'a [Finding]>,
    marks: Vec<&'a Marks>,
}

/// What the record says of namespaces, in one number a bucket; or how that has changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digests([u64; SHARDS_MOST as usize]);

impl Default for Digests {
    fn default() -> Self {
        Self([0; SHARDS_MOST as usize])
    }
}

impl Digests {
    /// Takes in what is said of a namespace now.
    pub(super) fn renew(&mut self, namespace: &mut Namespace, digest: u64) {
        let before = std::mem::replace(&mut namespace.digest, digest);
        self.0[bucket(namespace.hash)] ^= before ^ digest;
    }

    /// Takes in changes.
    pub(super) fn add(&mut self, changes: &Self) {
        self.0.iter_mut().zip(changes.0).for_each(|(digest, change)| *digest ^= change);
    }
}

/// What is kept while the auditor has to know when the record differs.
#[derive(Debug)]
pub(super) struct Record {
    /// Nothing is judged before an earlier record is told.
    awaited: bool,
    /// An earlier record, to be taken in with the next Snapshot.
    told: Option<RecordShards>,
    /// What it says of namespaces.
    digests: Digests,
    /// The digest of what lies in no namespace.
    beyond: u64,
    /// Policies that say the same as in the record that was just taken in, for what lies in no namespace.
    same: Option<Arc<[bool]>>,
}

impl Record {
    fn awaited() -> Self {
        Self { awaited: true, told: None, digests: Digests::default(), beyond: 0, same: None }
    }
}

impl Auditor {
    /// How the digests of namespaces have changed.
    pub(super) fn note_digests(&mut self, changes: &Digests) {
        if let Some(record) = &mut self.record {
            record.digests.add(changes);
        }
    }

    /// From now on the auditor knows when its record differs, and waits for an earlier one (`Change::Record`, which may
    /// be empty) before it judges. To be called before anything is told.
    pub fn keep_record(&mut self) {
        self.record = Some(Box::new(Record::awaited()));
    }

    /// Whether an earlier record is waited for.
    pub(super) fn awaits_record(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.awaited)
    }

    /// Whether nothing but an earlier record is waited for.
    pub fn waits_only_for_record(&self) -> bool {
        self.awaits_record() && self.kinds.are_known()
    }

    /// An earlier record was told, or that of another replica.
    pub(super) fn tell_record(&mut self, shards: RecordShards) {
        if let Some(record) = &mut self.record {
            record.awaited = false;
            record.told = Some(shards);
        }
    }

    /// The policies of which the next judgement of what lies in no namespace tells something, by a record.
    pub(super) fn same_policies(&self) -> Option<Arc<[bool]>> {
        self.record.as_ref()?.same.clone()
    }

    /// Notes what the record says of what lies in no namespace. A judgement by a record is over.
    pub(super) fn note_beyond(&mut self) {
        let Some(record) = &mut self.record else { return };
        let uids = uids(&self.plan.policies);
        let of = |findings: &[Finding], marks: &Marks| entries::digest(0, findings, marks, &uids);
        record.beyond = of(&self.snapshot.references, &self.reference_marks)
            ^ of(&self.snapshot.cluster, &self.cluster_marks).rotate_left(1);
        record.same = None;
    }

    /// What one of so many shards says, in one number: two shards of one digest need not be written twice.
    pub fn record_digest(&self, shard: u8, of: u8) -> u64 {
        let Some(record) = &self.record else { return 0 };
        let (at, of) = (usize::from(shard), usize::from(of.max(1)));
        let own = record.digests.0.iter().enumerate().filter(|(bucket, _)| bucket % of == at);
        let found = own.fold(0, |found, (_, bucket)| found ^ bucket);
        let mut parts = vec![text_hash(VERSION), u64::from(shard), of as u64, found];
        parts.extend((shard == 0).then_some(record.beyond));
        for policy in self.plan.policies.iter() {
            parts.extend([text_hash(&policy.name), text_hash(&policy.uid), spec_of(policy)]);
        }
        combine(&parts)
    }

    /// Puts one of so many shards into bytes, as of the last Snapshot.
    pub fn record_shard(&self, shard: u8, of: u8) -> Sealed {
        let whole = self.write_shard(shard, of, true);
        match whole.bytes.len() > EVIDENCE_LIMIT {
            true => self.write_shard(shard, of, false),
            false => whole,
        }
    }

    fn write_shard(&self, shard: u8, of: u8, evidence: bool) -> Sealed {
        let mut writer = Writer::new(evidence);
        let digest = self.record_digest(shard, of);
        writer.byte(shard);
        writer.byte(of);
        writer.word(digest);
        writer.text(VERSION);
        writer.length(self.plan.policies.len());
        for policy in self.plan.policies.iter() {
            writer.text(&policy.name);
            writer.text(&policy.uid);
            writer.word(spec_of(policy));
        }
        let (mut namespaces, mut findings, mut omitted) = (0, 0, 0);
        if shard == 0 {
            let skews: Vec<_> = self.skews.all().collect();
            writer.length(skews.len());
            for (reference, since) in skews {
                writer.text(reference);
                writer.optional_time(since);
            }
        }
        let mut add = |writer: &mut Writer, place: &Place<'_>| match writer.len() > SHARD_LIMIT {
            true => omitted += count(place),
            false => {
                entries::write(writer, place, &self.plan.policies);
                findings += count(place);
                namespaces += u32::from(!place.name.is_empty());
            }
        };
        if shard == 0 {
            let (references, cluster) = (&*self.snapshot.references, &*self.snapshot.cluster);
            let marks = vec![&self.reference_marks, &self.cluster_marks];
            add(&mut writer, &Place { name: "", findings: vec![references, cluster], marks });
        }
        for namespace in self.in_shard(shard, of) {
            let findings = vec![&*namespace.part.findings];
            add(&mut writer, &Place { name: &namespace.name, findings, marks: vec![&namespace.marks] });
        }
        Sealed { bytes: seal(&writer.finish(omitted > 0)), digest, namespaces, findings, omitted }
    }

    /// The namespaces of a shard of which something is remembered, by name.
    fn in_shard(&self, shard: u8, of: u8) -> Vec<&Namespace> {
        let ids = self.namespaces.ids().into_iter().map(|id| self.namespaces.get(id));
        let is_known = |namespace: &&Namespace| {
            let marks = &namespace.marks;
            !namespace.part.findings.is_empty() || !marks.is_empty() || !marks.over().is_empty()
        };
        let own = |namespace: &&Namespace| namespace.hash % u64::from(of.max(1)) == u64::from(shard);
        let mut namespaces: Vec<_> = ids.filter(own).filter(is_known).collect();
        namespaces.sort_by(|left, right| left.name.cmp(&right.name));
        namespaces
    }
}

/// How many findings are remembered of a place.
fn count(place: &Place<'_>) -> u32 {
    u32::try_from(place.findings.iter().map(|findings| findings.len()).sum::<usize>()).unwrap_or(u32::MAX)
}

/// The stable hash of each policy's uid, by the policy's index.
pub(super) fn uids(policies: &[Arc<CompiledPolicy>]) -> Vec<u64> {
    policies.iter().map(|policy| text_hash(&policy.uid) ^ text_hash(&policy.name).rotate_left(1)).collect()
}

/// What is remembered of a namespace, in one number; 0 for nothing.
pub(super) fn digest(namespace: &Namespace, uids: &[u64]) -> u64 {
    entries::digest(namespace.hash, &namespace.part.findings, &namespace.marks, uids)
}
