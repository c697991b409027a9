//! What must hold for any input (`fuzz/oracles.rs`), tried on what fuzzing has found (`fuzz/found/`) and on
//! inputs made of the worked cases: a few seconds, the same every time. `make fuzz` searches for more.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "fuzz/oracles.rs"]
mod oracles;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Inputs that are tried of each kind.
const TRIES: usize = 2_000;
/// The longest one.
const LENGTH: usize = 4_096;

/// Files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Texts that are read already, the short ones first.
fn cases() -> Vec<Vec<u8>> {
    let mut cases: Vec<_> =
        files(&root().join("tests/cases")).iter().map(|file| fs::read(file).unwrap()).collect();
    cases.retain(|case| case.len() <= LENGTH);
    assert!(cases.len() > 100, "the worked cases are the seeds");
    cases
}

/// The objects of the worked cases as JSON.
fn objects() -> Vec<Vec<u8>> {
    let cases = cases();
    let documents = cases.iter().flat_map(|case| std::str::from_utf8(case).unwrap().split("\n---"));
    let objects = documents.filter_map(|document| serde_saphyr::from_str::<Value>(document).ok());
    objects.filter(Value::is_object).map(|value| value.to_string().into_bytes()).collect()
}

/// The last place between two characters that is not behind `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Numbers that look random (xorshift), the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        boundary(text, self.below(text.len() + 1))
    }

    fn range(&mut self, text: &str) -> std::ops::Range<usize> {
        let (a, b) = (self.place(text), self.place(text));
        // Mostly short ones.
        let b = if self.below(4) > 0 { boundary(text, (a + self.below(16)).min(text.len())) } else { b };
        a.min(b)..a.max(b)
    }

    /// Text like `text`, with pieces of `other`.
    fn change(&mut self, text: &mut String, other: &str, tokens: &[&str]) {
        match self.below(5) {
            0 => drop(text.drain(self.range(text))),
            1 => {
                let piece = text[self.range(text)].to_owned();
                text.insert_str(self.place(text), &piece);
            }
            2 => {
                let piece = &other[self.range(other)];
                text.replace_range(self.range(text), piece);
            }
            3 => text.insert_str(self.place(text), tokens[self.below(tokens.len())]),
            _ => text.replace_range(self.range(text), tokens[self.below(tokens.len())]),
        }
        text.truncate(boundary(text, LENGTH));
    }
}

/// Tries what was found before, every seed, and changed seeds.
fn try_all(target: &str, oracle: fn(&[u8]), seeds: &[Vec<u8>], tokens: &[&str]) {
    for file in files(&root().join("tests/fuzz/found").join(target)) {
        tried(&fs::read(&file).unwrap(), oracle);
    }
    seeds.iter().for_each(|seed| tried(seed, oracle));
    let mut dice = Dice(0x5eed);
    for _ in 0..TRIES {
        let [mut text, other] = [0; 2].map(|_| {
            let seed = &seeds[dice.below(seeds.len())];
            String::from_utf8_lossy(seed).into_owned()
        });
        for _ in 0..=dice.below(4) {
            dice.change(&mut text, &other, tokens);
        }
        tried(text.as_bytes(), oracle);
    }
}

fn tried(input: &[u8], oracle: fn(&[u8])) {
    let told = std::panic::catch_unwind(|| oracle(input));
    assert!(told.is_ok(), "the input was {:?}", String::from_utf8_lossy(input));
}

const REFERENCES: &[&str] = &[
    "nginx",
    "docker.io/library/nginx:1.27",
    "index.docker.io/nginx",
    "Registry.Example.COM:5000/team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "localhost/app",
    "[::1]:5000/a/b__c/d.e-f:tag",
    "docker-pullable://k8s.gcr.io/pause@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "192.168.1.10:443/x",
];
const PATTERNS: &[&str] = &[
    "registry.example.com\nregistry.example.com/team/app",
    "*.example.com/**\na.example.com/x:1",
    "docker.io/*\nnginx",
    "team/*\nteam/app",
    "ghcr.io/org/**\nghcr.io/org/a/b",
    "*-dev\nteam-a-dev",
];
const NAME_TOKENS: &[&str] = &[
    "/",
    ":",
    "@",
    "*",
    "**",
    ".",
    "..",
    "-",
    "_",
    "__",
    "localhost",
    "docker.io",
    "library/",
    "[",
    "]",
    "é",
    "443",
    " ",
];
const YAML_TOKENS: &[&str] = &[
    "\n",
    "\n  ",
    "\n---\n",
    "\n...\n",
    ": ",
    "- ",
    "|\n",
    ">-\n",
    "&a ",
    "*a",
    "<<: ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "#",
    " #",
    "?",
    "!",
    "!!str ",
    "~",
    "null",
    "yes",
    "0x1f",
    "0644",
    "1e9",
    ".inf",
    "\t",
    "\r\n",
    "\r",
    "\u{feff}",
    "\u{85}",
    "é",
    "%YAML 1.2\n",
    "{{ x }}",
    "items:\n",
    "kind: List\n",
    "spec:\n",
    "template:\n",
];
const JSON_TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "{}",
    "[]",
    "[[[[",
    "\"spec\":",
    "\"metadata\":",
    "\"containers\":",
    "\"image\":",
    "\"items\":",
];

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn a_reference_reads_its_own_canonical_form() {
    try_all("reference", oracles::reference, &bytes(REFERENCES), NAME_TOKENS);
}

#[test]
fn a_pattern_reads_its_own_text() {
    try_all("pattern", oracles::pattern, &bytes(PATTERNS), NAME_TOKENS);
}

#[test]
fn no_pod_that_is_json_is_refused() {
    try_all("pod", oracles::pod, &objects(), JSON_TOKENS);
}

#[test]
fn no_manifest_costs_another_one_and_every_format_says_the_same() {
    try_all("manifest", oracles::manifest, &cases(), YAML_TOKENS);
    try_all("manifest", oracles::manifest, &objects(), JSON_TOKENS);
}

#[test]
fn a_policy_is_compiled_or_says_what_is_wrong() {
    let policies = files(&root().join("deploy/policies"));
    let mut seeds: Vec<_> = policies.iter().map(|file| fs::read(file).unwrap()).collect();
    seeds.retain(|seed| seed.len() <= LENGTH);
    seeds.extend(
        cases().into_iter().filter(|case| String::from_utf8_lossy(case).contains("kind: ImagePolicy")),
    );
    try_all("policy", oracles::policy, &seeds, YAML_TOKENS);
}

#[test]
fn the_targets_are_locked_to_what_the_program_is_built_of() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[").unwrap();
    let (_, locked) = lock.split_once("name = \"revisor\"\n").unwrap();
    let (locked, _) = locked.split_once("]\n").unwrap();
    for name in dependencies.lines().filter_map(|line| line.split_once(" =")).map(|(name, _)| name) {
        let is_locked = [format!(" \"{name}\","), format!(" \"{name} ")].iter().any(|it| locked.contains(it));
        assert!(
            is_locked,
            "fuzz/run builds with --locked: cargo update --manifest-path fuzz/Cargo.toml --workspace ({name})"
        );
    }
}
