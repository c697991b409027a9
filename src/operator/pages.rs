//! A list, page by page: each collected as it comes into one buffer for all of them, and decoded from there in one pass.

use kube::Client;
use kube::core::params::ListParams;

use super::call::{self, Failure};
use crate::decode::Change;
use crate::decode::wire::Decoder;
use crate::subject::Resource;

/// Objects a page.
const PAGE: u32 = 500;
/// The buffer of a page grows by this much. A page of 500 pods is about 5.75 MB: it ends less than this above.
const STEP: usize = 1 << 20;
/// A page of more bytes than this is asked for anew with fewer objects.
const LARGE: usize = 64 << 20;
/// A page of one object is at most this large; a server that pays no heed to limits sends everything in it.
const LARGEST: usize = 1 << 30;

/// A list that is being read.
pub(crate) struct Pages<'a> {
    resource: Resource,
    namespace: Option<&'a str>,
    selector: Option<&'a str>,
    limit: u32,
    body: Vec<u8>,
    /// What to ask for the next page with; empty for the first one.
    token: String,
    /// The objects of the last page that was read, for the caller to take out.
    pub(crate) changes: Vec<Change>,
    /// The resourceVersion of the list, as its last page says.
    pub(crate) version: String,
}

impl<'a> Pages<'a> {
    /// A list that has not begun.
    pub(crate) fn new(resource: Resource, namespace: Option<&'a str>, selector: Option<&'a str>) -> Self {
        Self {
            resource,
            namespace,
            selector,
            limit: PAGE,
            body: Vec::new(),
            token: String::new(),
            changes: Vec::new(),
            version: String::new(),
        }
    }

    /// Whether a page is to follow one that was read.
    pub(crate) fn has_more(&self) -> bool {
        !self.token.is_empty()
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self) {
        self.token.clear();
    }

    /// Reads the next page. After an error the same page may be asked for again.
    pub(crate) async fn next(&mut self, client: &Client, decoder: &dyn Decoder) -> Result<(), Failure> {
        self.changes.clear();
        while !self.collect(client).await? {
            // Objects may be as large as 1.5 MB each.
            self.limit = (self.limit / 4).max(1);
        }
        let changes = &mut self.changes;
        match decoder.page(&self.body, &mut |change| changes.push(change)) {
            Ok(end) => {
                (self.token, self.version) = (end.token, end.version);
                Ok(())
            }
            Err(error) => {
                self.changes.clear();
                Err(Failure::Garbled(format!("the answer is no list: {error}")))
            }
        }
    }

    /// Collects the bytes of a page; false when they are too many.
    async fn collect(&mut self, client: &Client) -> Result<bool, Failure> {
        let params = ListParams {
            label_selector: self.selector.map(str::to_owned),
            limit: Some(self.limit),
            continue_token: self.has_more().then(|| self.token.clone()),
            ..ListParams::default()
        };
        let mut body = call::open(client, call::list(self.resource, self.namespace, &params)).await?;
        self.body.clear();
        self.body.shrink_to(LARGE);
        while let Some(chunk) = call::next_chunk(&mut body).await? {
            let chunk = chunk.as_ref();
            if self.body.capacity() - self.body.len() < chunk.len() {
                self.body.reserve_exact(chunk.len().max(STEP));
            }
            self.body.extend_from_slice(chunk);
            match self.body.len() {
                0..=LARGE => {}
                _ if self.limit > 1 => return Ok(false),
                LARGEST.. => return Err(Failure::Garbled(format!("a page of more than {LARGEST} bytes"))),
                _ => {}
            }
        }
        Ok(true)
    }
}
