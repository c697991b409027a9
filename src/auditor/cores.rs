//! Work on many things of which each is done by itself, shared out among the cores.

use std::panic::resume_unwind;
use std::thread;

/// Does `work` on shares of `items` on so many threads, this one included, and returns what came of each in the order of
/// the items.
pub(super) fn shared_out<T: Send, R: Send>(
    items: &mut [T],
    threads: usize,
    work: impl Fn(&mut [T]) -> R + Sync,
) -> Vec<R> {
    let share = items.len().div_ceil(threads.max(1)).max(1);
    let mut shares = items.chunks_mut(share);
    let mine = shares.next().unwrap_or_default();
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        let mut done = vec![work(mine)];
        done.extend(
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))),
        );
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_the_order_is_theirs() {
        for (length, threads) in [(0, 1), (1, 4), (7, 2), (1000, 3), (1000, 0)] {
            let mut items: Vec<usize> = (0..length).collect();
            let done = shared_out(&mut items, threads, |share| {
                share.iter_mut().for_each(|item| *item += 1);
                share.to_vec()
            });
            assert!(done.len() <= threads.max(1));
            assert_eq!(done.concat(), (1..=length).collect::<Vec<_>>());
        }
    }
}
