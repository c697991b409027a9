//! Fields whose very text was read before. The pods of a workload say word by word the same of probes, ports and
//! environment, and most of them tell nothing: comparing the text takes a fraction of walking through it key by key.

use std::cell::RefCell;
use std::fmt;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::facts::Walk;
use super::tables::Node;

/// By this name a deserializer of `serde_json` is asked for the text of a value (`serde_json::value::RawValue`). Any
/// other one takes it for the name of a type and hands over the value.
const TEXT: &str = "$serde_json::private::RawValue";

/// How many fields are remembered, and how long their text may be. A text has a few places to stand at: with one, two
/// texts of the same pod would drive each other out again and again.
const SETS: usize = 64;
const PLACES: usize = 4;
const LONGEST: usize = 2048;

/// A field that was read.
#[derive(Default)]
struct Known {
    hash: u64,
    node: Option<&'static Node>,
    text: String,
    facts: Vec<u8>,
    wrong: bool,
}

impl Known {
    fn is(&self, hash: u64, node: &Node, text: &str) -> bool {
        self.hash == hash && self.node.is_some_and(|known| std::ptr::eq(known, node)) && self.text == text
    }
}

thread_local! {
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// Walks through a field, unless its text is known. Only for fields that tell facts and nothing else.
pub(super) struct Remembered<'x>(pub(super) Walk<'x>);

impl<'de> DeserializeSeed<'de> for Remembered<'_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_newtype_struct(TEXT, self)
    }
}

impl<'de> Visitor<'de> for Remembered<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of a pod")
    }

    /// It cannot be had as text.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.deserialize(deserializer)
    }

    /// Its text, behind a name.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        map.next_key::<IgnoredAny>()?;
        map.next_value_seed(AsText(self.0))
    }
}

struct AsText<'x>(Walk<'x>);

impl<'de> DeserializeSeed<'de> for AsText<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for AsText<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of a field")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let (mut walk, hash) = (self.0, FixedState::default().hash_one(text));
        if tell(hash, text, &mut walk) {
            return Ok(());
        }
        let Walk { node, told, of_pod, wrong } = walk;
        let mut this_is_wrong = false;
        let mut again = Walk { node, told, of_pod, wrong: &mut this_is_wrong };
        let start = again.buffer().len();
        let inner = again.at(node);
        inner.deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(E::custom)?;
        let is_wrong = *again.wrong;
        remember(hash, node, text, &again.buffer()[start..], is_wrong);
        *wrong |= is_wrong;
        Ok(())
    }
}

/// The places of one hash; none before anything was remembered.
fn places(known: &mut [Known], hash: u64) -> &mut [Known] {
    #[expect(clippy::cast_possible_truncation, reason = "some bits of it")]
    let start = hash as usize % SETS * PLACES;
    known.get_mut(start..start + PLACES).unwrap_or_default()
}

/// Tells what is known of a text; false when nothing is.
fn tell(hash: u64, text: &str, walk: &mut Walk<'_>) -> bool {
    let told = KNOWN.try_with(|known| {
        let mut known = known.borrow_mut();
        let mut places = places(&mut known, hash).iter();
        let Some(known) = places.find(|known| known.is(hash, walk.node, text)) else { return false };
        if !known.facts.is_empty() {
            walk.buffer().extend_from_slice(&known.facts);
        }
        *walk.wrong |= known.wrong;
        true
    });
    // None is left when the thread ends.
    told.unwrap_or(false)
}

/// Remembers a field in place of the one that has been known longest.
fn remember(hash: u64, node: &'static Node, text: &str, facts: &[u8], wrong: bool) {
    if text.len() > LONGEST {
        return;
    }
    let _ = KNOWN.try_with(|known| {
        let mut known = known.borrow_mut();
        if known.is_empty() {
            known.resize_with(SETS * PLACES, Known::default);
        }
        let places = places(&mut known, hash);
        places.rotate_right(1);
        if let Some(place) = places.first_mut() {
            (place.hash, place.node, place.wrong) = (hash, Some(node), wrong);
            place.text.clear();
            place.text.push_str(text);
            place.facts.clear();
            place.facts.extend_from_slice(facts);
        }
    });
}

