//! Subjects in the record: enough to name each, and of a workload what was judged of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::bytes::{Cursor, Writer};
use crate::auditor::findings::{Judged, OwnerReference, ReferenceSpread, Subject, Workload, WorkloadUse};
use crate::auditor::workload::workload_hash;
use crate::subject::canonical::{Reader, put_bytes, put_text};
use crate::subject::cluster::ClusterSubject;
use crate::subject::facts::Facts;
use crate::subject::namespace::{Beyond, NamespaceFacts, NamespaceObject};
use crate::subject::owner::{Owner, TemplateFacts, TemplateUse};
use crate::subject::pod::{Image, PodShape, Slot};
use crate::subject::reference::ReferenceFacts;
use crate::subject::running::{Lasted, RunningState};
use crate::subject::runtime::Runtimes;
use crate::subject::uid::Uid;

const WORKLOAD: u8 = 0;
const NAMESPACE: u8 = 1;
const CLUSTER: u8 = 2;
const REFERENCE: u8 = 3;

const HAS_OWN_ACCOUNT: u8 = 1;
const VERIFIED: u8 = 2;
const THROUGH: u8 = 4;

/// Writes what a subject is. The namespace it lies in is known.
pub(super) fn write(writer: &mut Writer, subject: &Subject) {
    match subject {
        Subject::Workload(at) => {
            writer.byte(WORKLOAD);
            writer.shared(&workload_bytes(&at.workload));
            let (judged, owner) = match writer.evidence {
                true => (judged_bytes(&at.judged), owner_bytes(at.owner.as_deref())),
                false => (Vec::new(), Vec::new()),
            };
            writer.shared(&judged);
            writer.shared(&owner);
            writer.number(at.image_use.map_or(0, |at| u64::from(at) + 1));
        }
        Subject::Namespace(_) => writer.byte(NAMESPACE),
        Subject::Cluster(_) => writer.byte(CLUSTER),
        Subject::Reference(spread) => {
            writer.byte(REFERENCE);
            writer.text(&spread.facts.canonical);
        }
    }
}

fn workload_bytes(workload: &Workload) -> Vec<u8> {
    let mut bytes = vec![
        if workload.has_own_account { HAS_OWN_ACCOUNT } else { 0 }
            | if workload.verified { VERIFIED } else { 0 }
            | if workload.through.is_some() { THROUGH } else { 0 },
    ];
    for text in [&*workload.kind, &*workload.name, &*workload.api_version, &*workload.identity] {
        put_text(&mut bytes, text);
    }
    if let Some(through) = &workload.through {
        for text in [&*through.kind, &*through.name, &*through.api_version, &through.uid.to_string()] {
            put_text(&mut bytes, text);
        }
    }
    bytes
}

fn read_workload(bytes: &[u8]) -> Option<Workload> {
    let mut reader = Reader::new(bytes);
    let flags = reader.byte()?;
    let [kind, name, api_version, identity] = std::array::from_fn(|_| reader.text());
    let through = (flags & THROUGH != 0).then(|| {
        let [kind, name, api_version, uid] = std::array::from_fn(|_| reader.text());
        let (kind, api_version) = (kind.into(), api_version.into());
        Box::new(OwnerReference { kind, name: name.into(), api_version, uid: Uid::new(uid) })
    });
    Some(Workload {
        hash: workload_hash(kind, name),
        kind: kind.into(),
        name: name.into(),
        api_version: api_version.into(),
        through,
        identity: identity.into(),
        has_own_account: flags & HAS_OWN_ACCOUNT != 0,
        verified: flags & VERIFIED != 0,
    })
}

fn judged_bytes(judged: &Judged) -> Vec<u8> {
    let mut bytes = vec![judged.shape.flags()];
    for lasted in [judged.unready, judged.spec_changed] {
        bytes.extend_from_slice(&lasted.as_seconds().to_le_bytes());
    }
    let mut canonical = Vec::new();
    judged.shape.write(&mut canonical);
    put_bytes(&mut bytes, &canonical);
    judged.running.write(&mut bytes);
    bytes
}

fn read_judged(bytes: &[u8], runtimes: Runtimes) -> Judged {
    let (head, rest) = bytes.split_at(9.min(bytes.len()));
    let lasted = |at: usize| {
        let seconds = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        Lasted::seconds(seconds.unwrap_or(u32::MAX))
    };
    let mut reader = Reader::new(rest);
    let canonical = reader.bytes();
    let running = rest.get(4 + canonical.len()..).unwrap_or_default();
    let flags = head.first().copied().unwrap_or_default();
    let shape = PodShape::read(
        canonical,
        flags,
        |name| name.into(),
        |image| Arc::new(Image::new(image)),
        |facts| Arc::new(Facts::new(facts)),
    );
    let running = Arc::new(RunningState::read(running, |name| name.into()));
    Judged { shape: Arc::new(shape), running, unready: lasted(1), spec_changed: lasted(5), runtimes }
}

