//! Modules are floors: each names only modules below it, and below the operator there is no client, no runtime,
//! no environment and no clock. This test reads what the files under `src/` name and says where one reaches up.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// The house (docs/architecture.md). A module may name itself and whatever is on a lower floor; two modules on
/// one floor do not know each other.
const FLOORS: &[(u8, &[&str])] = &[
    (1, &["verdict", "reference"]),
    (2, &["subject"]),
    (3, &["rules", "decode"]),
    (4, &["policy", "evidence"]),
    (5, &["auditor"]),
    (6, &["report"]),
    (7, &["operator"]),
    (8, &["cli"]),
    (9, &["main"]),
];

/// From this floor on there is a shell, with a client and a clock.
const SHELL: u8 = 7;

/// What pure floors must not name outside of their tests, and what to do instead.
const IMPURE: &[(&[&str], &str)] = &[
    (&["kube"], "talk with Kubernetes belongs into src/operator/"),
    (&["tokio"], "the pure floors know no runtime"),
    (&["hyper"], "the pure floors know no network"),
    (&["std", "env"], "settings come from above as arguments"),
    (&["std", "time", "SystemTime"], "time comes from above as an argument `now`"),
    (&["std", "time", "Instant"], "time comes from above as an argument `now`"),
    (&["Timestamp", "now"], "time comes from above as an argument `now`"),
    (&["Zoned", "now"], "time comes from above as an argument `now`"),
];

/// The types of kube that are plain data, allowed where the API's own types are declared.
const KUBE_DATA: &[&str] =
    &["core", "CustomResource", "CustomResourceExt", "KubeSchema", "Resource", "ResourceExt"];
const KUBE_DATA_IN: &[&str] = &["src/decode/wire.rs", "src/policy.rs", "src/policy/"];

/// Longest file.
const LINES: usize = 500;

