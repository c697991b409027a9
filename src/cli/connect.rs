//! Which cluster to talk to, and what to say when there is none.

use std::env;
use std::path::Path;

use kube::Config;
use kube::config::{KubeConfigOptions, KubeconfigError};

use super::Failure;

/// The configuration of `context`; without one that of the current context, else that of the pod we run in.
pub(super) async fn config(context: Option<&str>) -> Result<Config, Failure> {
    Ok(find(context).await?.0)
}

/// The same, and whether it is that of the pod we run in.
pub(super) async fn find(context: Option<&str>) -> Result<(Config, bool), Failure> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let error = match (Config::from_kubeconfig(&options).await, context) {
        (Ok(config), _) => return Ok((config, false)),
        (Err(KubeconfigError::LoadContext(_)), Some(context)) => {
            return Err(Failure::new(format!("{} has no context {context}", kubeconfig()))
                .help("`kubectl config get-contexts` lists them."));
        }
        (Err(error), Some(_)) => return Err(Failure::new(format!("{}: {}", kubeconfig(), sentence(&error)))),
        (Err(error), None) => sentence(&error),
    };
    Config::incluster().map(|config| (config, true)).map_err(|in_cluster| {
        let in_cluster = match env::var_os("KUBERNETES_SERVICE_HOST") {
            None => "not inside of a cluster, KUBERNETES_SERVICE_HOST is not set".to_owned(),
            Some(_) => sentence(&in_cluster),
        };
        Failure::new("no cluster found").help(format!(
            "tried {}: {error}\ntried in-cluster: {in_cluster}\n\
             Set KUBECONFIG, or name a context with --context (`kubectl config get-contexts` lists them).",
            kubeconfig(),
        ))
    })
}

/// Which kubeconfig is looked at, for messages.
fn kubeconfig() -> String {
    match env::var("KUBECONFIG") {
        Ok(path) if !path.is_empty() => format!("KUBECONFIG={path}"),
        _ => env::var("HOME").map_or_else(
            |_| "~/.kube/config (and HOME is not set)".to_owned(),
            |home| Path::new(&home).join(".kube/config").display().to_string(),
        ),
    }
}

/// An error and its causes, none said twice.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
