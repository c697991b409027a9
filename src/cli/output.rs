//! Where results go: `--output FORMAT` to standard output, `--output FORMAT=FILE` to a file, several at once.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;

use super::Failure;

/// A format, and the file it goes to; standard output where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output<F> {
    pub(super) format: F,
    pub(super) file: Option<PathBuf>,
}

/// The word that a format is asked for by.
fn word<F: ValueEnum>(format: &F) -> String {
    format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl<F: ValueEnum> FromStr for Output<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            None => (text, None),
            Some((format, "-")) => (format, None),
            Some((_, "")) => return Err(format!("expected a file name behind {text}")),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
        };
        let format = <F as ValueEnum>::from_str(format, true).map_err(|_| {
            let known: Vec<_> = F::value_variants().iter().map(word).collect();
            format!("expected FORMAT or FORMAT=FILE, where FORMAT is one of {}", known.join(", "))
        })?;
        Ok(Self { format, file })
    }
}

/// Says what is wrong with the outputs before any work is done: what takes long should not end in a typing error.
pub(super) fn check<F: ValueEnum>(outputs: &[Output<F>]) -> Result<(), Failure> {
    let printed: Vec<_> = outputs.iter().filter(|output| output.file.is_none()).collect();
    if let [first, second, ..] = &*printed {
        let (first, second) = (word(&first.format), word(&second.format));
        return Err(Failure::new(format!(
            "only one output can go to standard output, not {first} and {second}"
        ))
        .help(format!("Give the other one a file: --output {first} --output {second}=FILE")));
    }
    for (index, output) in outputs.iter().enumerate() {
        let Some(file) = &output.file else { continue };
        if outputs[..index].iter().any(|other| other.file.as_ref() == Some(file)) {
            return Err(Failure::new(format!("two outputs go to {}", file.display()))
                .help("Give each --output a file of its own."));
        }
        check_file(file)?;
    }
    Ok(())
}

fn check_file(file: &Path) -> Result<(), Failure> {
    let name = file.display();
    if file.is_dir() {
        return Err(Failure::new(format!("{name} is a folder")).help("Name a file in it for --output."));
    }
    let folder = folder_of(file);
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Failure::new(format!("the folder of {name} does not exist"))
            .help(format!("Create it first: mkdir -p {folder}")));
    }
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes a file in one step: whoever reads it sees the former text or the new one, never half of it.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    // A link stays a link, and a device or a pipe is no file to be replaced.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let former = fs::metadata(&target).ok();
    if former.as_ref().is_some_and(|former| !former.is_file()) {
        return File::options().write(true).open(&target)?.write_all(text.as_bytes());
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let new = folder_of(&target).join(name);
    let created = File::create_new(&new).map_err(|error| {
        let folder = folder_of(&target).display();
        io::Error::new(error.kind(), format!("no new file can be written to {folder}: {error}"))
    });
    let written = created.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Some(former) = &former {
            file.set_permissions(former.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&new, &target)
    });
    if written.is_err() {
        // It may not have been created; whatever went wrong first is what is told.
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
    enum Format {
        Table,
        Json,
        Sarif,
        Csv,
    }

    fn output(text: &str) -> Output<Format> {
        text.parse().unwrap()
    }

    #[test]
    fn an_output_is_a_format_and_perhaps_a_file() {
        let to = |format, file: &str| Output { format, file: Some(file.into()) };
        assert_eq!(output("json"), Output { format: Format::Json, file: None });
        assert_eq!(output("SARIF=out/a=b.sarif"), to(Format::Sarif, "out/a=b.sarif"));
        assert_eq!(output("csv=-").file, None);
        assert!("csv=".parse::<Output<Format>>().unwrap_err().contains("file name"));
        assert!(
            "yaml"
                .parse::<Output<Format>>()
                .unwrap_err()
                .contains("FORMAT is one of table, json, sarif, csv")
        );
    }

    #[test]
    fn one_output_is_printed_and_each_file_is_written_once() {
        let check = |outputs: &[&str]| check(&outputs.iter().map(|text| output(text)).collect::<Vec<_>>());
        assert!(check(&["table", "json=a.json", "csv=a.csv"]).is_ok());
        assert!(check(&["json=a.json"]).is_ok());
        assert!(check(&["table", "json"]).unwrap_err().message.contains("not table and json"));
        assert!(check(&["csv=a", "json=a"]).unwrap_err().message.contains("two outputs go to a"));
        let missing = check(&["csv=no/such/folder/a.csv"]).unwrap_err();
        assert!(
            missing.message.contains("does not exist") && missing.help.contains("mkdir -p no/such/folder")
        );
        assert!(check(&["csv=src"]).unwrap_err().message.contains("is a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_replaced_in_one_step_and_keeps_link_and_permissions() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = std::env::temp_dir().join(format!("revisor-output-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("a.json"), folder.join("link.json"));
        write(&file, "one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("a.json", &link).unwrap();
        write(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        write(Path::new("/dev/null"), "three").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let left = fs::read_dir(&folder).unwrap().count();
        assert_eq!(left, 2, "nothing else is left behind");
        fs::remove_dir_all(&folder).unwrap();
    }
}