#[test]
fn no_module_names_one_above_it() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let here = modules_of(&file);
        let Some(own) = here.first() else { continue };
        let Some(floor) = floor_of(own) else {
            wrong.push(format!("{file}:1: module {own} has no floor; give it one in tests/floors.rs"));
            continue;
        };
        // Fixtures of tests go through the real decoder, wherever the test stands.
        let text = without_tests(&file, &text);
        for (line, path) in paths(&text, here.len()) {
            let [root, named, ..] = path.as_slice() else { continue };
            if root != "crate" || named == own {
                continue;
            }
            match floor_of(named) {
                _ if named == "*" => {
                    wrong.push(format!("{file}:{line}: `crate::*` hides which modules are meant; name them"));
                }
                Some(other) if other < floor => {}
                Some(other) => wrong.push(format!(
                    "{file}:{line}: {own} (floor {floor}) names {named} (floor {other}); a module names only modules below it"
                )),
                // Not a module: an item of lib.rs, which has none, or a macro.
                None if !module_exists(named) => {}
                None => wrong.push(format!("{file}:{line}: module {named} has no floor; give it one in tests/floors.rs")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn below_the_operator_there_is_no_client_no_clock_and_nothing_async() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let here = modules_of(&file);
        let Some(floor) = here.first().and_then(|own| floor_of(own)) else { continue };
        if floor >= SHELL {
            continue;
        }
        let text = without_tests(&file, &text);
        for (line, path) in paths(&text, here.len()) {
            let kube_data = KUBE_DATA_IN.iter().any(|place| file.starts_with(place))
                && path[0] == "kube"
                && path.get(1).is_some_and(|name| KUBE_DATA.contains(&name.as_str()));
            if kube_data {
                continue;
            }
            for (forbidden, instead) in IMPURE {
                if (0..path.len()).any(|from| names(&path[from..], forbidden)) {
                    wrong.push(format!("{file}:{line}: `{}` on floor {floor}: {instead}", path.join("::")));
                }
            }
        }
        for (line, token) in tokens(&text) {
            if token == "async" || token == "await" {
                wrong.push(format!(
                    "{file}:{line}: `{token}` on floor {floor}: the pure floors are synchronous"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{file}:1: a file begins with //! and what it is for"));
        }
        let lines = text.lines().count();
        if lines > LINES {
            wrong.push(format!("{file}:{lines}: a file has at most {LINES} lines; split it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `path` begins with `forbidden`, or with a glob that hides it.
fn names(path: &[String], forbidden: &[&str]) -> bool {
    if path.first().is_none_or(|first| first != forbidden[0]) {
        return false;
    }
    let hides = path.last().is_some_and(|last| last == "*");
    (path.len() >= forbidden.len() || hides)
        && path.iter().zip(forbidden).all(|(named, forbidden)| named == forbidden || named == "*")
}

/// Tests may look at the clock and decode their fixtures, so their lines are emptied: files named `tests` or `testing`, and modules under
/// `#[cfg(test)]`, up to the brace in the first column.
fn without_tests(file: &str, text: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let mut inside = path.split('/').any(|part| part == "tests" || part == "testing");
    let whole = inside;
    let mut lines = text.lines().peekable();
    let mut kept = String::with_capacity(text.len());
    while let Some(line) = lines.next() {
        inside |= line == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| next.contains("mod ") && next.ends_with('{'));
        if !inside {
            kept.push_str(line);
        }
        kept.push('\n');
        inside &= whole || line != "}";
    }
    kept
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, modules)| modules.contains(&module)).map(|(floor, _)| *floor)
}

fn module_exists(name: &str) -> bool {
    root().join(format!("src/{name}.rs")).exists() || root().join(format!("src/{name}")).exists()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `src/`, by its path as shown, and its text.
fn sources() -> Vec<(String, String)> {
    let mut folders = vec![root().join("src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no file under src/");
    let shown = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|path| (shown(path), fs::read_to_string(path).unwrap())).collect()
}

/// `src/decode/pod/spec.rs` is the module `decode::pod::spec`; `src/lib.rs` is the root, without a module.
fn modules_of(file: &str) -> Vec<String> {
    match file.strip_prefix("src/").unwrap_or(file).strip_suffix(".rs").unwrap_or(file) {
        "lib" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// Every path in `text` with its line, groups taken apart: `use a::{b, c::d}` is `a::b` and `a::c::d`. One that
/// climbs by `super` to the crate's root begins with `crate`, as if it were written so; `depth` is how far
/// below the root the file's module is.
fn paths(text: &str, depth: usize) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // Depths in braces at which inline modules began: each is one more step for `super`.
    let (mut braces, mut inline) = (0_usize, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let token = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
        match token(at) {
            "mod" if is_name(token(at + 1)) && token(at + 2) == "{" => inline.push(braces),
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
            }
            name if is_name(name) && token(at + 1) == "::" && (at == 0 || token(at - 1) != "::") => {
                let first = found.len();
                at = path_from(&tokens, at, &mut Vec::new(), &mut found);
                for (_, path) in &mut found[first..] {
                    let climbs = path.iter().take_while(|segment| *segment == "super").count();
                    if climbs > 0 && climbs == depth + inline.len() {
                        path.splice(..climbs, ["crate".to_owned()]);
                    }
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one path, or one tree of paths, at `at`, below `prefix`. Returns where it ends.
fn path_from(
    tokens: &[(usize, String)],
    mut at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let kept = prefix.len();
    let token = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
    let mut line = tokens[at].0;
    loop {
        if token(at) == "{" {
            at += 1;
            while at < tokens.len() && token(at) != "}" {
                at = match token(at) {
                    name if is_name(name) || name == "*" || name == "{" => {
                        path_from(tokens, at, prefix, found)
                    }
                    // A comma, or the rest of `x as y`.
                    _ => at + 1,
                };
            }
            prefix.truncate(kept);
            return at + 1;
        }
        if !is_name(token(at)) && token(at) != "*" {
            break;
        }
        line = tokens[at].0;
        prefix.push(token(at).to_owned());
        at += 1;
        if token(at) != "::" {
            break;
        }
        at += 1;
    }
    found.push((line, prefix.clone()));
    prefix.truncate(kept);
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Names, `::` and single signs, each with its line; comments and the contents of literals are left out.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let bytes = text.as_bytes();
    let (mut at, mut line) = (0, 1);
    let mut tokens: Vec<(usize, String)> = Vec::new();
    while at < bytes.len() {
        let rest = &text[at..];
        let length = match bytes[at] {
            b'/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => comment(rest),
            b'r' | b'b' | b'c' if literal_prefix(rest) > 0 => literal(rest, literal_prefix(rest)),
            b'"' => literal(rest, 0),
            b'\'' => character(rest),
            b':' if rest.starts_with("::") => {
                tokens.push((line, "::".to_owned()));
                2
            }
            byte if byte.is_ascii_whitespace() => 1,
            _ => {
                let name = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                let length = if name > 0 { name } else { rest.chars().next().map_or(1, char::len_utf8) };
                tokens.push((line, rest[..length].to_owned()));
                length
            }
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

/// Length of a block comment; they nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of `r`, `b`, `br`, `c`, `cr` before the quote or hashes of a string literal; 0 if it is a name.
fn literal_prefix(rest: &str) -> usize {
    let length = rest.find(|c: char| !"rbc".contains(c)).unwrap_or(rest.len());
    let after = rest[length..].trim_start_matches('#');
    let hashes = rest.len() - length - after.len();
    let raw = rest[..length].ends_with('r');
    if length <= 2 && after.starts_with('"') && (hashes == 0 || raw) { length } else { 0 }
}

/// Length of a string literal whose prefix has `prefix` bytes.
fn literal(rest: &str, prefix: usize) -> usize {
    let body = &rest[prefix..];
    if rest[..prefix].ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix + hashes + 1;
        return rest[start..].find(&end).map_or(rest.len(), |found| start + found + end.len());
    }
    let mut at = prefix + 1;
    while at < rest.len() {
        match rest.as_bytes()[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal; 1 for the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(rest.len(), |found| 3 + found + 1),
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

#[test]
fn the_reader_sees_what_is_named_and_only_that() {
    let text = r##"
//! Not this: crate::report.
use crate::{decode::Change, rules::{self, RuleId}}; /* nor /* this: */ crate::cli */
use super::super::policy as p;
fn f<'a>(x: &'a str) -> char { let _ = "crate::operator"; let _ = r#"crate::"cli"#; crate::verdict::word(x, '\'', '"') }
mod tests { use super::super::super::subject::*; use super::*; }
"##;
    let found: Vec<_> = paths(text, 2).into_iter().map(|(line, path)| (line, path.join("::"))).collect();
    let expected = [
        (3, "crate::decode::Change"),
        (3, "crate::rules::self"),
        (3, "crate::rules::RuleId"),
        (4, "crate::policy"),
        (5, "crate::verdict::word"),
        (6, "crate::subject::*"),
        (6, "super::*"),
    ];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
    assert_eq!(modules_of("src/decode/pod/spec.rs"), ["decode", "pod", "spec"]);

    let impure = "use std::{time::{Duration, Instant}, fmt};\nuse tokio::*;\njiff::Timestamp::now();\nuse std::time::*;\n";
    let tests = "#[cfg(test)]\nmod tests {\n    use tokio::sync;\n}\nuse hyper::body;\n";
    let text = without_tests("src/verdict.rs", &format!("{impure}{tests}"));
    let hits = |path: &[String]| {
        IMPURE.iter().any(|(forbidden, _)| (0..path.len()).any(|at| names(&path[at..], forbidden)))
    };
    let lines: Vec<_> =
        paths(&text, 1).into_iter().filter(|(_, path)| hits(path)).map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 9]);
}
