//! What a request asks for, read from its method, path and query alone.

use http::{Method, Uri};

/// A request as the real server's authorizer sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestFacts {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Query,
    /// `list`, `watch`, `get`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`, or the lower-case method where no resource is meant.
    pub(super) verb: String,
    /// Whether the path leads to a resource, known or not.
    pub(super) is_resource: bool,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) subresource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl RequestFacts {
    pub(super) fn read(method: &Method, uri: &Uri) -> Self {
        let mut facts = Self {
            method: method.clone(),
            path: uri.path().to_owned(),
            query: Query::parse(uri.query().unwrap_or_default()),
            ..Self::default()
        };
        let segments: Vec<String> =
            facts.path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments[..] {
            ["api", version, ref rest @ ..] if !rest.is_empty() => ("", version, rest),
            ["apis", group, version, ref rest @ ..] if !rest.is_empty() => (group, version, rest),
            _ => {
                facts.verb = facts.method.as_str().to_lowercase();
                return facts;
            }
        };
        facts.is_resource = true;
        facts.group = group.to_owned();
        facts.version = version.to_owned();
        facts.read_resource(rest);
        facts.verb = facts.resource_verb().to_owned();
        facts
    }

    /// `pods` or `imagepolicies/status`; the path where no resource is meant.
    pub(super) fn resource(&self) -> String {
        if !self.is_resource {
            self.path.clone()
        } else if self.subresource.is_empty() {
            self.plural.clone()
        } else {
            format!("{}/{}", self.plural, self.subresource)
        }
    }

    /// Path and query as sent.
    pub(super) fn path_and_query(&self) -> String {
        if self.query.raw.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query.raw)
        }
    }

    fn read_resource(&mut self, rest: &[&str]) {
        let rest = match rest {
            // A namespace's own subresources are not resources in it.
            ["namespaces", namespace, plural, ..] if !matches!(*plural, "status" | "finalize") => {
                (*namespace).clone_into(&mut self.namespace);
                &rest[2..]
            }
            _ => rest,
        };
        let mut parts = rest.iter().map(|part| (*part).to_owned());
        self.plural = parts.next().unwrap_or_default();
        self.name = parts.next().unwrap_or_default();
        self.subresource = parts.collect::<Vec<_>>().join("/");
    }

    fn resource_verb(&self) -> &'static str {
        let named = !self.name.is_empty();
        match self.method {
            Method::GET if matches!(self.query.get("watch"), "true" | "1") => "watch",
            Method::GET if named => "get",
            Method::GET => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            Method::DELETE => "deletecollection",
            _ => "",
        }
    }
}

/// The query parameters, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    raw: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    fn parse(raw: &str) -> Self {
        let pairs = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
            })
            .collect();
        Self { raw: raw.to_owned(), pairs }
    }

    /// A parameter, empty if absent.
    pub(super) fn get(&self, key: &str) -> &str {
        self.pairs.iter().find(|(found, _)| found == key).map_or("", |(_, value)| value)
    }

    /// Adds a field selector for one name to those given.
    pub(super) fn narrow_to_name(&mut self, name: &str) {
        let narrowed = format!("metadata.name={name},{}", self.get("fieldSelector"));
        self.pairs.retain(|(key, _)| key != "fieldSelector");
        self.pairs.push(("fieldSelector".to_owned(), narrowed));
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(found, _)| found == key)
    }
}

/// Undoes percent encoding; a stray percent sign stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str) -> RequestFacts {
        let method = method.parse().expect("a method");
        RequestFacts::read(&method, &uri.parse().expect("a URI"))
    }

    #[test]
    fn a_namespaced_status_is_read() {
        let facts = read("PATCH", "/apis/apps/v1/namespaces/a/deployments/web/status?force=true");
        assert_eq!((facts.group.as_str(), facts.namespace.as_str()), ("apps", "a"));
        assert_eq!((facts.verb.as_str(), facts.resource().as_str()), ("patch", "deployments/status"));
        assert_eq!(facts.query.get("force"), "true");
    }

    #[test]
    fn a_namespace_is_a_resource_too() {
        let facts = read("GET", "/api/v1/namespaces/a");
        assert_eq!((facts.plural.as_str(), facts.name.as_str()), ("namespaces", "a"));
        assert_eq!(facts.namespace, "");
        assert_eq!(read("GET", "/api/v1/namespaces/a/status").subresource, "status");
    }

    #[test]
    fn a_selector_is_decoded() {
        let facts = read("GET", "/api/v1/pods?watch=1&labelSelector=a%20in%20%28b%2Cc%29");
        assert_eq!(facts.verb, "watch");
        assert_eq!(facts.query.get("labelSelector"), "a in (b,c)");
    }
}
