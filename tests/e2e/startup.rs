//! A start in a cluster without the kinds of Revisor.

use std::process::Command;

use testkit::controlplane::ControlPlane;

use crate::objects::{EVIL, TRUST, pod, policy};
use crate::operator::{Operator, REVISOR};
use crate::wait::{check, until};
use crate::world::{await_crds, await_findings, text};

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn without_the_crds_the_operator_names_the_command_that_installs_them_and_waits() {
    let cluster = ControlPlane::start();
    cluster.create_namespace("startup");
    cluster.apply(&pod("startup", "one", EVIL));
    let operator = Operator::launch(cluster.kubeconfig(), &["--recheck-interval=2s"]);
    until("the log names the command", || {
        let said = operator.log_lines("revisor crd | kubectl apply -f -");
        check(!said.is_empty(), || operator.tail())
    });
    let ready = operator.get("/readyz").expect("an answer");
    assert_ne!(ready.status, 200, "{}", ready.body);
    assert_eq!(operator.get("/livez").expect("an answer").status, 200, "it waits, it does not die");

    let crds = Command::new(REVISOR).arg("crd").output().expect("revisor crd");
    assert!(crds.status.success(), "{}", text(&crds.stderr));
    let applied = cluster.kubectl_with_input(&["apply", "-f", "-"], &text(&crds.stdout));
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    await_crds(&cluster);
    cluster.apply(&policy("startup", "startup", TRUST));
    operator.await_ready();
    await_findings(&cluster, "startup", &["TrustedRegistry Pod/one fail"]);
    let said = operator.log_lines("revisor crd | kubectl apply -f -");
    assert!(said.len() <= 2, "once a kind, not at each attempt: {said:?}");
    operator.terminate();
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn ctrl_c_ends_an_operator_that_still_waits() {
    let cluster = ControlPlane::builder().kwok(false).controller_manager(false).start();
    let operator = Operator::launch(cluster.kubeconfig(), &[]);
    until("it lives", || {
        let answer = operator.get("/livez")?;
        check(answer.status == 200, || answer.body)
    });
    operator.terminate();
}
