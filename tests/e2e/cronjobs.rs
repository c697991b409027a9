//! A job that fails its audit every night is one Event, not one a night.

use crate::objects::{EVIL, TRUST, cron_job, policy};
use crate::wait::{check, until};
use crate::world::{await_audited, await_event, await_findings, events, shared};

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn ten_runs_of_a_cron_job_with_a_violation_make_one_event() {
    let world = shared();
    let cluster = world.cluster;
    let name = "cronjobs-nightly";
    cluster.apply(&policy(name, name, TRUST));
    await_audited(cluster, name);
    cluster.create_namespace(name);
    cluster.apply(&cron_job(name, "nightly", EVIL));
    for run in 0..10 {
        let job = format!("nightly-{run}");
        cluster.kubectl_ok(&["create", "job", &job, "--from=cronjob/nightly", "-n", name]);
        until("the run is over", || {
            let status = &cluster.kubectl_json(&["get", "job", &job, "-n", name])["status"];
            check(status["succeeded"] == 1, || status.to_string())
        });
        // What is kept of old runs is the user's affair: here nothing is.
        cluster.kubectl_ok(&["delete", "job", &job, "-n", name]);
        await_findings(cluster, name, &["TrustedRegistry CronJob/nightly fail"]);
    }
    await_event(cluster, name, "Warning", "CronJob/nightly", "TrustedRegistry");

    // A finding that opens after the last run has its Event behind all Events of the runs.
    cluster.apply(&crate::objects::pod(name, "last", EVIL));
    await_event(cluster, name, "Warning", "Pod/last", "TrustedRegistry");
    let events = events(cluster, name);
    let notes: Vec<_> = events.iter().map(|event| &event["message"]).collect();
    assert_eq!(events.len(), 2, "one of the CronJob, one of the pod: {notes:?}");
    let lines = world.operator.log_lines("cronjobs-nightly").into_iter();
    let opened = lines.filter(|line| line.contains("\"opened\"")).count();
    assert_eq!(opened, 2, "the log tells what the Events tell");
}
