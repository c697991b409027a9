//! One fault a test: it strikes, and in the end the operator shows what an audit from scratch finds, and has told each
//! transition once.

#[path = "faults/cluster.rs"]
mod cluster;
#[path = "faults/ends.rs"]
mod ends;
#[path = "faults/kinds.rs"]
mod kinds;
#[path = "faults/objects.rs"]
mod objects;
#[path = "faults/streams.rs"]
mod streams;
#[path = "faults/writers.rs"]
mod writers;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
