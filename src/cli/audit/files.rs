//! Which files are read: those named, and those in folders.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files of an input, in a fixed order, and what is said of the rest.
#[derive(Debug, Default)]
pub(in crate::cli) struct Files {
    /// Files to read; `-` is standard input.
    pub(in crate::cli) files: VecDeque<PathBuf>,
    /// What could not be looked at.
    pub(in crate::cli) errors: Vec<String>,
    /// What to do about charts and kustomizations.
    pub(in crate::cli) hints: Vec<String>,
    /// How many hidden files and folders, and links that lead elsewhere, were passed over.
    pub(in crate::cli) passed_over: usize,
    /// Where each file really is, so that none is read twice.
    known: BTreeSet<PathBuf>,
}

/// How deep folders are walked.
const MAX_DEPTH: usize = 64;

impl Files {
    /// Finds the files of every path.
    pub(in crate::cli) fn find(paths: &[PathBuf]) -> Self {
        let mut found = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                if found.known.insert(path.clone()) {
                    found.files.push_back(path.clone());
                }
                continue;
            }
            match fs::canonicalize(path).and_then(|real| Ok((fs::metadata(&real)?.is_dir(), real))) {
                Ok((true, real)) => found.walk(path, &real, &real, 0),
                Ok((false, real)) => found.add(path, real),
                Err(error) => found.error(path, &error),
            }
        }
        found
    }

    fn add(&mut self, path: &Path, real: PathBuf) {
        if self.known.insert(real) {
            self.files.push_back(path.to_owned());
        }
    }

    fn error(&mut self, path: &Path, error: &io::Error) {
        self.errors.push(format!("{}: {}", path.display(), reason(error)));
    }

    /// Takes what is in `folder` (really `real`), below the folder that was named (really `root`).
    fn walk(&mut self, folder: &Path, real: &Path, root: &Path, depth: usize) {
        if !self.known.insert(real.to_owned()) || depth > MAX_DEPTH {
            return;
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.error(folder, &error),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        if let Some(hint) =
            entries.iter().find_map(|entry| recipe(folder, &entry.file_name().to_string_lossy()))
        {
            return self.hints.push(hint);
        }
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') {
                self.passed_over += 1;
                continue;
            }
            let target = fs::canonicalize(&path).and_then(|real| Ok((fs::metadata(&real)?, real)));
            match target {
                // A link must not lead out of what was named, whatever is behind it.
                Ok((_, real)) if !real.starts_with(root) => self.passed_over += 1,
                Ok((metadata, real)) if metadata.is_dir() => self.walk(&path, &real, root, depth + 1),
                Ok((metadata, real)) if metadata.is_file() && is_manifest(&name) => self.add(&path, real),
                Err(error) if is_manifest(&name) => self.error(&path, &error),
                _ => {}
            }
        }
    }
}

fn is_manifest(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| matches!(extension.as_str(), "yaml" | "yml" | "json"))
}

/// A folder that is the recipe for manifests does not hold them.
fn recipe(folder: &Path, name: &str) -> Option<String> {
    let folder = folder.display();
    match name {
        "Chart.yaml" => Some(format!(
            "{folder} is a Helm chart: audit what it renders, `helm template {folder} | revisor audit -`"
        )),
        "kustomization.yaml" | "kustomization.yml" | "Kustomization" => Some(format!(
            "{folder} is a kustomization: audit what it makes, `kubectl kustomize {folder} | revisor audit -`"
        )),
        _ => None,
    }
}

/// A file to be read by and by, or why it cannot be.
pub(in crate::cli) fn open(path: &Path) -> Result<Box<dyn io::Read>, String> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = fs::File::open(path).map_err(|error| reason(&error))?;
    Ok(Box::new(file))
}

/// The text of a file, or why it has none.
pub(in crate::cli) fn read(path: &Path) -> Result<String, String> {
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    let bytes = bytes.map_err(|error| reason(&error))?;
    String::from_utf8(bytes).map_err(|error| match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "expected UTF-8 text, found UTF-16 (save it as UTF-8)".to_owned()
        }
        bytes => {
            let valid = &bytes[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("expected UTF-8 text, found other bytes on line {line}")
        }
    })
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "reading it is not permitted".to_owned(),
        _ => error.to_string(),
    }
}
