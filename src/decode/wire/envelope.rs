//! What stands around objects: a page of a list, a frame of a watch. Read from the bytes as they came, in one pass.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Error, Value};

use super::Kind;
use crate::decode::Change;
use crate::decode::lenient::{Fields, Items, List, Object, Text};

/// The annotation of the bookmark that ends a streamed list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What a page says of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageEnd {
    /// The resourceVersion of the list; empty where there is none.
    pub version: String,
    /// What to ask for the next page with; empty for the last one.
    pub token: String,
}

/// What a frame of a watch tells.
#[derive(Debug)]
pub enum Frame {
    /// An object is there, or is as follows now.
    Here(Change),
    /// An object is gone; none for one that could never be kept.
    Gone(Option<Change>),
    /// Everything up to some resourceVersion has been told.
    Bookmark {
        /// It is the one that ends a streamed list.
        ends_list: bool,
    },
    /// The watch has failed.
    Error {
        /// As an HTTP status; 0 where there is none.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// Something of a type that is not known.
    Other,
}

/// Hands over a text; bytes that are none are replaced, so that they cost the field they stand in and nothing else.
fn as_text<T>(bytes: &[u8], read: impl FnOnce(&str) -> T) -> T {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(text),
        Err(_) => read(&String::from_utf8_lossy(bytes)),
    }
}

/// Reads a whole text into what `fields` are read of.
fn read_all<'de>(text: &'de str, fields: &mut impl Fields<'de>) -> Result<(), Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Object(fields).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Reads one object.
struct One<'x, K>(&'x K);

impl<'de, K: Kind> DeserializeSeed<'de> for One<'_, K> {
    type Value = K::Record;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Record, D::Error> {
        self.0.read(deserializer)
    }
}

/// Reads a page of a list.
pub(super) fn page<K: Kind>(kind: &K, bytes: &[u8], tell: &mut dyn FnMut(Change)) -> Result<PageEnd, Error> {
    as_text(bytes, |text| {
        let mut page = Page { kind, tell, end: PageEnd::default(), listed: false, wrong: false };
        read_all(text, &mut page)?;
        match page {
            Page { listed: true, wrong: false, end, .. } => Ok(end),
            // To take it for an empty list would be to take every object for gone.
            _ => Err(Error::custom("the answer is no list")),
        }
    })
}

struct Page<'x, K> {
    kind: &'x K,
    tell: &'x mut dyn FnMut(Change),
    end: PageEnd,
    /// It has items, if only null.
    listed: bool,
    wrong: bool,
}

impl<'de, K: Kind> Fields<'de> for Page<'_, K> {
    fn key(name: &str) -> u8 {
        match name {
            "metadata" => 1,
            "items" => 2,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        if key == 1 {
            return map.next_value_seed(Object(&mut ListMetadata(&mut self.end)));
        }
        self.listed = true;
        map.next_value_seed(List(&mut PageItems(self)))
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

struct PageItems<'x, 'y, K>(&'x mut Page<'y, K>);

impl<'de, K: Kind> Items<'de> for PageItems<'_, '_, K> {
    #[inline]
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(record) = list.next_element_seed(One(self.0.kind))? else { return Ok(false) };
        (self.0.tell)(self.0.kind.change(record));
        Ok(true)
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct ListMetadata<'x>(&'x mut PageEnd);

impl<'de> Fields<'de> for ListMetadata<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "resourceVersion" => 1,
            "continue" => 2,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let place = if key == 1 { &mut self.0.version } else { &mut self.0.token };
        map.next_value_seed(Text { wrong: &mut false, take: |text: &str| text.clone_into(place) })
    }

    // Without a resourceVersion nothing can follow the list: whoever watches sees that.
    fn wrong(&mut self) {}
}

/// Reads a frame of a watch.
pub(super) fn frame<K: Kind>(kind: &K, bytes: &[u8], version: &mut String) -> Result<Frame, Error> {
    as_text(bytes, |text| {
        let mut envelope = Envelope::new(kind, None);
        read_all(text, &mut envelope)?;
        if envelope.is_misread() {
            // What kind of event it is stands behind the object, as no API server writes it. Once more, knowing it.
            envelope = Envelope::new(kind, envelope.event);
            read_all(text, &mut envelope)?;
        }
        envelope.told(version)
    })
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Here,
    Gone,
    Bookmark,
    Error,
    Other,
}

