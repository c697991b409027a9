//! Jobs: a pod names only its Job, so that its CronJob is known only from the Job's own object.

use std::sync::Arc;

use super::findings::Workload;
use super::inventory::Inventory;
use super::namespaces::Namespaces;
use super::workload::workload;
use crate::decode::JobRecord;
use crate::subject::uid::parse_uid;

impl Inventory {
    /// An owner that was a Job, or stood behind one, is no more.
    pub(super) fn forget_job_owner(&mut self, owner: u32, workload: &Workload) {
        let uid = match &workload.through {
            Some(through) if through.kind.as_ref() == "Job" => through.uid.number(),
            None if workload.kind.as_ref() == "Job" => parse_uid(workload.uid()),
            _ => return,
        };
        if let Some(owners) = self.job_owners.get_mut(&uid) {
            owners.retain(|(other, _)| *other != owner);
            if owners.is_empty() {
                self.job_owners.remove(&uid);
            }
        }
    }

    /// Takes in a Job: its pods are attributed to its CronJob, if one controls it.
    pub(super) fn apply_job(&mut self, job: JobRecord, namespaces: &mut Namespaces) {
        let (uid, generation) = (job.uid, self.job_generation);
        let changed = self.jobs.get(&uid).is_none_or(|(known, _)| *known != job);
        let namespace = job.namespace.clone();
        self.jobs.insert(uid, (job, generation));
        if changed {
            self.attribute_again(uid, &namespace, namespaces);
        }
    }

    /// Forgets a Job; returns it.
    pub(super) fn remove_job(&mut self, uid: u128, namespaces: &mut Namespaces) -> Option<JobRecord> {
        let (job, _) = self.jobs.remove(&uid)?;
        // Its pods go with it. Until they do they keep the attribution they have.
        namespaces.mark_named(&job.namespace);
        Some(job)
    }

    fn attribute_again(&mut self, uid: u128, namespace: &str, namespaces: &mut Namespaces) {
        for (owner, key) in self.job_owners.get(&uid).cloned().unwrap_or_default() {
            let Self { jobs, names, .. } = &mut *self;
            let mut shared = |text: &str| names.get(text, |text| text.into());
            let attributed = workload(&key, false, &mut shared, |_| jobs.get(&uid).map(|(job, _)| job));
            self.owners.replace(owner, Arc::new(attributed));
            self.note_owner(owner);
        }
        namespaces.mark_named(namespace);
    }

    /// From now on Jobs are told again.
    pub(super) fn jobs_relist_started(&mut self) {
        self.job_generation = self.job_generation.wrapping_add(1);
    }

    /// Jobs that were not told again are gone; they are returned.
    pub(super) fn jobs_relist_finished(&mut self, namespaces: &mut Namespaces) -> Vec<JobRecord> {
        let generation = self.job_generation;
        let gone: Vec<u128> =
            self.jobs.iter().filter(|(_, (_, seen))| *seen != generation).map(|(uid, _)| *uid).collect();
        gone.into_iter().filter_map(|uid| self.remove_job(uid, namespaces)).collect()
    }
}
