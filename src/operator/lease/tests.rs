//! The election as a sequence of what is seen and when.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn election(identity: &str) -> Election {
    Election::new(LeaderElection::new("revisor-system", "revisor"), identity)
}

fn wall(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A Lease as the server has it.
fn lease(version: u32, spec: Value) -> DynamicObject {
    let mut object = DynamicObject::new("revisor", &resource()).within("revisor-system");
    object.metadata.uid = Some("uid".to_owned());
    object.metadata.resource_version = Some(version.to_string());
    object.data = json!({"spec": spec});
    object
}

/// Held by another replica, renewed so often.
fn of_other(renewals: u32) -> DynamicObject {
    let spec = json!({
        "holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 3,
        "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": format!("2026-01-01T00:00:00.{renewals:06}Z"),
    });
    lease(renewals, spec)
}

fn replaced(step: Step) -> DynamicObject {
    match step {
        Step::Replace(object) => *object,
        other => panic!("{other:?}"),
    }
}

fn created(step: Step) -> DynamicObject {
    match step {
        Step::Create(object) => *object,
        other => panic!("{other:?}"),
    }
}

/// An election that has been won at `now`.
fn won(now: Instant) -> Election {
    let mut election = election("own");
    election.observe(None, now);
    let mut lease = created(election.step(now, wall(0)));
    lease.metadata.resource_version = Some("1".to_owned());
    lease.metadata.uid = Some("uid".to_owned());
    election.written(lease, now);
    election
}

#[tokio::test(start_paused = true)]
async fn the_first_thing_is_to_look_and_where_there_is_no_lease_to_create_one() {
    let now = Instant::now();
    let mut election = election("own");
    assert_eq!(election.step(now, wall(0)), Step::Read);
    election.observe(None, now);
    let lease = created(election.step(now, wall(0)));
    assert_eq!(lease.metadata.namespace.as_deref(), Some("revisor-system"));
    assert_eq!(
        lease.data["spec"],
        json!({
            "holderIdentity": "own", "leaseDurationSeconds": 15, "leaseTransitions": 0,
            "acquireTime": "2027-01-15T08:00:00.000000Z", "renewTime": "2027-01-15T08:00:00.000000Z",
        })
    );
    serde_json::from_value::<Lease>(serde_json::to_value(&lease).unwrap()).unwrap();
    assert_eq!(election.leads_until(now), None, "not before it is written");
    election.written(lease, now);
    assert_eq!(election.leads_until(now), Some(now + 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn who_leads_renews_on_top_of_what_it_saw_and_leads_from_when_the_request_was_sent() {
    let now = Instant::now();
    let mut election = won(now);
    let renewal = replaced(election.step(now + 2 * SECOND, wall(2)));
    assert_eq!(renewal.metadata.resource_version.as_deref(), Some("1"));
    assert_eq!(renewal.data["spec"]["renewTime"], "2027-01-15T08:00:02.000000Z");
    assert_eq!(renewal.data["spec"]["acquireTime"], "2027-01-15T08:00:00.000000Z");
    assert_eq!(renewal.data["spec"]["leaseTransitions"], 0);
    election.written(renewal, now + 2 * SECOND);
    assert_eq!(election.leads_until(now + 4 * SECOND), Some(now + 12 * SECOND));
    assert_eq!(
        election.pause(now + 2 * SECOND, now + 3 * SECOND),
        SECOND,
        "every two seconds, without jitter"
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_seen_by_others_even_if_the_clock_stands_still() {
    let now = Instant::now();
    let renewal = replaced(won(now).step(now + 2 * SECOND, wall(0)));
    assert_eq!(renewal.data["spec"]["renewTime"], "2027-01-15T08:00:00.000001Z");
}

#[tokio::test(start_paused = true)]
async fn a_term_that_cannot_be_renewed_is_over_before_another_replica_may_begin_one() {
    let now = Instant::now();
    let mut own = won(now);
    let mut other = election("other");
    other.observe(own.seen.as_ref().map(|seen| seen.object.clone()), now);
    own.doubt();
    let mut second = 0;
    let taken = loop {
        second += 1;
        let at = now + second * SECOND;
        match other.step(at, wall(0)) {
            Step::Wait => assert!(second < 60),
            step => break replaced(step),
        }
    };
    assert_eq!(second, 15);
    assert_eq!(own.leads_until(now + 10 * SECOND), None);
    assert_eq!(
        (&taken.data["spec"]["holderIdentity"], &taken.data["spec"]["leaseTransitions"]),
        (&json!("other"), &json!(1))
    );
    assert_ne!(taken.data["spec"]["acquireTime"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_lease_has_run_out_when_no_change_was_seen_for_its_duration_whatever_its_times_say() {
    let now = Instant::now();
    let mut election = election("own");
    election.observe(Some(of_other(1)), now);
    assert_eq!(election.step(now, wall(1_000_000)), Step::Wait, "long ago by the wall, just seen by us");
    assert_eq!(election.step(now + 14 * SECOND, wall(0)), Step::Wait);
    election.observe(Some(of_other(2)), now + 14 * SECOND);
    assert_eq!(election.step(now + 28 * SECOND, wall(0)), Step::Wait);
    let mut labelled = of_other(2);
    (labelled.metadata.labels, labelled.metadata.resource_version) =
        (Some([("a".into(), "b".into())].into()), Some("9".into()));
    election.observe(Some(labelled), now + 28 * SECOND);
    let taken = replaced(election.step(now + 29 * SECOND, wall(0)));
    assert_eq!(taken.metadata.resource_version.as_deref(), Some("9"), "on top of the newest version");
    assert_eq!(taken.metadata.labels.unwrap()["a"], "b", "what others put there stays");
    assert_eq!(taken.data["spec"]["leaseTransitions"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_holds_ends_the_own_term_at_once() {
    let now = Instant::now();
    let mut election = won(now);
    election.doubt();
    assert_eq!(election.step(now, wall(0)), Step::Read, "after a refused write it looks first");
    assert!(election.leads_until(now).is_some());
    election.observe(Some(of_other(1)), now);
    assert_eq!(election.leads_until(now), None);
    assert_eq!(election.step(now, wall(0)), Step::Wait);
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_once() {
    let now = Instant::now();
    let own = won(now);
    let released = own.released(wall(5)).unwrap();
    assert_eq!(released.metadata.resource_version.as_deref(), Some("1"));
    assert_eq!(
        (&released.data["spec"]["holderIdentity"], &released.data["spec"]["leaseDurationSeconds"]),
        (&json!(""), &json!(1))
    );
    let mut other = election("other");
    other.observe(Some(released), now);
    let taken = replaced(other.step(now, wall(0)));
    assert_eq!(
        (&taken.data["spec"]["holderIdentity"], &taken.data["spec"]["leaseTransitions"]),
        (&json!("other"), &json!(1))
    );
    assert!(other.released(wall(0)).is_none(), "what is not held is not released");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_is_created_anew_by_who_leads_and_by_others_only_when_it_would_have_run_out()
{
    let now = Instant::now();
    let mut own = won(now);
    let mut other = election("other");
    other.observe(own.seen.as_ref().map(|seen| seen.object.clone()), now);
    own.observe(None, now + SECOND);
    other.observe(None, now + SECOND);
    assert_eq!(created(own.step(now + SECOND, wall(1))).data["spec"]["leaseTransitions"], 0);
    assert_eq!(other.step(now + SECOND, wall(1)), Step::Wait);
    assert_eq!(created(other.step(now + 15 * SECOND, wall(1))).data["spec"]["leaseTransitions"], 1);
    assert!(own.released(wall(0)).is_none());
}

#[tokio::test(start_paused = true)]
async fn nonsense_in_a_lease_is_neither_believed_for_ever_nor_a_panic() {
    let now = Instant::now();
    for spec in [json!(null), json!({}), json!([]), json!("x"), json!({"holderIdentity": 7})] {
        let mut election = election("own");
        election.observe(Some(lease(1, spec)), now);
        replaced(election.step(now, wall(0)));
    }
    for (seconds, believed) in [
        (json!(null), 15),
        (json!(-3), 15),
        (json!(0), 15),
        (json!("x"), 15),
        (json!(60), 60),
        (json!(i64::MAX), 600),
    ] {
        let mut election = election("own");
        let spec = json!({
            "holderIdentity": "other", "leaseDurationSeconds": seconds, "renewTime": "9999-01-01T00:00:00Z",
            "leaseTransitions": i64::MAX,
        });
        election.observe(Some(lease(1, spec)), now);
        assert_eq!(election.step(now + (believed - 1) * SECOND, wall(0)), Step::Wait, "{seconds}");
        let taken = replaced(election.step(now + believed * SECOND, wall(0)));
        assert_eq!(taken.data["spec"]["leaseTransitions"], i32::MAX, "as wide as the API has it");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_looks_again_with_jitter_and_at_the_moment_when_the_lease_runs_out() {
    let now = Instant::now();
    let mut election = election("own");
    let pauses: Vec<_> = (0..50).map(|_| election.pause(now, now)).collect();
    assert!(pauses.iter().all(|pause| (2 * SECOND..=SECOND * 44 / 10).contains(pause)), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    election.observe(Some(of_other(1)), now);
    assert_eq!(election.pause(now, now + 14 * SECOND), SECOND);
    assert!(
        election.pause(now, now + 20 * SECOND) >= 2 * SECOND,
        "a Lease that cannot be taken makes no hot loop"
    );
}

#[test]
fn times_that_do_not_fit_each_other_are_mended_and_a_request_takes_less_than_a_third_of_the_deadline() {
    let times = LeaderElection {
        lease_duration: SECOND,
        renew_deadline: 9 * SECOND,
        retry_period: 9 * SECOND,
        ..LeaderElection::new("a", "b")
    };
    let times = times.sound();
    assert!(times.renew_deadline < times.lease_duration && times.retry_period * 3 <= times.renew_deadline);
    assert!(times.request_deadline() * 3 < times.renew_deadline);
    assert_ne!(identity("pod"), identity("pod"), "two processes of one pod are two");
}
