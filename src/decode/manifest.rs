//! Files to [`Change`]s: manifests, dumps of `kubectl get -o yaml|json`, policies. Pure: the text comes in, no
//! file is opened here.
//!
//! Each document, and each item of a List, is decoded, told and dropped by itself. What is wrong with one stops
//! no other: it becomes a [`ManifestError`] that says where and what was expected.

mod blocks;
mod json;
mod keep;
mod kinds;
mod lines;
mod object;
mod parallel;
pub mod places;
mod plain;
mod root;
mod search;
mod split;
mod streamed;
mod tell;
#[cfg(test)]
mod tests;
mod tree;
mod yaml;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::Change;
use super::pod::PodRecord;
use object::type_meta;
use places::Places;
use root::Item;
use streamed::Streamed;
use tell::{Place, Telling, Told};
use yaml::Problem;

/// Something in a file that could not be audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The file as given.
    pub file: Arc<str>,
    /// The document in it, counted from 1; 0 for the file as a whole.
    pub document: u32,
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: u32,
    /// The column, where it is known.
    pub column: Option<u32>,
    /// What was expected.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document == 0 {
            return write!(f, "{}: {}", self.file, self.message);
        }
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": document {}: {}", self.document, self.message)
    }
}

impl std::error::Error for ManifestError {}

/// Errors that are kept one by one; the rest is counted.
const MAX_ERRORS: usize = 200;
/// Unknown kinds that are counted by name.
const MAX_UNKNOWN_KINDS: usize = 500;
/// How deep Lists may stand in Lists.
const MAX_LISTS: u32 = 4;
const HELM: &str =
    "an unrendered Helm template: render it first, `helm template RELEASE CHART | revisor audit -`";

/// Reads files and remembers what could not be read.
#[derive(Debug)]
pub struct Reader {
    default_namespace: Arc<str>,
    /// What could not be audited, in the order of reading; at most 200.
    pub errors: Vec<ManifestError>,
    /// How many more errors there were.
    pub more_errors: usize,
    /// Kinds that are not known and name no image, so were left out: `Kind.group`, and how many.
    pub unknown_kinds: BTreeMap<String, usize>,
    /// What the user may want to do instead, each said once.
    pub hints: BTreeSet<String>,
    /// Documents with content.
    pub documents: usize,
    /// Kubernetes objects, items of Lists one by one.
    pub objects: usize,
    /// Documents that are no Kubernetes objects: they have neither apiVersion nor kind.
    pub foreign: usize,
    /// Where fields stand, where that was asked for.
    pub places: Option<Places>,
    /// The file that was last said to be a Helm template.
    template: Option<Arc<str>>,
}

impl Reader {
    /// A reader that puts objects without a namespace into `default_namespace`.
    pub fn new(default_namespace: &str) -> Self {
        Self {
            default_namespace: default_namespace.into(),
            errors: Vec::new(),
            more_errors: 0,
            unknown_kinds: BTreeMap::new(),
            hints: BTreeSet::new(),
            documents: 0,
            objects: 0,
            foreign: 0,
            places: None,
            template: None,
        }
    }

    /// The reader keeps where fields stand, too: it reads every document a second time for that.
    pub fn with_places(self) -> Self {
        Self { places: Some(Places::default()), ..self }
    }

