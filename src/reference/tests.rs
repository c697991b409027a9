//! Tests of references, and properties of everything in this module.

use proptest::prelude::*;

use super::*;

const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn reference(written: &str) -> Reference {
    Reference::parse(written).unwrap_or_else(|error| panic!("{written:?}: {error}"))
}

fn refusal(written: &str) -> String {
    match Reference::parse(written) {
        Ok(reference) => panic!("{written:?} was read as {reference}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_reference_becomes_what_the_runtime_pulls() {
    for (written, canonical) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/foo/bar:1", "docker.io/foo/bar:1"),
        // Not rewritten: a runtime asks that host for a repository called nginx.
        ("registry-1.docker.io/nginx", "registry-1.docker.io/nginx:latest"),
        ("bitnami/redis:7.4", "docker.io/bitnami/redis:7.4"),
        ("foo/bar:1.0", "docker.io/foo/bar:1.0"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost", "docker.io/library/localhost:latest"),
        ("foo:5000", "docker.io/library/foo:5000"),
        ("registry:5000/app:1", "registry:5000/app:1"),
        ("registry.example.com:5000/app:1.0", "registry.example.com:5000/app:1.0"),
        ("registry.example.com/team/sub/app:1.0", "registry.example.com/team/sub/app:1.0"),
        ("Foo/bar", "Foo/bar:latest"),
        ("DOCKER.io/nginx", "DOCKER.io/nginx:latest"),
        ("foo_bar.example/app", "foo_bar.example/app:latest"),
        ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000/repo:tag"),
        ("dock__er/a---b", "docker.io/dock__er/a---b:latest"),
        ("nginx:sha256-aaaa", "docker.io/library/nginx:sha256-aaaa"),
    ] {
        assert_eq!(reference(written).canonical(), canonical, "{written}");
    }
}

#[test]
fn a_reference_knows_its_parts() {
    let written = format!("registry.example.com:5000/team/app:1.0@sha256:{HEX}");
    let both = reference(&written);
    assert_eq!(both.canonical(), written, "tag and digest are both kept");
    assert_eq!(both.name(), "registry.example.com:5000/team/app");
    assert_eq!(both.host(), "registry.example.com:5000");
    assert_eq!(both.repository(), "team/app");
    assert_eq!((both.tag(), both.written_tag()), (Some("1.0"), Some("1.0")));
    let digest = both.digest().expect("a digest");
    assert_eq!((digest.algorithm(), digest.hex()), ("sha256", HEX));
    assert_eq!(both.to_string(), written);
    assert!(both.has_explicit_host());

    let bare = reference("nginx");
    assert_eq!((bare.tag(), bare.written_tag()), (Some("latest"), None));
    assert_eq!(bare.digest(), None);
    assert!(!bare.has_explicit_host());
    assert_ne!(bare, reference("docker.io/library/nginx:latest"), "completeness is kept");

    let pinned = reference(&format!("nginx@sha256:{HEX}"));
    assert_eq!(pinned.tag(), None, "a digest implies no tag");
}

#[test]
fn a_host_is_explicit_only_if_it_was_written() {
    for (written, explicit) in [
        ("nginx:1.27", false),
        ("foo/bar", false),
        ("docker.io/nginx", true),
        ("registry:5000/app:1", true),
        ("localhost/app", true),
    ] {
        assert_eq!(reference(written).has_explicit_host(), explicit, "{written}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong_and_where() {
    for (written, message) in [
        ("", "image reference is empty"),
        ("Nginx:1.27", "repository name must be lower case: 'Nginx'"),
        ("docker.io/Foo/bar", "repository name must be lower case: 'Foo/bar'"),
        (
            "registry.example.com//app:1.0",
            "repository name has an empty segment: 'registry.example.com//app:1.0'",
        ),
        ("registry.example.com/", "repository name has an empty segment: 'registry.example.com/'"),
        ("nginx@latest", "digest must be 'algorithm:hexadecimal': 'latest'"),
        ("nginx@md5:0123", "digest algorithm must be sha256, sha384 or sha512: 'md5'"),
        ("nginx@sha256:abc", "digest must have 64 hexadecimal characters: it has 3"),
        ("nginx@sha256:ABC", "digest must be lower-case hexadecimal: 'ABC'"),
        (" nginx", "character ' ' at position 1 is not allowed: ' nginx'"),
        ("nginx\n", "character '\\n' at position 6 is not allowed: 'nginx\\n'"),
        ("ng\u{0}inx", "character '\\0' at position 3 is not allowed: 'ng\\0inx'"),
        ("n\u{1b}[31m", "character '\\u{1b}' at position 2 is not allowed: 'n\\u{1b}[31m'"),
        ("$(IMAGE)", "placeholder was not filled in: '$(IMAGE)'"),
        ("{{ .Values.image }}", "placeholder was not filled in: '{{ .Values.image }}'"),
        ("https://docker.io/nginx", "image reference must not have a scheme: 'https://docker.io/nginx'"),
    ] {
        assert_eq!(refusal(written), message);
    }
    assert!(refusal(HEX).starts_with("64 hexadecimal characters alone are an image id, not a name"));
    for host in ["a..b/x", "example.com./x", "-a.b/x", "[fe80::1%eth0]/x", "user:pw/x", "a:/x", "Foo_x/y"] {
        assert!(refusal(host).starts_with("host must be"), "{host}");
    }
    for segment in ["a..b", "a_.b", "-a", "a-", "a___b", ".", "a$b", "x/../y"] {
        assert!(refusal(segment).starts_with("repository name must consist"), "{segment}");
    }
    for tag in ["nginx:", "nginx:-a", "nginx:.a", "nginx:a:b"] {
        assert!(refusal(tag).starts_with("tag must be"), "{tag}");
    }
}

#[test]
fn lengths_are_limited_where_upstream_limits_them() {
    let host = "registry.example.com";
    assert!(Reference::parse(&format!("{host}/{}", "a".repeat(255))).is_ok());
    assert!(refusal(&format!("{host}/{}", "a".repeat(256))).contains("it has 256"));
    assert!(Reference::parse(&"a".repeat(247)).is_ok());
    assert!(refusal(&"a".repeat(248)).contains("it has 256"), "library/ counts");
    assert!(Reference::parse(&format!("a:{}", "t".repeat(128))).is_ok());
    assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
    assert!(Reference::parse(&format!("{}.a/b", "a".repeat(253))).is_ok());
    assert!(refusal(&format!("{}.a/b", "a".repeat(254))).starts_with("host must not be more"));
}

#[test]
fn a_refusal_of_a_huge_text_is_short() {
    let message = refusal(&"A".repeat(1_000_000));
    assert!(message.len() < 200, "{message}");
    assert!(message.ends_with("A…'"), "{message}");
}

#[test]
fn spellings_of_one_repository_are_the_same_repository() {
    for (a, b) in [
        ("nginx", "registry-1.docker.io/nginx"),
        ("nginx:1", "INDEX.docker.io:443/library/nginx@sha256:"),
        ("foo/bar", "docker.io:443/foo/bar"),
        ("registry.example.com/app", "Registry.Example.COM:443/app"),
        ("registry.example.com:5000/app", "registry.example.com:05000/app"),
        ("[::1]/app", "[0:0:0:0:0:0:0:1]:443/app"),
        ("[2001:DB8::A]:5000/app", "[2001:db8:0::a]:5000/app"),
    ] {
        let b = if b.ends_with(':') { format!("{b}{HEX}") } else { b.to_owned() };
        let (a, b) = (reference(a), reference(&b));
        assert!(a.same_repository(&b), "{a:?} {b:?}");
        assert_eq!(b.matching_name(), format!("{}/{}", b.matching_host(), b.matching_repository()));
    }
}

#[test]
fn different_places_are_different_repositories() {
    for (a, b) in [
        ("registry.example.com/app", "registry.example.com:5000/app"),
        ("registry.example.com/app", "registry.example.com:80/app"),
        ("Foo/bar", "foo/bar"),
        ("docker.io/app", "docker.io/team/app"),
        ("xn--dcker-jua.io/app", "docker.io/app"),
    ] {
        assert!(!reference(a).same_repository(&reference(b)), "{a} {b}");
    }
}

/// Texts that are nearly references, often enough really.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9]{1,4}",
        "[a-zA-Z0-9._-]{0,5}",
        prop::sample::select(vec![
            "docker.io/",
            "index.docker.io/",
            "registry-1.docker.io:443/",
            "localhost/",
            "[::1]:0443/",
            "Foo/",
            "/",
            ":",
            "@",
            "**",
            "*",
            ":443/",
            "_",
            ".",
            "xn--",
            "é",
            "\u{202e}",
            "@sha256:",
        ])
        .prop_map(str::to_owned),
        Just(format!("@sha256:{HEX}")),
    ];
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

/// References to one repository of Docker Hub or elsewhere, in every spelling of its host.
fn spellings() -> impl Strategy<Value = Vec<String>> {
    let hub = prop::sample::select(vec![
        "",
        "docker.io/",
        "index.docker.io/",
        "registry-1.docker.io/",
        "Docker.IO:443/",
    ]);
    let own = prop::sample::select(vec![
        "r.example.com/",
        "R.example.com/",
        "r.example.com:443/",
        "r.Example.com:0443/",
    ]);
    let path = "[a-z]{1,5}(/[a-z]{1,5}){0,2}";
    (prop::collection::vec(hub, 2), prop::collection::vec(own, 2), path, any::<bool>()).prop_map(
        |(hub, own, path, on_hub)| {
            let hosts = if on_hub { hub } else { own };
            hosts.iter().map(|host| format!("{host}{path}")).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in prop_oneof![any::<String>(), nearly()], other in any::<String>()) {
        if let Err(error) = Reference::parse(&text) {
            prop_assert!(error.to_string().chars().all(|c| !c.is_control()));
        }
        if let Err(error) = Pattern::parse(&text) {
            prop_assert!(error.to_string().chars().all(|c| !c.is_control()));
        }
        if let Ok(glob) = Glob::parse(&text) {
            glob.matches(&other);
        }
        ImageId::parse(&text);
        host_oddity(&text);
        host_oddity(&format!("xn--{text}"));
        split_port(&text);
        edit_distance_is_one(&text, &other);
        effective_pull_policy(None, &text);
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point(text in nearly()) {
        if let Ok(first) = Reference::parse(&text) {
            let again = Reference::parse(first.canonical()).expect("a reference");
            prop_assert_eq!(first.canonical(), again.canonical());
            prop_assert_eq!(first.name(), format!("{}/{}", first.host(), first.repository()));
            prop_assert_eq!(first.matching_name(), again.matching_name());
            prop_assert_eq!(first.digest(), again.digest());
            prop_assert_eq!(first.tag(), again.tag());
        }
    }

    #[test]
    fn the_canonical_pattern_is_a_fixed_point(text in nearly()) {
        if let Ok(first) = Pattern::parse(&text) {
            prop_assert_eq!(Pattern::parse(first.as_str()), Ok(first));
        }
    }

    #[test]
    fn a_pattern_made_from_a_references_name_matches_it(text in nearly()) {
        if let Ok(reference) = Reference::parse(&text) {
            let pattern = Pattern::parse(reference.name()).expect("a pattern");
            prop_assert!(pattern.matches(&reference), "{} {:?}", pattern, reference);
        }
    }

    #[test]
    fn aliases_match_both_ways(spellings in spellings()) {
        for written in &spellings {
            for name in &spellings {
                let (pattern, reference) = (Pattern::parse(name), Reference::parse(written));
                let (pattern, reference) = (pattern.expect("a pattern"), reference.expect("a reference"));
                prop_assert!(pattern.matches(&reference), "{} {:?}", pattern, reference);
            }
        }
    }

    #[test]
    fn globs_agree_with_the_definition(pattern in "[ab*/]{1,6}", name in "[ab/]{0,7}") {
        fn covers(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) if covers(rest, name) => true,
                (Some((b'*', _)), Some((c, rest))) => *c != b'/' && covers(pattern, rest),
                (Some((p, pattern)), Some((c, name))) => p == c && covers(pattern, name),
                _ => false,
            }
        }
        if let Ok(glob) = Glob::parse(&pattern) {
            prop_assert_eq!(glob.matches(&name), covers(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
