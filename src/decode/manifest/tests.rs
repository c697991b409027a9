//! Whole files through the reader.

use std::sync::Arc;

use super::*;
use crate::decode::pod::{PodRecord, Section};
use crate::subject::canonical;
use crate::subject::facts::Facts;
use crate::subject::pod::{Image, PodShape};

/// What a file tells: `line what`, and the reader.
fn read(text: &str) -> (Vec<String>, Reader) {
    read_file("file.yaml", text)
}

fn read_file(file: &str, text: &str) -> (Vec<String>, Reader) {
    let mut reader = Reader::new("default");
    let mut told = Vec::new();
    reader.read(file.into(), text, &mut |change| told.push(summary(&change)));
    (told, reader)
}

/// Without the templates that controllers of pods tell beside them.
fn told(text: &str) -> Vec<String> {
    let (mut told, reader) = read(text);
    assert_eq!(reader.errors, []);
    told.retain(|summary| !summary.starts_with("template "));
    told
}

#[test]
fn controllers_of_pods_tell_their_templates_even_when_they_make_no_pods() {
    let templates = |api: &str, kind: &str| {
        let spec = "spec: {replicas: 0, template: {spec: {containers: [{name: a, image: b}]}}}";
        let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: web}}\n{spec}\n");
        let (mut told, _) = read(&text);
        told.retain(|summary| summary.starts_with("template "));
        told
    };
    assert_eq!(templates("apps/v1", "ReplicaSet"), ["template replicasets.apps default/web"]);
    assert_eq!(templates("apps/v1", "StatefulSet"), ["template statefulsets.apps default/web"]);
    assert_eq!(templates("apps/v1", "DaemonSet"), ["template daemonsets.apps default/web"]);
    assert_eq!(templates("batch/v1", "Job"), ["template jobs.batch default/web"]);
    assert_eq!(templates("v1", "ReplicationController"), ["template replicationcontrollers default/web"]);
    assert!(templates("apps/v1", "Deployment").is_empty(), "no pod names it as its controller");
}

fn errors(text: &str) -> Vec<(u32, u32, String)> {
    let errors = read(text).1.errors;
    errors.into_iter().map(|error| (error.document, error.line, error.message)).collect()
}

fn summary(change: &Change) -> String {
    match change {
        Change::Pod(pod) => {
            let line = pod.source.as_ref().map_or(0, |source| source.line);
            format!("{line} {} {} {}", owner(pod), pod.namespace(), images(pod).join(","))
        }
        Change::Namespace(name, _) => format!("namespace {name}"),
        Change::NetworkPolicy(namespace, facts) => format!("networkpolicy {namespace}/{}", facts.name),
        Change::Job(job) => format!("job {} of {:?}", job.name, job.cron_job),
        Change::Policy(policy) => {
            format!(
                "{} policy {} {}",
                policy.source.as_ref().map_or(0, |source| source.line),
                policy.name,
                policy.spec
            )
        }
        Change::Object(facts) if facts.kind.is_template() => {
            format!("template {} {}/{}", facts.kind, facts.namespace, facts.name)
        }
        Change::Object(facts) => format!("{} {}/{}", facts.kind, facts.namespace, facts.name),
        Change::Unsupported(object) => {
            format!("unsupported {}/{} {}", object.kind, object.name, object.image)
        }
        other => format!("{other:?}"),
    }
}

fn owner(pod: &PodRecord) -> String {
    let mut owner = canonical::Reader::new(pod.section(Section::Owner));
    match (owner.text(), owner.text(), owner.text()) {
        ("", "", "") => format!("Pod/{}", pod.name()),
        (_, kind, name) if pod.flags & PodShape::TEMPLATE != 0 => format!("{kind}/{name}"),
        (_, kind, name) => format!("Pod/{} of {kind}/{name}", pod.name()),
    }
}

fn images(pod: &PodRecord) -> Vec<String> {
    let shape = PodShape::read(
        pod.section(Section::Shape),
        pod.flags,
        |name| name.into(),
        |image| Arc::new(Image::new(image)),
        |facts| Arc::new(Facts::new(facts)),
    );
    assert!(!shape.malformed);
    shape.uses.iter().map(|found| found.image.written().to_owned()).collect()
}

