//! Lists: pages of one unchanging snapshot, written from stored bytes.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use serde_json::json;

use super::answer::{self, Answer};
use super::object::{Form, StoredObject, put_json};
use super::refusal::Refusal;
use super::request::RequestFacts;
use super::resource::ResourceType;
use super::selector::Selector;
use super::state::Shared;
use super::store::Snapshot;

/// Bytes gathered before they are handed to the connection.
const CHUNK: usize = 256 * 1024;

/// A page: a window into a snapshot.
struct Page {
    snapshot: Snapshot,
    start: usize,
    end: usize,
    /// Where the next page starts, if there is one.
    next: Option<String>,
    counts_rest: bool,
}

pub(super) fn answer(
    shared: &Shared,
    facts: &RequestFacts,
    kind: &ResourceType,
    form: Form,
) -> Result<Answer, Refusal> {
    let page = read_page(shared, facts, kind)?;
    let mut head = BytesMut::with_capacity(256);
    put_head(&mut head, kind, form, &page);
    let items = Items { page, form, at: None, head: Some(head) };
    Ok(answer::stream(stream::iter(items.map(Ok))))
}

fn read_page(shared: &Shared, facts: &RequestFacts, kind: &ResourceType) -> Result<Page, Refusal> {
    let query = &facts.query;
    let limit: usize = match query.get("limit") {
        "" => 0,
        text => text.parse().map_err(|_| Refusal::bad_request("limit is not a number"))?,
    };
    let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"))?;
    if !query.get("continue").is_empty() {
        return later_page(shared, facts, limit, selector.is_empty());
    }
    let version = query.get("resourceVersion");
    let snapshot = read_snapshot(shared, facts, kind, &selector)?;
    // Any version will do: served from the watch cache, which does not page.
    let limit = if version == "0" { 0 } else { limit };
    let total = snapshot.objects.len();
    if limit == 0 || total <= limit {
        return Ok(Page { snapshot, start: 0, end: total, next: None, counts_rest: false });
    }
    let number = shared.store().keep_snapshot(snapshot.clone());
    let next = Some(format!("{number}.{limit}"));
    Ok(Page { snapshot, start: 0, end: limit, next, counts_rest: selector.is_empty() })
}

fn later_page(
    shared: &Shared,
    facts: &RequestFacts,
    limit: usize,
    counts_rest: bool,
) -> Result<Page, Refusal> {
    if !matches!(facts.query.get("resourceVersion"), "" | "0") {
        let message = "specifying resource version is not allowed when using continue";
        return Err(Refusal::bad_request(message));
    }
    let token = facts.query.get("continue").split_once('.');
    let parsed =
        token.and_then(|(number, start)| Some((number.parse::<u64>().ok()?, start.parse::<usize>().ok()?)));
    let (number, start) = parsed.ok_or_else(|| Refusal::bad_request("continue key is not valid"))?;
    let snapshot = shared.store().snapshot(number)?;
    let total = snapshot.objects.len();
    let start = start.min(total);
    let end = if limit == 0 { total } else { total.min(start + limit) };
    let next = (end < total).then(|| format!("{number}.{end}"));
    Ok(Page { snapshot, start, end, next, counts_rest })
}

fn read_snapshot(
    shared: &Shared,
    facts: &RequestFacts,
    kind: &ResourceType,
    selector: &Selector,
) -> Result<Snapshot, Refusal> {
    let asked = facts.query.get("resourceVersion");
    let matching = facts.query.get("resourceVersionMatch");
    if asked.is_empty() && !matching.is_empty() {
        let problem = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is \
                       provided";
        return Err(Refusal::invalid_options("ListOptions", "resourceVersionMatch", problem));
    }
    let asked = parse_version(asked)?;
    let namespace = Some(facts.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let (version, mut objects) = {
        let store = shared.store();
        (store.version(), store.objects(kind, namespace))
    };
    if asked > version {
        return Err(Refusal::version_in_future(asked, version));
    }
    if matching == "Exact" && asked != version {
        return Err(Refusal::list_expired());
    }
    if !selector.is_empty() {
        objects.retain(|object| selector.matches(object));
    }
    Ok(Snapshot { version, objects: Arc::new(objects) })
}

/// A resourceVersion, 0 if empty.
pub(super) fn parse_version(text: &str) -> Result<u64, Refusal> {
    match text {
        "" => Ok(0),
        text => text
            .parse()
            .map_err(|_| Refusal::bad_request(format!("resourceVersion: Invalid value: {text:?}"))),
    }
}

fn put_head(buffer: &mut BytesMut, kind: &ResourceType, form: Form, page: &Page) {
    let (list_kind, api_version) = match form {
        Form::Full => (format!("{}List", kind.kind), kind.api_version()),
        Form::Partial => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
    };
    let mut metadata = json!({"resourceVersion": page.snapshot.version.to_string()});
    if let Some(next) = &page.next {
        metadata["continue"] = next.as_str().into();
        if page.counts_rest {
            metadata["remainingItemCount"] = (page.snapshot.objects.len() - page.end).into();
        }
    }
    buffer.put_slice(br#"{"kind":"#);
    put_json(buffer, &list_kind.into());
    buffer.put_slice(br#","apiVersion":"#);
    put_json(buffer, &api_version.into());
    buffer.put_slice(br#","metadata":"#);
    put_json(buffer, &metadata);
    buffer.put_slice(br#","items":["#);
}

/// The page in chunks, written as the connection takes them.
struct Items {
    page: Page,
    form: Form,
    /// The next item; none before the first chunk.
    at: Option<usize>,
    head: Option<BytesMut>,
}

impl Items {
    fn window(&self) -> &[Arc<StoredObject>] {
        &self.page.snapshot.objects[self.page.start..self.page.end]
    }
}

impl Iterator for Items {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let first = self.at.is_none();
        let start = self.at.unwrap_or(0);
        let total = self.window().len();
        if !first && start > total {
            return None;
        }
        let mut buffer = self.head.take().unwrap_or_default();
        let mut at = start;
        while at < total && buffer.len() < CHUNK {
            let object = &self.window()[at];
            if at == start {
                buffer.reserve(CHUNK.min(object.len() * (total - at)) + object.len());
            }
            if at > 0 {
                buffer.put_u8(b',');
            }
            object.put_item(&mut buffer, self.form);
            at += 1;
        }
        if at == total {
            buffer.put_slice(b"]}\n");
            at += 1;
        }
        self.at = Some(at);
        Some(buffer.freeze())
    }
}
