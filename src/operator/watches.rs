//! All watches, one a kind.

use futures::future::FutureExt as _;
use futures::stream::FuturesUnordered;

use super::pulse::Watched;
use super::watch::{Context, watch};
use super::wire::Policies;
use crate::decode::wire::{self, Decoder};
use crate::subject::Resource;

/// Every watch. None of them ends before the operator does; each is looked after only when it has something to do.
pub(super) fn all(context: &Context) -> FuturesUnordered<Watched> {
    Resource::ALL.into_iter().map(|resource| watched(context, resource)).collect()
}

/// The watch of one kind, whose progress `/livez` looks at.
fn watched(context: &Context, resource: Resource) -> Watched {
    let decoder: Box<dyn Decoder> =
        wire::decoder(resource).unwrap_or_else(|| Box::new(Policies(context.observed.clone())));
    let watch = watch(context.clone(), resource, decoder).boxed();
    Watched { resource, health: context.health.clone(), watch }
}