fn workload(api_version: &str, kind: &str) -> String {
    let metadata = "metadata: {name: web, namespace: team-a}";
    format!(
        "apiVersion: {api_version}\nkind: {kind}\n{metadata}\nspec:\n  template:\n    spec:\n      containers:\n      - {{name: app, image: nginx}}\n"
    )
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: app\n    image: nginx\n";

#[test]
fn a_pod_without_a_namespace_is_put_into_the_default_one() {
    assert_eq!(told(POD), ["1 Pod/p default nginx"]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let text = format!("\u{feff}{POD}---\n{POD}").replace('\n', "\r\n");
    assert_eq!(told(&text), ["1 Pod/p default nginx", "10 Pod/p default nginx"]);
}

#[test]
fn a_marker_inside_a_block_scalar_does_not_split() {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  x: |\n    ---\n    kind: Pod\n---\n{POD}"
    );
    assert_eq!(told(&text), ["9 Pod/p default nginx"]);
}

#[test]
fn every_workload_is_judged_by_its_template() {
    for (version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "Job"),
    ] {
        assert_eq!(told(&workload(version, kind)), [format!("1 {kind}/web team-a nginx")]);
    }
    let cron_job = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: b}]}}}}}\n";
    assert_eq!(told(cron_job), ["1 CronJob/c default b"]);
    let pod_template = "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: t}\ntemplate: {spec: {containers: [{name: a, image: b}]}}\n";
    assert_eq!(told(pod_template), ["1 PodTemplate/t default b"]);
}

#[test]
fn a_replicaset_is_reported_under_its_deployment_and_a_former_one_not_at_all() {
    let owned = |replicas: u32| {
        let owner =
            "ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]";
        format!(
            "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: web-5d4f, {owner}}}\nspec: {{replicas: {replicas}, template: {{spec: {{containers: [{{name: a, image: b}}]}}}}}}\n"
        )
    };
    assert_eq!(told(&owned(2)), ["1 Deployment/web default b"]);
    assert!(told(&owned(0)).is_empty());
}

#[test]
fn a_job_tells_its_cronjob_and_one_that_has_ended_is_not_judged() {
    let job = |status: &str| {
        let owner = "ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: c, controller: true}]";
        let uid = "uid: 0f3c1c2e-92a5-4d0a-8c5e-4b7a9f1d2e3f";
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: nightly-1, {uid}, {owner}}}\nspec: {{template: {{spec: {{containers: [{{name: a, image: b}}]}}}}}}\nstatus: {status}\n"
        )
    };
    let record = "job nightly-1 of Some(\"nightly\")";
    assert_eq!(told(&job("{active: 1}")), [record, "1 CronJob/nightly default b"]);
    assert_eq!(told(&job("{conditions: [{type: Complete, status: 'True'}]}")), [record]);
}

#[test]
fn dumps_of_kubectl_are_read_item_by_item_with_their_lines() {
    let item = POD.replace('\n', "\n  ");
    let text = format!(
        "apiVersion: v1\nitems:\n- {}\n- {}\nkind: List\nmetadata: {{resourceVersion: ''}}\n",
        item.trim_end(),
        item.trim_end()
    );
    assert_eq!(told(&text), ["3 Pod/p default nginx", "11 Pod/p default nginx"]);
    let json = "{\n \"kind\": \"PodList\", \"apiVersion\": \"v1\", \"items\": [\n  {\"metadata\": {\"name\": \"a\"}, \"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"x\"}]}}\n ]\n}";
    assert_eq!(told(json), ["3 Pod/a default x"]);
    let kind_last = "{\"apiVersion\": \"v1\", \"items\": [{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"x\"}]}}], \"kind\": \"PodList\"}";
    assert_eq!(told(kind_last), ["1 Pod/a default x"]);
}

