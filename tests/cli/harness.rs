//! Runs the program in a folder of its own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) const CLEAN: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: team-a}
spec:
  containers:
  - {name: app, image: 'registry.example.com/app:1.2.3', imagePullPolicy: Always}
";
pub(crate) const POLICY: &str = "\
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: mine}
spec:
  rules:
    trustedRegistry: {allow: [registry.example.com/**]}
";

pub(crate) fn bad_pod(name: &str) -> String {
    CLEAN.replace("name: web", &format!("name: {name}")).replace("registry.example.com/app", "evil.test/x")
}

/// A folder of its own for one test.
pub(crate) fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// How many results are listed.
    pub(crate) fn count(&self) -> usize {
        self.json()["results"].as_array().unwrap().len()
    }

    /// `verdict rule subject file:line` of every result.
    pub(crate) fn results(&self) -> Vec<String> {
        let text =
            |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
        let results = self.json()["results"].as_array().unwrap().clone();
        let result = |value: &Value| {
            let file = text(value, "/source/file");
            let file = file.rsplit('/').next().unwrap_or_default();
            let line = value.pointer("/source/line").and_then(Value::as_u64).unwrap_or_default();
            format!(
                "{} {} {} {file}:{line}",
                text(value, "/verdict"),
                text(value, "/rule"),
                text(value, "/subject/name")
            )
        };
        let mut results = results.iter().map(result).collect::<Vec<_>>();
        results.sort();
        results
    }
}

pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    command.current_dir(folder).args(args).env("HOME", folder);
    for variable in
        ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "REVISOR_OUTPUT", "REVISOR_FAIL_ON", "REVISOR_CONTEXT"]
    {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn run(folder: &Path, args: &[&str]) -> Ran {
    ran(command(folder, args).stdin(Stdio::null()).output().unwrap())
}

pub(crate) fn pipe(folder: &Path, args: &[&str], stdin: &str) -> Ran {
    let mut command = command(folder, args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    ran(child.wait_with_output().unwrap())
}
