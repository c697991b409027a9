//! All watches, one a kind.

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::FuturesUnordered;

use super::watch::{Context, watch};
use super::wire::Policy;
use crate::decode::metadata::JobMetadata;
use crate::decode::namespace::NamespaceRecord;
use crate::decode::network_policy::NetworkPolicyRecord;
use crate::decode::pod::PodRecord;
use crate::decode::wire::{self, ObjectRecord, Wire};
use crate::subject::Resource;

macro_rules! of_objects {
    ($context:ident; $($kind:ident $scope:ident $metadata_only:literal;)*) => {
        [$(watch::<Wire<ObjectRecord<wire::$kind>>>($context.clone()).boxed(),)*]
    };
}

macro_rules! number {
    ($($kind:ident $scope:ident $metadata_only:literal;)*) => { [$($metadata_only),*].len() };
}

/// Every watch. None of them ends before the operator does; each is looked after only when it has something to do.
pub(super) fn all(context: &Context) -> FuturesUnordered<BoxFuture<'static, ()>> {
    let own = [
        watch::<Policy>(context.clone()).boxed(),
        watch::<Wire<NamespaceRecord>>(context.clone()).boxed(),
        watch::<Wire<NetworkPolicyRecord>>(context.clone()).boxed(),
        watch::<Wire<JobMetadata>>(context.clone()).boxed(),
        watch::<Wire<PodRecord>>(context.clone()).boxed(),
    ];
    let objects = wire::object_kinds!(of_objects[context;]);
    const { assert!(5 + wire::object_kinds!(number[]) == Resource::ALL.len(), "every kind has its watch") };
    own.into_iter().chain(objects).collect()
}
