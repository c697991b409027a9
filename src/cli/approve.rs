//! `revisor approve`, and `kubectl revisor approve`.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use serde_json::Value;

use super::{Exit, Failure, Streams, connect};
use crate::operator::approve::{ApproveError, Decided, Decision, decide};
use crate::report::escape::visible_within;

/// Approves Exemptions as they stand, with your own rights: an edit afterwards needs a new approval.
///
/// As a plugin of kubectl (a link named kubectl-revisor that leads to this program): kubectl revisor approve.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The Exemptions.
    #[arg(value_name = "NAMESPACE/NAME", required = true, value_parser = place)]
    exemptions: Vec<(String, String)>,
    /// Take an approval back.
    #[arg(long)]
    revoke: bool,
    /// Why; it stands in the condition, where the tenant can read it.
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Only while it is at this generation: what you have looked at.
    #[arg(long, value_name = "NUMBER")]
    generation: Option<i64>,
    /// Context of the kubeconfig [default: the current one].
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  kubectl get exemptions -A                                  what is asked for
  revisor approve team-a/loader -m 'agreed in OPS-412'
  revisor approve team-a/loader --revoke
  kubectl revisor approve team-a/loader                      as a plugin of kubectl";

fn place(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("expected NAMESPACE/NAME, such as team-a/loader".to_owned()),
    }
}

/// Approves.
pub(super) fn run(args: Args, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let mut config = connect::config(args.context.as_deref()).await?;
        // Somebody waits for an answer.
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = Some(Duration::from_secs(30));
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| Failure::new(format!("{url}: {error}")))?;
        let mut exit = Exit::Clean;
        for (namespace, name) in &args.exemptions {
            let decision = Decision {
                namespace,
                name,
                approve: !args.revoke,
                generation: args.generation,
                message: args.message.as_deref(),
            };
            match decide(&client, &decision, Timestamp::now()).await {
                Ok(decided) => writeln!(streams.out, "{}", told(&decision, &decided))?,
                // One that cannot be approved stops no other.
                Err(error) => {
                    streams.error(&format!("{namespace}/{name}: {error}"));
                    if let Some(help) = help(&error) {
                        streams.note(help);
                    }
                    exit = Exit::Failed;
                }
            }
        }
        Ok(exit)
    })
}

fn help(error: &ApproveError) -> Option<&'static str> {
    match error {
        ApproveError::Forbidden(_) => {
            Some("the ClusterRole revisor-exemption-approver permits it; a cluster administrator binds it")
        }
        ApproveError::NotFound(_) => Some("`kubectl get exemptions -A` lists them"),
        ApproveError::Changed(_) => Some("look at it again, then approve what stands there now"),
        ApproveError::Failed(_) => None,
    }
}

/// What was approved, in one paragraph: whoever reads the output later must not have to look it up.
fn told(decision: &Decision<'_>, decided: &Decided) -> String {
    let what = match (decision.approve, decided.unchanged) {
        (true, false) => "approved",
        (true, true) => "was approved already",
        (false, false) => "approval revoked",
        (false, true) => "was not approved",
    };
    let mut text = format!(
        "exemption {}/{} {what} (generation {})",
        decision.namespace, decision.name, decided.generation
    );
    let spec = &decided.spec;
    for field in ["rules", "workloads", "images", "reason", "ticket", "expiresAt"] {
        let value = match spec.get(field) {
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            Some(Value::String(text)) => text.clone(),
            _ => continue,
        };
        text.push_str(&format!("\n  {field}: {}", visible_within(&value, 1_024)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_exemption_is_named_with_its_namespace() {
        assert_eq!(place("team-a/loader"), Ok(("team-a".to_owned(), "loader".to_owned())));
        for wrong in ["loader", "/loader", "team-a/", "a/b/c", ""] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_approved_is_told_in_full_and_obeys_no_control_characters() {
        let decision =
            Decision { namespace: "team-a", name: "loader", approve: true, generation: None, message: None };
        let spec = json!({"rules": ["NoRoot", "PullPolicyAlways"], "reason": "pre\u{1b}[31mloaded", "expiresAt": "2027-01-31T00:00:00Z"});
        let decided = Decided { generation: 2, spec, unchanged: false };
        assert_eq!(
            told(&decision, &decided),
            "exemption team-a/loader approved (generation 2)\n  rules: NoRoot, PullPolicyAlways\n  \
             reason: pre\\u{1b}[31mloaded\n  expiresAt: 2027-01-31T00:00:00Z"
        );
    }
}
