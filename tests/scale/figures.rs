//! Numbers made of many numbers.

use serde_json::{Value, json};

/// The value below which `share` of all lie; 0 of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// p50, p99 and the greatest, rounded; of no values there is none.
pub(crate) fn spread(mut values: Vec<f64>) -> Value {
    if values.is_empty() {
        return json!({"count": 0});
    }
    values.sort_by(f64::total_cmp);
    let at = |share| round(quantile(&values, share));
    json!({"count": values.len(), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}

/// To three digits behind the point.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// The slope of the straight line nearest to the points (least squares).
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "few points")]
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

/// Two values and how many times the second the first is.
pub(crate) fn ratio(own: f64, null: f64) -> Value {
    let times = if null > 0.0 { round(own / null) } else { 0.0 };
    json!({"revisor": round(own), "nullClient": round(null), "ratio": times})
}
