//! The whole operator against the in-memory API server, in virtual time: a random life of a cluster, random faults
//! between the two, restarts, a clock that is set. Whatever happened, in the end the operator shows what an audit from
//! scratch finds in the objects that are there, and it told each transition once.
//!
//! A history follows from its seed, so that one that fails can be played again:
//! `SIMULATION_SEED=17 cargo test --test simulation`. `SIMULATION_SEEDS=5000` tries so many.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "fixtures are right, and what fails can be played again"
)]

#[path = "simulation/compare.rs"]
mod compare;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/life.rs"]
mod life;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/trouble.rs"]
mod trouble;
#[path = "simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use random::Random;
use world::World;

/// Histories that are tried unless more are asked for.
const SEEDS: u64 = 40;
/// Steps of one history.
const STEPS: u64 = 60;
/// After the last fault. Watches that said nothing are given up after five minutes, kinds that were refused are asked
/// for again after as long, owners of dormant findings are looked up every hour.
const SETTLE: Duration = Duration::from_secs(3 * 3_600);

/// One history, from its seed to the comparison.
async fn live(seed: u64) {
    let mut random = Random::new(seed);
    // Whatever goes wrong may cost an Event, and an edited policy opens and resolves in silence; where nothing of it
    // happens each transition has to be told.
    let calm = random.below(4) == 0;
    let mut world = World::begin(&mut random).await;
    for _ in 0..STEPS {
        match random.below(20) {
            0..=11 => world.live(&mut random),
            12.. if calm => {}
            12..=13 => world.trouble(&mut random).await,
            14 => world.edit_policies(&mut random),
            15 => world.restart_operator().await,
            16 => world.set_clock(&mut random),
            _ => {}
        }
        let pause = match random.below(4) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(random.below(2_000)),
            2 => Duration::from_secs(random.below(60)),
            _ => Duration::from_secs(random.below(900)),
        };
        tokio::time::sleep(pause).await;
    }
    world.end_trouble().await;
    tokio::time::sleep(SETTLE).await;
    world.compare(calm);
    world.end().await;
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_happens_the_operator_ends_at_what_an_audit_from_scratch_finds() {
    let first = number("SIMULATION_SEED");
    let seeds = match (first, number("SIMULATION_SEEDS")) {
        (Some(seed), None) => seed..seed + 1,
        (first, seeds) => first.unwrap_or(0)..first.unwrap_or(0) + seeds.unwrap_or(SEEDS),
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let lived = catch_unwind(AssertUnwindSafe(|| runtime.unwrap().block_on(live(seed))));
        if let Err(panic) = lived {
            println!("to play it again: SIMULATION_SEED={seed} cargo test --test simulation");
            resume_unwind(panic);
        }
    }
}
