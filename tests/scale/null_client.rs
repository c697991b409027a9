//! The client that does nothing: the operator's HTTP client asks the operator's questions, and the answers are dropped
//! as they come. What it costs is what any client must pay.

use std::io::Write as _;

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use memchr::memmem;
use tokio::sync::mpsc;

use crate::Result;
use crate::settings::Settings;

/// What the operator watches under the rig's policy.
const WATCHED: [&str; 5] = [
    "/api/v1/pods",
    "/api/v1/namespaces",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/batch/v1/jobs",
    "/apis/revisor.dev/v1alpha1/imagepolicies",
];
const PAGE: u32 = 500;
/// The annotation of the bookmark that ends a streamed list.
const LIST_END: &[u8] = b"initial-events-end";
/// The head of a list has its version and where it goes on.
const HEAD: usize = 1024;

pub(crate) fn main(settings: Settings) -> Result<()> {
    // Another part of the program may have chosen it before, which is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let client = Client::try_default().await?;
        let (listed, mut lists) = mpsc::channel(WATCHED.len());
        for path in WATCHED {
            let (client, listed) = (client.clone(), listed.clone());
            tokio::spawn(async move {
                let ended = follow(client, path, settings.paged, listed).await;
                eprintln!("scale: the null client's watch of {path} ended: {ended:?}");
                std::process::abort();
            });
        }
        for _ in WATCHED {
            lists.recv().await.ok_or("a list was not told to its end")?;
        }
        println!("{{}}");
        std::io::stdout().flush()?;
        std::future::pending().await
    })
}

/// Lists and watches for ever.
async fn follow(client: Client, path: &str, paged: bool, listed: mpsc::Sender<()>) -> Result<()> {
    let mut query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan".to_owned();
    if paged {
        query = format!("&resourceVersion={}", list(&client, path).await?);
        listed.send(()).await?;
    }
    let mut told = paged;
    loop {
        let uri = format!("{path}?watch=true&timeoutSeconds=3600&allowWatchBookmarks=true{query}");
        let mut body = client.send(Request::get(uri).body(Body::empty())?).await?.into_body();
        let mut before: Vec<u8> = Vec::new();
        let mut expired = false;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if told {
                expired |= data.starts_with(br#"{"type":"ERROR""#);
                continue;
            }
            // The end may be cut by the border of two chunks.
            before.extend_from_slice(&data[..data.len().min(LIST_END.len())]);
            if memmem::find(&data, LIST_END).is_some() || memmem::find(&before, LIST_END).is_some() {
                told = true;
                listed.send(()).await?;
            }
            before = data[data.len().saturating_sub(LIST_END.len())..].to_vec();
        }
        if !expired {
            return Err("the server ended the watch".into());
        }
    }
}

/// Lists in pages; returns the version of the list.
async fn list(client: &Client, path: &str) -> Result<String> {
    let mut next = String::new();
    loop {
        let uri = format!("{path}?limit={PAGE}{next}");
        let mut body = client.send(Request::get(uri).body(Body::empty())?).await?.into_body();
        let mut head = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if head.len() < HEAD {
                head.extend_from_slice(&data[..data.len().min(HEAD)]);
            }
        }
        let head = String::from_utf8_lossy(&head);
        let head = head.split("\"items\"").next().unwrap_or_default();
        let value = |name: &str| Some(head.split(name).nth(1)?.split('"').next()?.to_owned());
        match value("\"continue\":\"") {
            Some(token) => next = format!("&continue={token}"),
            None => return Ok(value("\"resourceVersion\":\"").ok_or("a list without a version")?),
        }
    }
}
