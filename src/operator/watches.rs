//! All watches, one a kind.

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::FuturesUnordered;

use super::watch::{Context, watch};
use super::wire::Policies;
use crate::decode::wire::{self, Decoder};
use crate::subject::Resource;

/// Every watch. None of them ends before the operator does; each is looked after only when it has something to do.
pub(super) fn all(context: &Context) -> FuturesUnordered<BoxFuture<'static, ()>> {
    let decoder = |resource| -> Box<dyn Decoder> {
        wire::decoder(resource).unwrap_or_else(|| Box::new(Policies(context.observed.clone())))
    };
    Resource::ALL
        .into_iter()
        .map(|resource| watch(context.clone(), resource, decoder(resource)).boxed())
        .collect()
}
