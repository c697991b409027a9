//! Attribution: which workload a pod is reported under. A verdict always comes from the pod itself.
//!
//! Deployment X iff the ReplicaSet's name is X + `-` + the pod's `pod-template-hash`; CronJob only from the
//! Job's ownerReferences (a pod names only its Job); a static pod under its Node; any other controller as it
//! is named; a pod without controller under itself.

use std::sync::Arc;

use crate::decode::JobRecord;
use crate::subject::canonical::{Reader, combine, put_bytes, put_text, text_hash};
use crate::subject::uid::{Uid, uid_text};

use super::findings::{OwnerReference, Workload};

/// Stable hash of a workload's kind and name.
pub(super) fn workload_hash(kind: &str, name: &str) -> u64 {
    combine(&[text_hash(kind), text_hash(name)])
}

/// The bytes that decide a pod's workload, for interning: the owner section, with the template hash that may
/// tell its Deployment, or the pod's own name; and what the pod says of its service account.
pub(super) fn put_key(
    key: &mut Vec<u8>,
    owner: &[u8],
    labels: &[u8],
    account: &[u8],
    (pod, pod_uid): (&str, u128),
) {
    key.clear();
    if owner.is_empty() {
        key.extend_from_slice(&pod_uid.to_le_bytes());
        put_text(key, pod);
        key.extend_from_slice(account);
        return;
    }
    key.extend_from_slice(owner);
    let mut hashed = false;
    let mut labels = Reader::new(labels);
    while !labels.is_empty() {
        // As bytes: every new pod passes here, and its texts were checked when they were read.
        let (label, value) = (labels.bytes(), labels.bytes());
        if label == b"pod-template-hash" {
            put_bytes(key, value);
            hashed = true;
        }
    }
    if !account.is_empty() {
        if !hashed {
            put_text(key, "");
        }
        key.extend_from_slice(account);
    }
}

/// The workload that a key written by [`put_key`] means. `job` finds a Job by uid, `shared` a text that many share.
pub(super) fn workload<'a>(
    key: &[u8],
    bare: bool,
    shared: &mut dyn FnMut(&str) -> Arc<str>,
    job: impl FnOnce(&str) -> Option<&'a JobRecord>,
) -> Workload {
    if bare {
        let (uid, rest) = key.split_at(16.min(key.len()));
        let uid = uid.try_into().map_or(0, u128::from_le_bytes);
        let mut reader = Reader::new(rest);
        let name = reader.text();
        let pod = Workload { verified: true, ..named(shared, "Pod", name, "v1", uid_text(uid), None) };
        return pod.under(reader.text());
    }
    let mut reader = Reader::new(key);
    let [api_version, kind, name, uid] = [reader.text(), reader.text(), reader.text(), reader.text()];
    let template_hash = reader.text();
    let account = reader.text();
    controlled([api_version, kind, name, uid], template_hash, shared, job).under(account)
}

/// The workload that a controlling owner (apiVersion, kind, name, uid) stands for.
fn controlled<'a>(
    [api_version, kind, name, uid]: [&str; 4],
    template_hash: &str,
    shared: &mut dyn FnMut(&str) -> Arc<str>,
    job: impl FnOnce(&str) -> Option<&'a JobRecord>,
) -> Workload {
    let own = |shared: &mut dyn FnMut(&str) -> Arc<str>| OwnerReference {
        kind: shared(kind),
        name: name.into(),
        api_version: shared(api_version),
        uid: Uid::new(uid),
    };
    match kind {
        "ReplicaSet" => {
            let deployment = name
                .strip_suffix(template_hash)
                .and_then(|rest| rest.strip_suffix('-'))
                .filter(|rest| !template_hash.is_empty() && !rest.is_empty());
            if let Some(deployment) = deployment {
                let own = own(shared);
                return named(
                    shared,
                    "Deployment",
                    deployment,
                    "apps/v1",
                    String::new(),
                    Some(Box::new(own)),
                );
            }
        }
        "Job" => {
            let job = job(uid);
            let verified = job.is_some_and(|job| *job.name == *name);
            return match job.and_then(|job| job.cron_job.as_deref()) {
                Some(cron_job) => {
                    let own = own(shared);
                    Workload {
                        verified,
                        ..named(shared, "CronJob", cron_job, "batch/v1", String::new(), Some(Box::new(own)))
                    }
                }
                None => Workload { verified, ..named(shared, kind, name, api_version, uid.to_owned(), None) },
            };
        }
        _ => {}
    }
    named(shared, kind, name, api_version, uid.to_owned(), None)
}

