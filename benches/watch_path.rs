//! What reading lists and watches costs, in processor time of the whole operator: builds are compared by turns, over
//! loopback, against the same API server.
//!
//! `REVISOR_COMPARE=before/revisor,after/revisor cargo bench --bench watch_path`

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and may panic")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::apiserver::ApiServer;
use testkit::generate::{Cluster, Variation};

const PODS: usize = 5_000;
/// How often every pod is updated.
const UPDATES: u64 = 4;
const TURNS: usize = 3;

struct Operator {
    child: Child,
    address: SocketAddr,
}

impl Operator {
    fn start(binary: &Path, kubeconfig: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(binary)
            .args(["run", "--admin-address", &address.to_string(), "--log-level", "warn"])
            .env("KUBECONFIG", kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let mut answer = String::new();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Processor time so far, of all threads.
    fn used(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Waits until it has nothing to do any more.
    async fn settled(&self) -> Duration {
        let mut before = Duration::ZERO;
        loop {
            let used = self.used();
            if used - before < Duration::from_millis(2) {
                return used;
            }
            before = used;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pod(cluster: &Cluster, index: usize, beat: u64) -> Value {
    let mut text = String::new();
    cluster.pod(&mut text, index, Variation { beat, ..Variation::default() });
    typed(&text, "Pod")
}

/// An object as it stands in a list, with what a list leaves out.
fn typed(text: &str, kind: &str) -> Value {
    let mut object: Value = serde_json::from_str(text).unwrap();
    object["apiVersion"] = "v1".into();
    object["kind"] = kind.into();
    object
}

fn replace(server: &ApiServer, mut pod: Value) {
    pod["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    server.update(pod);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Ok(builds) = std::env::var("REVISOR_COMPARE") else {
        println!("watch_path: nothing to compare; name builds in REVISOR_COMPARE");
        return;
    };
    let builds: Vec<PathBuf> = builds.split(',').map(PathBuf::from).collect();
    let cluster = Cluster::of_size(PODS);
    let mut beat = 0;
    for streams in [true, false] {
        let builder = ApiServer::builder().on_own_thread();
        let server = if streams { builder } else { builder.without_watch_list() }.start().await;
        for namespace in 0..cluster.namespaces {
            let mut text = String::new();
            cluster.namespace(&mut text, namespace);
            server.create(typed(&text, "Namespace"));
        }
        (0..PODS).for_each(|index| drop(server.create(pod(&cluster, index, 0))));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let kubeconfig = folder.join("watch_path.kubeconfig");
        fs::write(&kubeconfig, server.kubeconfig_yaml()).unwrap();
        for turn in 0..TURNS {
            for build in &builds {
                let operator = Operator::start(build, &kubeconfig);
                while !operator.is_ready() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                let listed = operator.settled().await;
                for _ in 0..UPDATES {
                    beat += 1;
                    for index in 0..PODS {
                        replace(&server, pod(&cluster, index, beat));
                        tokio::task::yield_now().await;
                    }
                }
                let followed = operator.settled().await - listed;
                let each = |time: Duration, count: f64| time.as_secs_f64() * 1e6 / count;
                println!(
                    "{} turn {turn} {}: {:.1} us a listed pod, {:.1} us an event",
                    if streams { "streamed" } else { "paged" },
                    build.display(),
                    each(listed, PODS as f64),
                    each(followed, PODS as f64 * UPDATES as f64),
                );
            }
        }
    }
}