    /// Reads one file's text and tells what is in it.
    pub fn read(&mut self, file: Arc<str>, text: &str, sink: &mut dyn FnMut(Change)) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if json::is_json(&file, text) {
            self.read_json(&file, &json::Stretch::whole(text), sink);
        } else {
            self.read_yaml(&file, text, split::Splitter::new(), 0, sink);
        }
    }

    /// Reads documents that begin here in the file; how many there are.
    fn read_yaml(
        &mut self,
        file: &Arc<str>,
        text: &str,
        mut splitter: split::Splitter,
        offset: u64,
        sink: &mut dyn FnMut(Change),
    ) -> u32 {
        while let Some(document) = splitter.next(text) {
            self.document(file, document, offset, sink);
        }
        splitter.number()
    }

    fn document(
        &mut self,
        file: &Arc<str>,
        document: split::Document<'_>,
        offset: u64,
        sink: &mut dyn FnMut(Change),
    ) {
        self.documents += 1;
        let above = document.first_line - 1;
        let at = offset + document.offset as u64;
        let place = Place { file, document: document.number, line: document.content_line, at, item: None };
        let mut items = Vec::new();
        let streamed = self.streamed();
        let root = yaml::read(document.text, streamed.as_ref(), &mut |item| {
            let line = if item.line == 0 { place.line } else { item.line + above };
            items.push((item.index, line));
            self.item(place, line, item, sink);
        });
        let root = root.and_then(|root| match root {
            // A policy must not lose one of two equal keys in silence.
            Some(root) if is_policy(&root) => yaml::check_keys(document.text).map(|()| Some(root)),
            root => Ok(root),
        });
        if let (Some(places), Ok(_)) = (&mut self.places, &root) {
            places.add(place.source(), above, &items, lines::yaml(document.text));
        }
        match root {
            Ok(root) => self.root(place, root, streamed.as_ref().and_then(Streamed::take), sink),
            Err(_) if document.text.contains("{{") => self.error(place.error(HELM.to_owned())),
            Err(mut problem) => {
                // To YAML a lone carriage return ends a line, too; to editors it does not.
                let lines = document.text.bytes().filter(|byte| *byte == b'\n').count() + 1;
                problem.line = problem.line.min(u32::try_from(lines).unwrap_or(u32::MAX));
                self.problem(place, above, problem);
            }
        }
    }

    /// What to read pod templates with; where fields stand is found in the whole tree only.
    fn streamed(&self) -> Option<Streamed> {
        self.places.is_none().then(Streamed::default)
    }

    /// Reads JSON objects; how many there are.
    fn read_json(
        &mut self,
        file: &Arc<str>,
        stretch: &json::Stretch<'_>,
        sink: &mut dyn FnMut(Change),
    ) -> u32 {
        let streamed = self.streamed();
        let this = RefCell::new((self, sink, Vec::new()));
        let on_item = &mut |at: json::At, item: Item| {
            let (this, sink, items) = &mut *this.borrow_mut();
            items.push((item.index, item.line));
            this.item_at(file, at, item, &mut **sink);
        };
        let on_document = &mut |document: json::Document<'_>| {
            let (this, sink, items) = &mut *this.borrow_mut();
            this.documents += 1;
            let place = document.at.place(file);
            if let (Some(places), Ok(_)) = (&mut this.places, &document.root) {
                places.add(place.source(), document.above, items, lines::json(document.text));
            }
            items.clear();
            match document.root {
                Ok(root) => this.root(place, root, document.template, &mut **sink),
                Err(problem) => this.problem(place, 0, problem),
            }
        };
        json::read(stretch, streamed.as_ref(), on_item, on_document)
    }

    /// Reads items of a List, whose document has been begun before and is ended later; false where they are something
    /// else.
    fn read_items(
        &mut self,
        file: &Arc<str>,
        stretch: &json::Stretch<'_>,
        at: json::At,
        sink: &mut dyn FnMut(Change),
    ) -> bool {
        let streamed = self.streamed();
        let mut items = Vec::new();
        let are_items = json::read_items(stretch, at, streamed.as_ref(), &mut |at, item| {
            items.push((item.index, item.line));
            self.item_at(file, at, item, sink);
        });
        if let (Some(places), true) = (&mut self.places, are_items) {
            places.add(at.place(file).source(), stretch.line - 1, &items, lines::json(stretch.text));
        }
        are_items
    }

    /// An item, which its place in the file tells from others, or else its number.
    fn item_at(&mut self, file: &Arc<str>, at: json::At, item: Item, sink: &mut dyn FnMut(Change)) {
        let mut place = Place { item: Some(item.index), line: item.line, ..at.place(file) };
        if item.offset > 0 {
            (place.at, place.item) = (item.offset, Some(0));
        }
        self.object(place, (item.value, item.template), 1, sink);
    }

    /// An item of a document's List, and the line on which it begins.
    fn item(&mut self, place: Place<'_>, line: u32, item: Item, sink: &mut dyn FnMut(Change)) {
        let place = Place { line, item: Some(item.index), ..place };
        self.object(place, (item.value, item.template), 1, sink);
    }

    /// A document's root; items that could be told already have been taken out of it.
    fn root(
        &mut self,
        place: Place<'_>,
        root: Option<Value>,
        template: Option<PodRecord>,
        sink: &mut dyn FnMut(Change),
    ) {
        match root {
            None => {}
            Some(root) if matches!(type_meta(&root), Ok(None)) => self.foreign += 1,
            Some(root) => self.object(place, (root, template), 0, sink),
        }
    }

    fn object(
        &mut self,
        place: Place<'_>,
        (mut value, template): (Value, Option<PodRecord>),
        depth: u32,
        sink: &mut dyn FnMut(Change),
    ) {
        let (api_version, kind) = match type_meta(&value) {
            Ok(Some((api_version, kind))) => (api_version.to_owned(), kind.to_owned()),
            Ok(None) => {
                return self
                    .error(place.error("expected apiVersion and kind in every item of a List".into()));
            }
            Err(message) => return self.error(place.error(message)),
        };
        if kind.ends_with("List")
            && let Some(items) = value.get_mut("items").map(Value::take)
        {
            return self.list(place, (&api_version, &kind), items, depth, sink);
        }
        self.objects += 1;
        if let Some(places) = &mut self.places {
            places.see(&value, &api_version, &kind, &self.default_namespace, &place.source());
        }
        let mut telling = Telling { default_namespace: &self.default_namespace, place, sink, template };
        match telling.tell(value, &api_version, &kind) {
            Ok(Told::Changes) => {}
            Ok(Told::Unknown(kind)) => self.unknown_kind(kind, 1),
            Ok(Told::Hint(hint)) => {
                self.hints.insert(hint);
            }
            Err(message) => self.error(place.error(message)),
        }
    }

    fn list(
        &mut self,
        place: Place<'_>,
        (api_version, kind): (&str, &str),
        items: Value,
        depth: u32,
        sink: &mut dyn FnMut(Change),
    ) {
        let items = match items {
            Value::Array(items) if depth < MAX_LISTS => items,
            Value::Array(_) => {
                return self.error(place.error(format!("Lists stand in Lists, more than {MAX_LISTS} deep")));
            }
            Value::Null => return,
            other => {
                let found = tree::type_of(&other);
                return self.error(place.error(format!("{kind}: expected a list at items, found {found}")));
            }
        };
        let item_kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        for (index, mut value) in items.into_iter().enumerate() {
            if let (Value::Object(fields), Some(kind)) = (&mut value, item_kind) {
                root::adopt(fields, kind, api_version);
            }
            // The place makes the uid, so items of an inner list must not stand where an outer list's do.
            let item =
                place.item.map_or(index, |outer| (outer + 1).wrapping_mul(1_000_003).wrapping_add(index));
            self.object(Place { item: Some(item), ..place }, (value, None), depth + 1, sink);
        }
    }

    fn unknown_kind(&mut self, kind: String, count: usize) {
        let full = self.unknown_kinds.len() >= MAX_UNKNOWN_KINDS && !self.unknown_kinds.contains_key(&kind);
        *self.unknown_kinds.entry(if full { "others".to_owned() } else { kind }).or_default() += count;
    }

    fn problem(&mut self, place: Place<'_>, above: u32, problem: Problem) {
        let line = if problem.line == 0 { place.line } else { problem.line + above };
        let column = Some(problem.column).filter(|column| *column > 0);
        self.error(ManifestError { line, column, ..place.error(problem.message) });
    }

    fn error(&mut self, error: ManifestError) {
        if error.message == HELM {
            // One hint a file: its other documents are riddles for the same reason.
            if self.template.as_ref() == Some(&error.file) {
                return;
            }
            self.template = Some(error.file.clone());
        }
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        } else {
            self.more_errors += 1;
        }
    }
}

fn is_policy(root: &Value) -> bool {
    let role = |version, kind| kinds::role(kinds::group_of(version), kind);
    matches!(type_meta(root), Ok(Some((version, kind))) if role(version, kind) == kinds::Role::ImagePolicy)
}
