//! Volumes: baseline refuses the host's file system, restricted whatever is none of a few sources. Image volumes
//! were added to those in place, so that they are fine for every version.

use super::check::{Check, Minor};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static HOST_PATH_VOLUMES: Check = Check {
    id: "hostPathVolumes",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: of_the_host,
};

pub(super) static RESTRICTED_VOLUMES: Check = Check {
    id: "restrictedVolumes",
    level: Level::Restricted,
    since: 0,
    lets_off: None,
    overrides: Some("hostPathVolumes"),
    find: of_other_sources,
};

/// Source and name of each volume that restricted refuses: of the others the shape knows nothing.
fn volumes(pod: &PodShape) -> impl Iterator<Item = (&str, &str)> {
    pod.facts().all(Fact::Volume).filter_map(|volume| volume.split_once('='))
}

fn of_the_host(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let names = volumes(pod).filter(|(source, _)| *source == "hostPath").map(|(_, name)| name);
    Fault::of("hostPath volumes", [Detail::of("volume", names)])
}

fn of_other_sources(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let detail =
        Detail::of("volume", volumes(pod).map(|(_, name)| name)).with(volumes(pod).map(|(source, _)| source));
    Fault::of("restricted volume types", [detail])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{faults, pod};
    use super::*;

    fn found(level: Level, minor: Minor, source: &str) -> String {
        let all = faults(level, minor, &pod(&format!("volumes: [{{name: v, {source}}}]\n")));
        all.split(')')
            .map(|fault| fault.trim_start_matches(", "))
            .filter(|fault| fault.contains("volume"))
            .collect()
    }

    #[test]
    fn restricted_takes_nine_sources_in_every_version() {
        for source in [
            "configMap: {name: x}",
            "csi: {driver: x}",
            "downwardAPI: {items: []}",
            "emptyDir: {}",
            "ephemeral: {volumeClaimTemplate: {spec: {}}}",
            "image: {reference: a}",
            "persistentVolumeClaim: {claimName: x}",
            "projected: {sources: []}",
            "secret: {secretName: x}",
        ] {
            assert_eq!(found(Level::Restricted, Minor::MAX, source), "", "{source}");
            assert_eq!(found(Level::Restricted, 0, source), "", "{source}");
        }
        let new = found(Level::Restricted, Minor::MAX, "teleport: {from: elsewhere}");
        assert_eq!(new, "restricted volume types (volume \"v\": unknown");
        // Without a source, Kubernetes makes it an emptyDir.
        let bare = faults(Level::Restricted, 0, &pod("volumes: [{name: v}]\n"));
        assert!(!bare.contains("volume"), "{bare}");
    }

    #[test]
    fn baseline_refuses_paths_of_the_host_and_restricted_names_all_other_sources() {
        let path = "hostPath: {path: /a}";
        assert_eq!(found(Level::Baseline, 0, path), "hostPath volumes (volume \"v\"");
        assert_eq!(found(Level::Restricted, 0, path), "restricted volume types (volume \"v\": hostPath");
        for source in ["nfs", "gitRepo", "flexVolume", "iscsi", "portworxVolume"] {
            let written = format!("{source}: {{}}");
            assert_eq!(found(Level::Baseline, Minor::MAX, &written), "", "{source}");
            let told = format!("restricted volume types (volume \"v\": {source}");
            assert_eq!(found(Level::Restricted, 0, &written), told);
        }
    }
}