impl Event {
    fn of(name: &str) -> Self {
        match name {
            "ADDED" | "MODIFIED" => Self::Here,
            "DELETED" => Self::Gone,
            "BOOKMARK" => Self::Bookmark,
            "ERROR" => Self::Error,
            _ => Self::Other,
        }
    }

    /// Whether its object is one of the kind.
    fn is_of_kind(self) -> bool {
        matches!(self, Self::Here | Self::Gone)
    }
}

struct Envelope<'x, K: Kind> {
    kind: &'x K,
    event: Option<Event>,
    /// The object of an event about an object.
    record: Option<K::Record>,
    /// The object of another one: small, and seldom.
    other: Option<Value>,
    /// `code` and `message` beside each other: a bare Status, as some servers and proxies end a watch with.
    code: Option<u64>,
    message: String,
    wrong: bool,
}

impl<'x, K: Kind> Envelope<'x, K> {
    fn new(kind: &'x K, event: Option<Event>) -> Self {
        Self { kind, event, record: None, other: None, code: None, message: String::new(), wrong: false }
    }

    /// An object was read as one of the kind, and is none.
    fn is_misread(&self) -> bool {
        self.record.is_some() && self.event.is_some_and(|event| !event.is_of_kind())
    }

    fn told(self, version: &mut String) -> Result<Frame, Error> {
        if self.wrong {
            return Err(Error::custom("the frame is no event"));
        }
        let code = |code: Option<u64>| code.and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
        match (self.event, self.record, self.other) {
            (Some(event @ (Event::Here | Event::Gone)), Some(record), _) => {
                move_on(version, self.kind.resource_version(&record));
                Ok(match event {
                    Event::Gone => Frame::Gone(self.kind.gone(record)),
                    _ => Frame::Here(self.kind.change(record)),
                })
            }
            (Some(Event::Bookmark), _, Some(bookmark)) => {
                let metadata = &bookmark["metadata"];
                move_on(version, metadata["resourceVersion"].as_str().unwrap_or_default());
                Ok(Frame::Bookmark { ends_list: metadata["annotations"].get(INITIAL_EVENTS_END).is_some() })
            }
            (Some(Event::Error), _, Some(status)) => Ok(Frame::Error {
                code: code(status["code"].as_u64()),
                message: status["message"].as_str().unwrap_or_default().to_owned(),
            }),
            (Some(Event::Other), ..) => Ok(Frame::Other),
            (None, ..) if self.code.is_some() => {
                Ok(Frame::Error { code: code(self.code), message: self.message })
            }
            _ => Err(Error::custom("the frame is no event")),
        }
    }
}

/// Where the watch goes on after what was told. An object without a resourceVersion leaves it where it was: some of
/// what follows may be told twice, and nothing is missed.
fn move_on(version: &mut String, told: &str) {
    if !told.is_empty() {
        told.clone_into(version);
    }
}

impl<'de, K: Kind> Fields<'de> for Envelope<'_, K> {
    fn key(name: &str) -> u8 {
        match name {
            "type" => 1,
            "object" => 2,
            "code" => 3,
            "message" => 4,
            _ => 0,
        }
    }

    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        match (key, self.event) {
            (1, _) => {
                let event = &mut self.event;
                let take = |name: &str| *event = Some(Event::of(name));
                return map.next_value_seed(Text { wrong: &mut self.wrong, take });
            }
            (2, None | Some(Event::Here | Event::Gone)) => {
                self.record = Some(map.next_value_seed(One(self.kind))?);
            }
            (2, Some(Event::Bookmark | Event::Error)) => self.other = Some(map.next_value()?),
            (2, Some(Event::Other)) => drop(map.next_value::<IgnoredAny>()?),
            (3, _) => self.code = map.next_value::<Value>()?.as_u64(),
            _ => {
                let take = |text: &str| text.clone_into(&mut self.message);
                return map.next_value_seed(Text { wrong: &mut false, take });
            }
        }
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

#[cfg(test)]
mod tests;
