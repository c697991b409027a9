//! From the object that a row is about to the line of the field to change, for reports over files.

use crate::decode::Source;
use crate::decode::manifest::places::{METADATA, Places, Wanted};

use super::result::{AuditReport, AuditResult, Place};

/// Gives every row the place of its field, where the input has one. A finding on a namespace or on the cluster is at
/// the object that its sentence names; else a namespace is where its own object is, or the first one in it, and what
/// is about the whole input is nowhere.
pub fn locate(report: &mut AuditReport, places: &Places) {
    report.begins = places.first().map(Place::from);
    for row in &mut report.results {
        row.located = located(row, places);
    }
}

fn located(row: &AuditResult, places: &Places) -> Option<Place> {
    let Some(object) = &row.source else {
        return mentioned(row, places).or_else(|| in_namespace(row, places));
    };
    let source = Source { file: object.file.as_str().into(), line: object.line };
    let wanted = Wanted {
        slot: row.slot,
        container: row.container.as_deref().unwrap_or_default(),
        image: row.image.as_deref().unwrap_or_default(),
        fields: fields(row.rule),
    };
    let line = places.line(&source, wanted).unwrap_or(object.line);
    Some(Place { file: object.file.clone(), line })
}

fn in_namespace(row: &AuditResult, places: &Places) -> Option<Place> {
    let source = places.namespace(row.namespace.as_deref()?)?;
    let wanted = Wanted { container: METADATA, fields: labels(row.rule), ..Wanted::default() };
    Some(Place { line: places.line(source, wanted).unwrap_or(source.line), ..Place::from(source) })
}

/// The first object that a rule names in its sentence as `RoleBinding all` or `network policy deny`, and that is in
/// the input. The sentence is ours; a name in it can at worst lead to another object of that name.
fn mentioned(row: &AuditResult, places: &Places) -> Option<Place> {
    let words: Vec<_> = row.message.as_deref()?.split_whitespace().collect();
    let capital = |word: &str| {
        let mut rest = word.chars();
        rest.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + rest.as_str())
    };
    let find = |kind: &str, name: &str| {
        let name = name.trim_matches([',', ';', ':', '.', '(', ')', '`', '"', '\'']);
        places.named(row.namespace.as_deref(), kind, name)
    };
    let source = (0..words.len()).find_map(|at| match words[at..] {
        [kind, name, ..] if kind.starts_with(|first: char| first.is_ascii_uppercase()) => find(kind, name),
        [first, second, name, ..] => find(&(capital(first) + &capital(second)), name),
        _ => None,
    });
    source.map(Place::from)
}

/// The labels of a namespace that a rule is about; the first that is written counts.
fn labels(rule: &str) -> &'static [&'static str] {
    const ENFORCE: &str = "labels.pod-security.kubernetes.io/enforce";
    const VERSION: &str = "labels.pod-security.kubernetes.io/enforce-version";
    const AUDIT: &str = "labels.pod-security.kubernetes.io/audit";
    const WARN: &str = "labels.pod-security.kubernetes.io/warn";
    match rule {
        "PodSecurityEnforced" => &[ENFORCE, "labels"],
        "PodSecurityVersionPinned" => &[VERSION, ENFORCE, "labels"],
        "PodSecurityAuditWarnSet" => &[AUDIT, WARN, "labels"],
        "PodSecurityLabelsValid" | "RequiredLabels" | "NamespaceOptedOut" | "AdmissionCoverage" => {
            &["labels"]
        }
        _ => &[],
    }
}

/// The fields that a rule is about, below a container or a pod spec; the first that is written counts. Rules that
/// are not named are about the image.
fn fields(rule: &str) -> &'static [&'static str] {
    match rule {
        "PullPolicyAlways" | "PullPolicyNotNever" | "PullPolicyExplicit" => &["imagePullPolicy", "image"],
        "ImagePullSecretsPresent" => &["imagePullSecrets", "image"],
        "NoPrivileged" => &["securityContext.privileged", "securityContext"],
        "NoPrivilegeEscalation" => &["securityContext.allowPrivilegeEscalation", "securityContext"],
        "NoDangerousCapabilities" => &["securityContext.capabilities", "securityContext"],
        "ReadOnlyRootFilesystem" => &["securityContext.readOnlyRootFilesystem", "securityContext"],
        "RunAsNonRoot" => &["securityContext.runAsNonRoot", "securityContext.runAsUser", "securityContext"],
        "PodMeetsLevel" => &["securityContext"],
        "NoHostNamespaces" => &["hostNetwork", "hostPID", "hostIPC"],
        "NoHostPath" | "NoRuntimeAccess" => &["volumes"],
        "SecretsInEnv" => &["env", "envFrom"],
        "DefaultServiceAccountUnused" | "NonExistentServiceAccount" => {
            &["serviceAccountName", "serviceAccount"]
        }
        "TokenMountedFromDefaultServiceAccount" => &["automountServiceAccountToken", "serviceAccountName"],
        _ => &["image"],
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, namespace_subject, report};
    use super::*;
    use crate::auditor::findings::State;
    use crate::decode::manifest::Reader;

    #[test]
    fn a_row_points_at_its_field_and_what_has_none_at_something_near() {
        // The rows of these tests stand in deploy/web.yaml, line 12.
        let text = "\n".repeat(11)
            + "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: a}\nspec:\n  containers:\n  - name: app\n    \
               image: evil.test/x:1\n";
        let mut reader = Reader::new("default").with_places();
        reader.read("deploy/web.yaml".into(), &text, &mut |_| {});
        let world = World::baseline()
            .on(0, image_subject("a", "Pod/web", "app", "evil.test/x:1"), State::Fail)
            .on(0, image_subject("a", "Pod/web", "gone", "evil.test/x:1"), State::Fail)
            .on(0, namespace_subject("a"), State::Fail)
            .skew("nginx:1", &[("a", 1)]);
        let mut report = report(&world.snapshot(), Listed::Findings, |_, _| {});
        locate(&mut report, &reader.places.unwrap());
        let lines =
            report.results.iter().map(|row| (&*row.subject.kind, row.place().map(|place| place.line)));
        let expected = [("Image", None), ("Namespace", Some(12)), ("Pod", Some(18)), ("Pod", Some(12))];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        assert_eq!(report.begins.map(|place| place.line), Some(12));
        assert!(report.results[1].source.is_none(), "JSON says nothing of this");
    }

    #[test]
    fn a_finding_on_a_namespace_points_at_the_object_that_it_names() {
        let text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n---\n\
                    apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: a}\n---\n\
                    apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: a}\nspec: {containers: []}\n";
        let mut reader = Reader::new("default").with_places();
        reader.read("deploy/web.yaml".into(), text, &mut |_| {});
        let places = reader.places.unwrap();
        let at = |message: &'static str| {
            let world = World::baseline().on(0, namespace_subject("a"), State::Fail);
            let mut report =
                report(&world.snapshot(), Listed::Findings, |_, judgement| judgement.message = message);
            locate(&mut report, &places);
            report.results[0].place().unwrap().line
        };
        assert_eq!(at("no pod is selected by network policy deny, which is new"), 6);
        assert_eq!(at("there is no service account ghost of Pod web"), 10);
        assert_eq!(at("no network policy selects the pods of Pod other"), 1);
        assert_eq!(at("Pod"), 1);
    }
}
