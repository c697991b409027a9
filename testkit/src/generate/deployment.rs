//! Deployments as people keep them in files: block YAML of about 10 kB each.

use super::random::{Dice, put, put_sha256};

const WORDS: &[&str] =
    &["orders", "billing", "search", "catalog", "gateway", "mailer", "ledger", "media", "auth", "events"];

/// Writes a Deployment as a document of a YAML stream, the same for the same index. One in ten breaks rules.
pub fn deployment(out: &mut String, index: usize) {
    let mut dice = Dice::new(1, b'd', index);
    let (word, is_bad) = (dice.pick(WORDS), index.is_multiple_of(10));
    let team = index % 97;
    put(
        out,
        format_args!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {word}-{index}\n  namespace: team-{team}\n"
        ),
    );
    put(
        out,
        format_args!(
            "  annotations:\n    example.com/owner: \"team-{team}@example.com\"\n    example.com/runbook: https://wiki.example.com/{word}/{index}\n"
        ),
    );
    put_labels(out, "  ", word, index);
    put(
        out,
        format_args!(
            "spec:\n  replicas: {}\n  revisionHistoryLimit: 3\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: {word}-{index}\n",
            1 + index % 5
        ),
    );
    out.push_str("  strategy:\n    type: RollingUpdate\n    rollingUpdate:\n      maxSurge: 25%\n      maxUnavailable: 0\n  template:\n    metadata:\n");
    put_labels(out, "      ", word, index);
    put(
        out,
        format_args!(
            "    spec:\n      serviceAccountName: {word}\n      automountServiceAccountToken: false\n      terminationGracePeriodSeconds: 45\n"
        ),
    );
    if !is_bad {
        out.push_str("      securityContext:\n        runAsNonRoot: true\n        runAsUser: 10001\n        fsGroup: 10001\n        seccompProfile:\n          type: RuntimeDefault\n");
    }
    out.push_str("      containers:\n");
    for name in ["app", "proxy", "metrics"] {
        put_container(out, name, word, is_bad, &mut dice);
    }
    out.push_str(
        "      volumes:\n      - name: tmp\n        emptyDir: {}\n      - name: config\n        configMap:\n",
    );
    put(out, format_args!("          name: {word}-config\n          defaultMode: 0444\n"));
}

fn put_labels(out: &mut String, indent: &str, word: &str, index: usize) {
    put(
        out,
        format_args!(
            "{indent}labels:\n{indent}  app.kubernetes.io/name: {word}-{index}\n{indent}  app.kubernetes.io/part-of: {word}\n"
        ),
    );
    put(
        out,
        format_args!(
            "{indent}  app.kubernetes.io/version: \"1.{}.0\"\n{indent}  app.kubernetes.io/managed-by: kustomize\n",
            index % 40
        ),
    );
}

fn put_container(out: &mut String, name: &str, word: &str, is_bad: bool, dice: &mut Dice) {
    put(out, format_args!("      - name: {name}\n        image: registry.example.com/{word}/{name}"));
    match is_bad {
        true => out.push_str(":latest\n        imagePullPolicy: IfNotPresent\n"),
        false => {
            out.push_str("@sha256:");
            put_sha256(out, dice.number() % 500);
            out.push_str("\n        imagePullPolicy: Always\n");
        }
    }
    put(
        out,
        format_args!(
            "        args:\n        - --listen=0.0.0.0:8080\n        - --log-level=info\n        - --config=/etc/{word}/config.yaml\n"
        ),
    );
    put(
        out,
        format_args!(
            "        - --upstream=http://{word}-upstream.example.svc.cluster.local:8080/api/v1\n        env:\n"
        ),
    );
    for number in 0..24 {
        let value = dice.number() % 1_000_000;
        put(
            out,
            format_args!(
                "        - name: {}_SETTING_{number}\n          value: \"{value}\"\n",
                word.to_ascii_uppercase()
            ),
        );
    }
    out.push_str("        - name: NODE_NAME\n          valueFrom:\n            fieldRef:\n              fieldPath: spec.nodeName\n");
    out.push_str(
        "        ports:\n        - name: http\n          containerPort: 8080\n          protocol: TCP\n",
    );
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        put(
            out,
            format_args!(
                "        {probe}:\n          httpGet:\n            path: /healthz\n            port: http\n          periodSeconds: 10\n          failureThreshold: 3\n"
            ),
        );
    }
    out.push_str("        resources:\n          requests:\n            cpu: 100m\n            memory: 128Mi\n          limits:\n            memory: 512Mi\n");
    if !is_bad {
        out.push_str("        securityContext:\n          allowPrivilegeEscalation: false\n          readOnlyRootFilesystem: true\n          capabilities:\n            drop:\n            - ALL\n");
    }
    out.push_str(
        "        volumeMounts:\n        - name: tmp\n          mountPath: /tmp\n        - name: config\n",
    );
    put(out, format_args!("          mountPath: /etc/{word}\n          readOnly: true\n"));
}
