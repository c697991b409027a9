//! `revisor audit --cluster`: one look at a live cluster.

use std::cell::RefCell;
use std::time::Duration;

use kube::Client;

use super::against::Against;
use super::{Args, Tell};
use crate::cli::audit::policies::{DEFAULT_PROFILE, Policies};
use crate::cli::progress::Progress;
use crate::cli::{Failure, Streams, connect};
use crate::operator::one_shot::{OneShotError, Scope, one_shot};
use crate::subject::Resource;

/// Looks once and tells what is there: everything was read, or is told as not permitted. Returns what that
/// was: the cluster's address, the namespaces, the selector.
pub(super) fn look(
    args: &Args,
    policies: &mut Policies,
    tell: &mut Tell<'_>,
    progress: &mut Progress,
    streams: &mut Streams<'_>,
) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no runtime: {error}")))?;
    let looked: Result<_, Failure> = runtime.block_on(async {
        let mut config = connect::config(args.context.as_deref()).await?;
        // Somebody waits for an answer.
        config.connect_timeout = Some(Duration::from_secs(10));
        let url = config.cluster_url.to_string();
        let default_namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| Failure::new(format!("{url}: {error}")))?;
        let namespace = args.namespace.as_deref().unwrap_or(&default_namespace);
        let by_name = args.against.as_deref().is_some_and(|against| Against::of(against).is_name());
        let scope = Scope {
            namespace: (!args.all_namespaces).then_some(namespace),
            selector: args.selector.as_deref(),
            policies: args.policies.is_empty() || by_name,
        };
        let mut told = 0_u64;
        let policies = RefCell::new(&mut *policies);
        let needs = || policies.borrow().needs();
        let mut tell = |change| {
            told += 1;
            progress.tell(streams.err, || format!("{told} objects from {url}"));
            tell(change, &mut policies.borrow_mut());
        };
        let seen =
            one_shot(&client, scope, &needs, &mut tell).await.map_err(|error| failure(&url, &error))?;
        Ok((looked_at(&url, args, namespace), seen))
    });
    progress.clear(streams.err);
    let (looked_at, seen) = looked?;
    for resource in &seen.denied {
        let costs = match resource {
            Resource::Exemptions => "no exemption that a tenant asks for counts",
            Resource::Jobs => "pods are reported under their Job, not their CronJob",
            Resource::ImagePolicies => "the cluster's policies are not used; give some with --policy",
            kind if Resource::TEMPLATES.contains(kind) => {
                "rules that read it are unknown, and workloads without pods are not judged"
            }
            Resource::Nodes => {
                "rules that read it are unknown, and HostLocalImage tells the runtime by the image's id"
            }
            _ => "rules that read it are unknown",
        };
        streams.note(&format!("listing {resource} is not permitted: {costs}"));
    }
    if args.policies.is_empty() && seen.policies == 0 {
        let why = if seen.has_crd {
            "no policies to be read in the cluster"
        } else {
            "Revisor is not installed there"
        };
        streams.note(&format!("{why}: the profile {DEFAULT_PROFILE} judges"));
    }
    Ok(looked_at)
}

fn looked_at(url: &str, args: &Args, namespace: &str) -> Vec<String> {
    let namespaces = match args.all_namespaces {
        true => "all namespaces".to_owned(),
        false => format!("namespace {namespace}"),
    };
    let pods = args.selector.as_ref().map(|selector| format!("pods with {selector}"));
    [url.to_owned(), namespaces].into_iter().chain(pods).collect()
}

fn failure(url: &str, error: &OneShotError) -> Failure {
    let failure = Failure::new(format!("{url}: {error}"));
    match error {
        OneShotError::PodsDenied { .. } => failure.help(
            "Look at a namespace you may read with -n NAMESPACE, or ask for the ClusterRole `view` there.",
        ),
        OneShotError::NoNamespace(_) => {
            failure.help("`kubectl get namespaces` lists them; -n names one, -A means all.")
        }
        OneShotError::Unauthenticated(_) => {
            failure.help("Log in to the cluster again, or name another --context.")
        }
        OneShotError::Failed { .. } => failure,
    }
}
