//! JSON for people's terminals and other programs: whatever a terminal would obey is written as `\u009b`, so
//! that it is data on the screen and the same text when parsed.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::escape::acts;

/// Pretty JSON, with a line feed at the end.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Visible(PrettyFormatter::new())))?;
    bytes.push(b'\n');
    // serde_json writes UTF-8, and so does the formatter below.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct Visible(PrettyFormatter<'static>);

/// Hands calls on to the pretty formatter.
macro_rules! hand_on {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        }
    )*};
}

impl Formatter for Visible {
    hand_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(acts) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, report};
    use super::*;
    use crate::auditor::findings::State;

    #[test]
    fn a_row_reads_as_the_contract_says() {
        let world = World::baseline().fail("team-a", "Deployment/web", "evil.test/x:1").on(
            0,
            image_subject("team-a", "Deployment/old", "app", "evil.test/x:1"),
            State::Exempt(0),
        );
        let mut report = report(&world.snapshot(), Listed::Findings, |_, _| {});
        assert_eq!(report.results.len(), 1, "an exempt row is counted and not listed");
        report.results[0].controls = &report.results[0].controls[..1];
        report.results[0].remedy = Some("r");
        assert_eq!(
            json(&report).unwrap(),
            r#"{
  "version": "v1",
  "tool": {
    "version": "VERSION"
  },
  "observedAt": "2026-11-18T12:06:40Z",
  "policies": [
    {
      "name": "baseline",
      "generation": 4,
      "sha256": "c0ffee"
    }
  ],
  "summary": {
    "fail": 1,
    "unknown": 0,
    "exempt": 1,
    "failBySeverity": {
      "critical": 1,
      "high": 0,
      "medium": 0,
      "low": 0,
      "info": 0
    },
    "namespaces": 1,
    "imageUses": 7,
    "images": 5,
    "malformed": 1,
    "unsupported": 0
  },
  "results": [
    {
      "id": "ID",
      "policy": "baseline",
      "rule": "TrustedRegistry",
      "verdict": "fail",
      "reason": "NotAllowed",
      "severity": "critical",
      "namespace": "team-a",
      "subject": {
        "kind": "Deployment",
        "name": "web"
      },
      "slot": "container",
      "container": "app",
      "image": "evil.test/x:1",
      "canonical": "evil.test/x:1",
      "message": "evil.test/x is in none of the trusted repositories",
      "remedy": "r",
      "controls": [
        {
          "framework": "CIS Kubernetes",
          "version": "v1.12",
          "id": "5.5.1"
        }
      ],
      "pods": 3,
      "source": {
        "file": "deploy/web.yaml",
        "line": 12
      }
    }
  ]
}
"#
            .replace("VERSION", env!("CARGO_PKG_VERSION"))
            .replace("ID", &report.results[0].id)
        );
    }

    #[test]
    fn terminal_escapes_are_data_on_the_screen_and_the_same_when_parsed() {
        let hostile = "\u{1b}[31m \u{9b}2J \u{7f} \u{202e}gpj \u{e0041} \" \\ é\n";
        let text = json(&hostile).unwrap();
        assert_eq!(text, "\"\\u001b[31m \\u009b2J \\u007f \\u202egpj \\udb40\\udc41 \\\" \\\\ é\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
        assert_eq!(
            json(&serde_json::json!({"a\u{9b}": [1, {}]})).unwrap(),
            "{\n  \"a\\u009b\": [\n    1,\n    {}\n  ]\n}\n"
        );
    }
}
