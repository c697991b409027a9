//! From the object that a row is about to the line of the field to change, for reports over files.

use crate::decode::Source;
use crate::decode::manifest::places::{Places, Wanted};

use super::result::{AuditReport, AuditResult, Place};

/// Gives every row the place of its field, where the input has one. A namespace without an object of its own is
/// where its first object is; what is about the whole input is nowhere.
pub fn locate(report: &mut AuditReport, places: &Places) {
    report.begins = places.first().map(Place::from);
    for row in &mut report.results {
        row.located = located(row, places);
    }
}

fn located(row: &AuditResult, places: &Places) -> Option<Place> {
    let Some(object) = &row.source else {
        return places.namespace(row.namespace.as_deref()?).map(Place::from);
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
}