#[test]
fn equal_items_get_uids_of_their_own_and_real_uids_are_kept() {
    let uids = |text: &str| {
        let mut uids = Vec::new();
        Reader::new("default").read("f".into(), text, &mut |change| {
            if let Change::Pod(pod) = change {
                uids.push(pod.uid);
            }
        });
        uids
    };
    let item = POD.replace('\n', "\n  ");
    let twice = format!("apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n", item.trim_end(), item.trim_end());
    let found = uids(&twice);
    assert!(found.len() == 2 && found[0] != found[1]);
    assert_eq!(found, uids(&twice));
    let live = POD.replace("name: p", "name: p\n  uid: 00000000-0000-0000-0000-00000000002a");
    assert_eq!(uids(&live), [42]);
}

#[test]
fn json_objects_may_follow_each_other() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}"#;
    let (told, reader) = read_file("-", &format!("{pod}\n{{\"kind\": }}\n{pod}\n"));
    assert_eq!(told, ["1 Pod/p default x", "3 Pod/p default x"]);
    assert_eq!(reader.errors.iter().map(|error| (error.document, error.line)).collect::<Vec<_>>(), [(2, 2)]);
    assert_eq!(reader.documents, 3);
}

#[test]
fn a_bad_document_in_the_middle_is_named_and_stops_no_other() {
    let text = format!("{POD}---\nkind: [Pod\nmetadata:\n---\n{POD}");
    let (told, reader) = read(&text);
    assert_eq!(told, ["1 Pod/p default nginx", "13 Pod/p default nginx"]);
    let error = &reader.errors[0];
    assert!(error.document == 2 && (10..=12).contains(&error.line), "{error}");
    assert!(error.to_string().starts_with("file.yaml:1"), "{error}");
}

#[test]
fn tabs_are_an_error_with_its_line() {
    let (told, reader) = read(&format!("a:\n\t- b: c\n  d\n---\n{POD}"));
    assert_eq!(told, ["5 Pod/p default nginx"]);
    assert!(reader.errors[0].line == 2, "{:?}", reader.errors);
}

#[test]
fn an_unrendered_helm_template_is_one_hint() {
    let text = "{{- if .Values.web }}\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n---\nimage: {{ x }}:{{ y }}\n{{- end }}\n";
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].2.contains("helm template"), "{errors:?}");
}

#[test]
fn argo_rollouts_and_knative_services_are_judged_by_their_template() {
    assert_eq!(told(&workload("argoproj.io/v1alpha1", "Rollout")), ["1 Rollout/web team-a nginx"]);
    assert_eq!(told(&workload("serving.knative.dev/v1", "Service")), ["1 Service/web team-a nginx"]);
    assert_eq!(told(&workload("example.com/v1", "Deployment")), ["1 Deployment/web team-a nginx"]);
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: []}\n";
    assert_eq!(told(service), ["services default/s"]);
}

#[test]
fn an_unknown_kind_with_an_image_only_is_unsupported_and_one_without_is_counted() {
    let vm = "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: v}\nspec: {template: {spec: {volumes: [{containerDisk: {image: 'disk:1'}}]}}}\n";
    assert_eq!(told(vm), ["unsupported VirtualMachine/v disk:1"]);
    let (told, reader) = read(
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n---\napiVersion: v1\nkind: Config\nclusters: []\n",
    );
    assert!(told.is_empty() && reader.errors.is_empty());
    let counted = [("Config".to_owned(), 1), ("Widget.example.com".to_owned(), 1)];
    assert_eq!(reader.unknown_kinds.into_iter().collect::<Vec<_>>(), counted);
}

#[test]
fn harmless_kinds_and_secrets_are_passed_over() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c}\nspec: {image: x}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {image: x}\n";
    let (told, reader) = read(&format!("{crd}---\n{secret}"));
    assert!(told.is_empty() && reader.unknown_kinds.is_empty() && reader.errors.is_empty());
    assert_eq!(reader.objects, 2);
}

