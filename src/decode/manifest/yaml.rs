//! One YAML document, resolved as Kubernetes' own tools do (`sigs.k8s.io/yaml`, YAML 1.1): `yes`, `on` and
//! their like are booleans, `0644` is octal, `<<` merges, the last of two equal keys counts.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny};
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Options};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

use super::plain;
use super::root::{Element, Item, Root};
use super::streamed::Streamed;
use super::tree::{MAX_DEPTH, Tree};

/// What is wrong with a document, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Counted from 1; 0 where it is not known.
    pub(super) line: u32,
    /// Counted from 1; 0 where it is not known.
    pub(super) column: u32,
    /// What was expected.
    pub(super) message: String,
}

/// The document is in memory already, so its own size needs no limit. What aliases add to it does: the number
/// of replays is limited here, the size of each object in [`super::tree`].
fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_total_comment_bytes: usize::MAX,
            max_depth: MAX_DEPTH as usize,
            max_aliases: 10_000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000 },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Merge,
        legacy_octal_numbers: true,
        // A label such as 12e4567 is text to Kubernetes: it must not cost the whole document.
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// Reads a document. None when it is empty.
pub(super) fn read(
    text: &str,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(Item),
) -> Result<Option<Value>, Problem> {
    let mut told = 0;
    let plain = plain::read(text, streamed, &mut |item| {
        told = item.index + 1;
        on_item(item);
    });
    plain.or_else(|plain::NotPlain| {
        // What was read of a template before something was refused counts no more.
        streamed.and_then(Streamed::take);
        // Items that were told already are read the same again.
        read_fully(text, &mut |item| {
            if item.index >= told {
                on_item(item);
            }
        })
    })
}

/// The value of one scalar or of a text in flow style, where it is well-formed.
pub(super) fn value(text: &str) -> Option<Value> {
    let tree = serde_saphyr::from_str_with_options::<Tree>(text, options(DuplicateKeyPolicy::LastWins));
    tree.ok().map(|Tree(value)| value)
}

/// Reads a document with the parser for all of YAML.
pub(super) fn read_fully(text: &str, on_item: &mut dyn FnMut(Item)) -> Result<Option<Value>, Problem> {
    with(text, |deserializer| {
        Root { element: SpannedElement, on_item, streamed: None }.deserialize(deserializer)
    })
}

/// Hands a document to `read`.
pub(super) fn with<T>(
    text: &str,
    read: impl FnOnce(serde_saphyr::Deserializer<'_, '_>) -> Result<T, serde_saphyr::Error>,
) -> Result<T, Problem> {
    serde_saphyr::with_deserializer_from_str_with_options(text, options(DuplicateKeyPolicy::LastWins), read)
        .map_err(|error| problem(&error))
}

/// Says whether some key of the document stands twice: for what must not lose one of the two.
pub(super) fn check_keys(text: &str) -> Result<(), Problem> {
    serde_saphyr::from_str_with_options::<Tree>(text, options(DuplicateKeyPolicy::Error))
        .map(drop)
        .map_err(|error| problem(&error))
}

/// Whether this is well-formed YAML.
pub(super) fn is_yaml(text: &str) -> bool {
    serde_saphyr::from_str_with_options::<IgnoredAny>(text, options(DuplicateKeyPolicy::LastWins)).is_ok()
}

fn problem(error: &serde_saphyr::Error) -> Problem {
    // The snippet would show the document's own content, which may be a Secret's.
    let error = error.without_snippet();
    let location = error.location();
    Problem {
        line: location.map_or(0, |location| u32::try_from(location.line()).unwrap_or(u32::MAX)),
        column: location.map_or(0, |location| u32::try_from(location.column()).unwrap_or(u32::MAX)),
        message: UserMessageFormatter.format_message(error).into_owned(),
    }
}

#[derive(Clone, Copy)]
struct SpannedElement;

impl Element for SpannedElement {
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Value), D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        Ok((u32::try_from(spanned.referenced.line()).unwrap_or(0), spanned.value.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        read(text, None, &mut |_| {}).unwrap().unwrap()
    }

    #[test]
    fn scalars_resolve_as_kubernetes_resolves_them() {
        let found =
            value("a: yes\nb: off\nc: 'yes'\nd: 0644\ne: ~\nf: 2026-01-01T00:00:00Z\ng: 12e4567\nh: 1.27\n");
        let expected = serde_json::json!({
            "a": true, "b": false, "c": "yes", "d": 420, "e": null, "f": "2026-01-01T00:00:00Z", "g": ".inf", "h": 1.27
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let found = value("base: &b {image: nginx, tty: true}\nweb: {<<: *b, tty: false}\nsame: *b\n");
        assert_eq!(found["web"], serde_json::json!({"image": "nginx", "tty": false}));
        assert_eq!(found["same"], serde_json::json!({"image": "nginx", "tty": true}));
    }

    #[test]
    fn an_alias_bomb_is_refused_at_once() {
        let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, before) in ('b'..='k').zip('a'..) {
            let aliases = vec![format!("*{before}"); 10].join(",");
            text += &format!("{name}: &{name} [{aliases}]\n");
        }
        let started = std::time::Instant::now();
        assert!(read(&text, None, &mut |_| {}).is_err());
        assert!(started.elapsed().as_secs() < 10);
    }

    #[test]
    fn aliases_of_one_long_text_are_refused() {
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(","));
        let error = read(&text, None, &mut |_| {}).unwrap_err();
        assert!(error.message.contains("an object of more than 32 MiB"), "{error:?}");
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_end_the_stack() {
        for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)]
        {
            assert!(read(&text, None, &mut |_| {}).is_err());
        }
    }

    #[test]
    fn an_error_says_where_and_what_was_expected() {
        let error = read("a: 1\nb: [1, 2\nc: 3\n", None, &mut |_| {}).unwrap_err();
        assert!((2..=3).contains(&error.line), "{error:?}");
        let error = read("- a\n- b\n", None, &mut |_| {}).unwrap_err();
        assert!(
            error.message.contains("expected an object with apiVersion and kind, found a list"),
            "{error:?}"
        );
        assert!(read("a:\n\tb: 1\n", None, &mut |_| {}).is_err());
    }

    #[test]
    fn the_last_of_two_equal_keys_counts_as_kubectl_has_it() {
        assert_eq!(value("image: a\nimage: b\n")["image"], "b");
        assert_eq!(check_keys("image: a\nimage: b\n").unwrap_err().line, 2);
    }

    #[test]
    fn items_are_handed_over_with_their_line() {
        let text = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n- apiVersion: v1\n  kind: Secret\nkind: List\n";
        let mut items = Vec::new();
        let root =
            read(text, None, &mut |item| items.push((item.index, item.line, item.value["kind"].clone())))
                .unwrap();
        assert_eq!(items, [(0, 3, "Pod".into()), (1, 5, "Secret".into())]);
        assert_eq!(root.unwrap()["items"], serde_json::json!([]));
    }
}
