//! Plots of memory and processor time over pods, from the JSON of several runs: small SVGs, made by hand.

use crate::Result;

pub(crate) fn main() -> Result<()> {
    Err("plots: not yet".into())
}