#[test]
fn files_that_are_no_kubernetes_objects_are_counted_and_half_objects_are_errors() {
    let (_, reader) = read("services: {web: {image: nginx}}\n");
    assert_eq!((reader.foreign, reader.errors.len()), (1, 0));
    assert_eq!(errors("# x\n\nkind: Pod\n"), [(1, 3, "expected apiVersion beside kind Pod".to_owned())]);
    assert_eq!(
        errors("apiVersion: v1\nkind: Pod\n")[0].2,
        "Pod: expected an object at metadata, found nothing"
    );
    assert!(errors("- a\n")[0].2.contains("expected an object with apiVersion and kind, found a list"));
}

#[test]
fn a_workload_without_a_template_is_an_error_and_never_clean() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n";
    let message =
        "Deployment web: expected a pod template at spec.template, found nothing (is this a patch?)";
    assert_eq!(errors(patch)[0].2, message);
    let empty = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: []}}}\n";
    assert!(errors(empty)[0].2.contains("expected containers at spec.template.spec.containers"));
}

#[test]
fn namespaces_network_policies_and_policies_are_told() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n---\napiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: base}\nspec: {rules: {trustedRegistry: null}}\n---\napiVersion: revisor.dev/v1alpha1\nkind: NamespaceAudit\nmetadata: {name: revisor}\n";
    let policy = "10 policy base {\"rules\":{\"trustedRegistry\":null}}";
    assert_eq!(told(text), ["namespace team-a", "networkpolicy default/deny", policy]);
}

#[test]
fn a_policy_of_another_version_without_a_spec_or_with_a_key_twice_is_an_error() {
    let policy = |version: &str, spec: &str| {
        errors(&format!(
            "apiVersion: revisor.dev/{version}\nkind: ImagePolicy\nmetadata: {{name: p}}\n{spec}"
        ))
    };
    assert!(policy("v9", "spec: {}\n")[0].2.contains("expected apiVersion revisor.dev/v1alpha1"));
    assert_eq!(policy("v1alpha1", "")[0].2, "ImagePolicy p: expected an object at spec, found nothing");
    let twice =
        policy("v1alpha1", "spec:\n  rules:\n    digestPinned: {}\n    digestPinned: {enabled: false}\n");
    assert!(twice[0].1 == 7 && twice[0].2.contains("digestPinned"), "{twice:?}");
}

#[test]
fn a_kustomization_is_a_hint() {
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n";
    let (told, reader) = read_file("web/kustomization.yaml", text);
    assert!(told.is_empty() && reader.errors.is_empty());
    assert!(reader.hints.iter().any(|hint| hint.contains("kubectl kustomize web | revisor audit -")));
}

#[test]
fn an_alias_bomb_is_one_error_and_the_next_document_is_read() {
    let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ('b'..='i').zip('a'..) {
        let aliases = vec![format!("*{before}"); 10].join(",");
        text += &format!("{name}: &{name} [{aliases}]\n");
    }
    let (told, reader) = read(&format!("{text}---\n{POD}"));
    assert_eq!((told.len(), reader.errors.len()), (1, 1));
}

#[test]
fn anchors_work_across_one_document() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - &c {name: a, image: nginx}\n  - {<<: *c, name: b}\n";
    assert_eq!(told(text), ["1 Pod/p default nginx,nginx"]);
}

#[test]
fn errors_are_kept_up_to_a_bound_and_counted_beyond() {
    let (_, reader) = read(&"---\nkind: Pod\n".repeat(250));
    assert_eq!((reader.errors.len(), reader.more_errors), (200, 50));
}

mod hostile {
    use proptest::prelude::*;

    use super::read_file;

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "---", "...", "\n", "\r\n", "  ", "- ", "a: ", "kind: Pod", "apiVersion: v1", "metadata:", "{", "}",
                    "[", "]", "\"", "'", "|\n", "&a ", "*a", "<<: ", "? ", "# x", "%YAML 1.2", "\t", "\u{feff}", "é", "!!binary ",
                    "items", "List", ": ", ",", "null", "1e999", "{{", "\0",
                ]),
                0..40,
            ),
            json in any::<bool>(),
        ) {
            read_file(if json { "x.json" } else { "x.yaml" }, &pieces.concat());
        }
    }
}