#[cfg(test)]
mod tests {
    use kube::core::WatchEvent;
    use serde_json::json;

    use super::*;
    use crate::decode::pod::{PodRecord, Section};
    use crate::subject::pod::PodShape;

    fn remembered() -> usize {
        KNOWN.with(|known| known.borrow().iter().filter(|known| known.node.is_some()).count())
    }

    fn read(container: &serde_json::Value) -> PodRecord {
        let pod = json!({"metadata": {"name": "p", "uid": "1"}, "spec": {"containers": [container]}});
        serde_json::from_str(&pod.to_string()).unwrap()
    }

    #[test]
    fn what_is_read_again_tells_the_same() {
        let containers = [
            json!({"name": "a", "image": "b", "ports": [{"hostPort": 80}], "securityContext": {"privileged": true}}),
            json!({"name": "a", "image": "b", "env": [{"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
            json!({"name": "a", "image": "b", "ports": 7, "livenessProbe": {"httpGet": []}}),
        ];
        for container in containers {
            let before = remembered();
            let first = read(&container);
            assert!(remembered() > before, "its fields are remembered");
            let again = read(&container);
            assert_eq!(first.section(Section::Shape), again.section(Section::Shape));
            assert_eq!(first.flags, again.flags);
        }
    }

    #[test]
    fn a_field_that_was_wrong_is_wrong_again_and_one_that_is_right_is_not() {
        let wrong = json!({"name": "a", "image": "b", "ports": [7]});
        let right = json!({"name": "a", "image": "b", "ports": [{"containerPort": 7}]});
        let flags = [&wrong, &right, &wrong, &right].map(|container| read(container).flags);
        assert_eq!(flags, [PodShape::MALFORMED, 0, PodShape::MALFORMED, 0]);
    }

    #[test]
    fn a_pod_that_cannot_be_had_as_text_is_read_all_the_same() {
        // The event is read before it is known what it carries: serde keeps the object in a form of its own.
        let pod = r#"{"metadata":{"name":"p","uid":"1"},"spec":{"containers":[{"name":"a","image":"b",
            "ports":[{"hostPort":80}]}]}}"#;
        let event = format!(r#"{{"object":{pod},"type":"ADDED"}}"#);
        let WatchEvent::Added(late) = serde_json::from_str::<WatchEvent<PodRecord>>(&event).unwrap() else {
            panic!("an addition")
        };
        let early: PodRecord = serde_json::from_str(pod).unwrap();
        assert_eq!(late.section(Section::Shape), early.section(Section::Shape));
        assert_eq!((late.flags, early.flags), (0, 0));
    }

    #[test]
    fn the_same_text_in_another_field_is_another_one() {
        let host = json!({"httpGet": {"host": "h"}});
        let probe = read(&json!({"name": "a", "image": "b", "livenessProbe": host}));
        let lifecycle = read(&json!({"name": "a", "image": "b", "lifecycle": {"postStart": host}}));
        let ports = read(&json!({"name": "a", "image": "b", "ports": [], "env": []}));
        assert_ne!(probe.section(Section::Shape), lifecycle.section(Section::Shape));
        assert_eq!(ports.flags, 0);
    }

    #[test]
    fn texts_of_one_place_drive_out_only_the_one_that_is_known_longest() {
        let node = &crate::decode::pod::tables::CONTAINER.fields[0].1;
        let hash = |number: usize| (number * SETS) as u64;
        (0..=PLACES).for_each(|number| remember(hash(number), node, "{}", &[], false));
        let known = |number| {
            KNOWN.with_borrow_mut(|known| {
                places(known, hash(number)).iter().any(|it| it.is(hash(number), node, "{}"))
            })
        };
        assert_eq!((0..=PLACES).map(known).collect::<Vec<_>>(), [false, true, true, true, true]);
    }
}
