//! A time span as people write it in settings.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time span in settings: `90s`, `10m`, `2h`, `14d`, or several, largest first (`1h30m`). At most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// Units, largest first, and their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Far beyond any grace, and far below where times overflow.
const LONGEST: u64 = 3_650 * 86_400;

impl Span {
    fn read(text: &str) -> Option<Duration> {
        let (mut total, mut rest, mut units) = (0u64, text, &UNITS[..]);
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, unit) = rest.split_at(end);
            let place = units.iter().position(|(name, _)| unit.starts_with(*name))?;
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(units[place].1)?)?;
            (rest, units) = (&unit[1..], &units[place + 1..]);
        }
        (!text.is_empty()).then(|| Duration::from_secs(total))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Self::read(&text) {
            Some(span) if span.as_secs() <= LONGEST => Ok(Self(span)),
            Some(_) => Err(format!("{text:?} is longer than 3650d")),
            None => Err(format!("{text:?} is not a time span such as 90s, 10m, 2h or 1h30m")),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_secs();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{name}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 32,
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_written_and_shown_largest_unit_first() {
        for (written, seconds, shown) in [
            ("90s", 90, "1m30s"),
            ("10m", 600, "10m"),
            ("1h30m", 5_400, "1h30m"),
            ("14d", 1_209_600, "14d"),
            ("0s", 0, "0s"),
            ("1d1h1m1s", 90_061, "1d1h1m1s"),
        ] {
            let span = Span::try_from(written.to_owned()).unwrap();
            assert_eq!((span.0, span.to_string()), (Duration::from_secs(seconds), shown.to_owned()));
            assert_eq!(Span::try_from(String::from(span)), Ok(span));
        }
    }

    #[test]
    fn nonsense_and_what_no_clock_reaches_are_refused() {
        for wrong in ["", "10", "m", "1m1h", "1m1m", "-1m", "1.5h", "10 m", "1é", "99999999999999999999s"] {
            assert!(Span::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(Span::try_from("3651d".to_owned()).unwrap_err().contains("longer than"));
    }
}
