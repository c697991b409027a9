//! Figures with their limits, and how they are taken.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Minimum and median of several rounds.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(values.len() / 2) }
    }

    /// Of times, in a unit that is this many seconds.
    pub(crate) fn of_times(times: &[Duration], unit: f64) -> Self {
        Self::of(times.iter().map(|time| time.as_secs_f64() / unit).collect())
    }

    /// Of the ratios of times that were taken together.
    pub(crate) fn of_ratios(times: &[Duration], bases: &[Duration]) -> Self {
        Self::of(
            times.iter().zip(bases).map(|(time, base)| time.as_secs_f64() / base.as_secs_f64()).collect(),
        )
    }
}

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = std::hint::black_box(work());
    (start.elapsed(), result)
}

/// Named figures in the order in which they are shown.
#[derive(Default)]
pub(crate) struct Figures(Vec<Value>);

impl Figures {
    /// Adds a figure; `limit` is what docs/performance.md asks of its median.
    pub(crate) fn add(&mut self, name: &str, unit: &str, spread: Spread, limit: Option<f64>) {
        let rounded = |value: f64| (value * 1e4).round() / 1e4;
        self.0.push(json!({
            "name": name, "unit": unit, "min": rounded(spread.min), "median": rounded(spread.median), "limit": limit,
        }));
    }

    /// Adds a figure that is taken once.
    pub(crate) fn add_one(&mut self, name: &str, unit: &str, value: f64, limit: Option<f64>) {
        self.add(name, unit, Spread { min: value, median: value }, limit);
    }

    /// Reads what was written as JSON.
    pub(crate) fn read(text: &str) -> Result<Self> {
        Ok(Self(serde_json::from_str(text).context("figures")?))
    }

    /// Prints them as a table.
    pub(crate) fn print(&self, title: &str) {
        println!("\n{title:<52}{:>12}{:>12}{:>10}", "min", "median", "limit");
        for figure in &self.0 {
            let number = |key: &str| figure[key].as_f64();
            let shown = |key: &str| number(key).map(|number| format!("{number:.2}")).unwrap_or_default();
            let text = |key: &str| figure[key].as_str().unwrap_or_default();
            let name = format!("{} [{}]", text("name"), text("unit"));
            let verdict = match (number("median"), number("limit")) {
                (Some(median), Some(limit)) if median > limit => "  OVER",
                _ => "",
            };
            println!("{name:<52}{:>12}{:>12}{:>10}{verdict}", shown("min"), shown("median"), shown("limit"));
        }
    }
}

impl From<Figures> for Value {
    fn from(figures: Figures) -> Self {
        Self::Array(figures.0)
    }
}