fn owner_bytes(owner: Option<&Owner>) -> Vec<u8> {
    let tag = match owner {
        None => return Vec::new(),
        Some(Owner::Other) => 0,
        Some(Owner::Absent) => 1,
        Some(Owner::Denied) => 2,
        Some(Owner::Malformed) => 3,
        Some(Owner::Template(_)) => 4,
    };
    let mut bytes = vec![tag];
    if let Some(Owner::Template(template)) = owner {
        bytes.extend_from_slice(&template.uid.to_le_bytes());
        put_text(&mut bytes, template.deployment.as_deref().unwrap_or_default());
        for template in &template.uses {
            bytes.push(template.slot as u8);
            put_text(&mut bytes, &template.name);
            put_text(&mut bytes, &template.image);
        }
    }
    bytes
}

fn read_owner(bytes: &[u8]) -> Option<Owner> {
    let (tag, rest) = bytes.split_first()?;
    Some(match tag {
        1 => Owner::Absent,
        2 => Owner::Denied,
        3 => Owner::Malformed,
        4 => {
            let (uid, rest) = rest.split_first_chunk::<16>()?;
            let mut reader = Reader::new(rest);
            let deployment = Some(reader.text()).filter(|name| !name.is_empty()).map(Into::into);
            let mut uses = Vec::new();
            while let Some(slot) = reader.byte().and_then(Slot::from_byte) {
                let (name, image) = (reader.text().into(), reader.text().into());
                uses.push(TemplateUse { slot, name, image });
            }
            let uid = u128::from_le_bytes(*uid);
            Owner::Template(Arc::new(TemplateFacts { uid, deployment, uses: uses.into() }))
        }
        _ => Owner::Other,
    })
}

/// Where a subject lies.
pub(super) struct Ground {
    /// The namespace; empty for what lies in none.
    pub(super) name: Arc<str>,
    /// Its own object, as it is now.
    pub(super) object: Option<Arc<NamespaceObject>>,
}

/// Reads subjects; what many have in common is made once.
pub(super) struct Subjects<'a> {
    runtimes: Runtimes,
    workloads: HashMap<&'a [u8], Arc<Workload>>,
    judged: HashMap<&'a [u8], Arc<Judged>>,
}

impl<'a> Subjects<'a> {
    pub(super) fn new(runtimes: Runtimes) -> Self {
        Self { runtimes, workloads: HashMap::new(), judged: HashMap::new() }
    }

    pub(super) fn read(&mut self, cursor: &mut Cursor<'a>, ground: &Ground) -> Option<Subject> {
        Some(match cursor.byte()? {
            WORKLOAD => {
                let (workload, judged, owner) = (cursor.shared()?, cursor.shared()?, cursor.shared()?);
                let image_use = cursor.number()?.checked_sub(1);
                let workload = match self.workloads.get(workload) {
                    Some(known) => known.clone(),
                    None => {
                        let made = Arc::new(read_workload(workload)?);
                        self.workloads.insert(workload, made.clone());
                        made
                    }
                };
                let runtimes = self.runtimes;
                let judged =
                    self.judged.entry(judged).or_insert_with(|| Arc::new(read_judged(judged, runtimes)));
                Subject::Workload(WorkloadUse {
                    namespace: ground.name.clone(),
                    workload,
                    judged: judged.clone(),
                    image_use: image_use.map(u16::try_from).transpose().ok()?,
                    owner: read_owner(owner).map(Arc::new),
                })
            }
            NAMESPACE => Subject::Namespace(Arc::new(NamespaceFacts {
                name: ground.name.clone(),
                object: ground.object.clone(),
                network_policies: Arc::default(),
                pods: 0,
                beyond: Arc::<Beyond>::default(),
            })),
            CLUSTER => Subject::Cluster(Arc::new(ClusterSubject::default())),
            REFERENCE => {
                let facts = ReferenceFacts {
                    canonical: cursor.text()?.into(),
                    contents: Box::default(),
                    several_for: Lasted::FOREVER,
                };
                Subject::Reference(Arc::new(ReferenceSpread { facts, namespaces: Box::default() }))
            }
            _ => return None,
        })
    }
}