fn named(
    shared: &mut dyn FnMut(&str) -> Arc<str>,
    kind: &str,
    name: &str,
    api_version: &str,
    uid: String,
    through: Option<Box<OwnerReference>>,
) -> Workload {
    let hash = workload_hash(kind, name);
    Workload {
        kind: shared(kind),
        name: name.into(),
        api_version: shared(api_version),
        through,
        identity: uid.into(),
        has_own_account: false,
        verified: false,
        hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: &str, name: &str) -> Vec<u8> {
        let mut owner = Vec::new();
        for text in ["apps/v1", kind, name, "u1"] {
            put_text(&mut owner, text);
        }
        owner
    }

    fn attributed(kind: &str, name: &str, hash: Option<&str>) -> Workload {
        let (mut key, mut labels) = (Vec::new(), Vec::new());
        if let Some(hash) = hash {
            put_text(&mut labels, "pod-template-hash");
            put_text(&mut labels, hash);
        }
        put_key(&mut key, &owner(kind, name), &labels, &[], ("pod", 1));
        let job = JobRecord {
            uid: 1,
            namespace: "n".into(),
            name: "nightly-1".into(),
            cron_job: Some("nightly".into()),
        };
        workload(&key, false, &mut |text| text.into(), |_| Some(&job))
    }

    #[test]
    fn a_replica_set_named_with_the_template_hash_is_a_deployment_and_no_other_is() {
        let web = attributed("ReplicaSet", "web-6f7", Some("6f7"));
        assert_eq!((&*web.kind, &*web.name), ("Deployment", "web"));
        assert_eq!(web.through.unwrap().name.as_ref(), "web-6f7");
        assert_eq!(&*attributed("ReplicaSet", "web-6f7", None).kind, "ReplicaSet");
        assert_eq!(&*attributed("ReplicaSet", "web-6f7", Some("abc")).kind, "ReplicaSet");
    }

    #[test]
    fn a_job_is_a_cron_job_only_when_the_job_says_so() {
        assert_eq!(&*attributed("Job", "nightly-1", None).kind, "CronJob");
        let mut key = Vec::new();
        put_key(&mut key, &owner("Job", "once"), &[], &[], ("pod", 1));
        assert_eq!(&*workload(&key, false, &mut |text| text.into(), |_| None).kind, "Job");
    }

    #[test]
    fn a_pod_without_controller_stands_for_itself() {
        let mut key = Vec::new();
        put_key(&mut key, &[], &[], &[], ("bare", 7));
        let workload = workload(&key, true, &mut |text| text.into(), |_| None);
        assert_eq!(
            (&*workload.kind, &*workload.name, workload.uid()),
            ("Pod", "bare", "00000000-0000-0000-0000-000000000007")
        );
    }

    #[test]
    fn the_service_account_is_read_behind_owners_of_every_kind() {
        let mut account = Vec::new();
        put_text(&mut account, "builder");
        let mut labels = Vec::new();
        put_text(&mut labels, "pod-template-hash");
        put_text(&mut labels, "6f7");
        let set = owner("ReplicaSet", "web-6f7");
        for (owner, labels) in [(&set[..], &labels[..]), (&set[..], &[][..]), (&[][..], &labels[..])] {
            let mut key = Vec::new();
            put_key(&mut key, owner, labels, &account, ("pod", 1));
            let found = workload(&key, owner.is_empty(), &mut |text| text.into(), |_| None);
            assert_eq!(found.service_account(), "builder");
            assert!(!found.uid().contains("builder"));
        }
    }
}
