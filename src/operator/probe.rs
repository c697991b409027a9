//! Whether streaming lists really work, tried on namespaces: a watch that sends what is there and then says so.

use std::time::Duration;

use kube::Client;
use kube::core::params::WatchParams;

use super::call::{self, Failure};
use super::frames::Frames;
use crate::decode::namespace::NamespaceRecord;
use crate::decode::wire::envelope::Frame;
use crate::decode::wire::{Decoder as _, Of};
use crate::subject::Resource;

/// How long the probe may take.
const PROBE: Duration = Duration::from_secs(5);

/// Tries, and says what does not work.
pub(crate) async fn streaming_works(client: &Client) -> bool {
    match tokio::time::timeout(PROBE, streams_to_its_end(client)).await {
        Ok(Ok(true)) => true,
        Ok(Ok(false)) => {
            tracing::info!("the API server ends streaming lists early; listing in pages");
            false
        }
        Ok(Err(failure)) => {
            tracing::info!(error = %failure, "the API server does not stream lists; listing in pages");
            false
        }
        Err(_) => {
            tracing::info!("the API server does not complete streaming lists in time; listing in pages");
            false
        }
    }
}

async fn streams_to_its_end(client: &Client) -> Result<bool, Failure> {
    let seconds = u32::try_from(PROBE.as_secs()).unwrap_or(u32::MAX);
    let params = WatchParams::streaming_lists().timeout(seconds);
    let request = call::watch(Resource::Namespaces, true, &params, "0");
    let mut body = call::open(client, request).await?;
    let (mut frames, mut version) = (Frames::default(), String::new());
    let garbled = |error: &dyn std::fmt::Display| Failure::Garbled(error.to_string());
    while let Some(chunk) = call::next_chunk(&mut body).await? {
        let mut chunk = chunk.as_ref();
        while let Some(frame) = frames.next(&mut chunk).map_err(|error| garbled(&error))? {
            let told = Of::<NamespaceRecord>::default().frame(frame, &mut version);
            match told.map_err(|error| garbled(&error))? {
                Frame::Bookmark { ends_list: true } => return Ok(true),
                Frame::Error { code, message } => return Err(Failure::Refused { code, message }),
                _ => {}
            }
        }
    }
    Ok(false)
}
