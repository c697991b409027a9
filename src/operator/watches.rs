//! All watches, one a kind.

use futures::future::FutureExt as _;
use futures::stream::FuturesUnordered;

use super::pulse::Watched;
use super::watch::{Context, watch};
use super::wire::{Policy, Told};
use crate::decode::metadata::JobMetadata;
use crate::decode::namespace::NamespaceRecord;
use crate::decode::network_policy::NetworkPolicyRecord;
use crate::decode::pod::PodRecord;
use crate::decode::wire::{self, ObjectRecord, Wire};
use crate::subject::Resource;

macro_rules! of_objects {
    ($context:ident; $($kind:ident $scope:ident $metadata_only:literal;)*) => {
        [$(watched::<Wire<ObjectRecord<wire::$kind>>>($context),)*]
    };
}

macro_rules! number {
    ($($kind:ident $scope:ident $metadata_only:literal;)*) => { [$($metadata_only),*].len() };
}

/// Every watch. None of them ends before the operator does; each is looked after only when it has something to do.
pub(super) fn all(context: &Context) -> FuturesUnordered<Watched> {
    let own = [
        watched::<Policy>(context),
        watched::<Wire<NamespaceRecord>>(context),
        watched::<Wire<NetworkPolicyRecord>>(context),
        watched::<Wire<JobMetadata>>(context),
        watched::<Wire<PodRecord>>(context),
    ];
    let objects = wire::object_kinds!(of_objects[context;]);
    const { assert!(5 + wire::object_kinds!(number[]) == Resource::ALL.len(), "every kind has its watch") };
    own.into_iter().chain(objects).collect()
}

/// The watch of one kind, whose progress `/livez` looks at.
fn watched<K: Told>(context: &Context) -> Watched {
    let watch = watch::<K>(context.clone()).boxed();
    Watched { resource: K::RESOURCE, health: context.health.clone(), watch }
}
