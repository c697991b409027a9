//! The HTML report in a real headless browser: its filters, its policy against foreign scripts, without JavaScript,
//! and in print.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NAMES: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The program named by `BROWSER`, else a Chromium on the path.
fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BROWSER").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Straight to the terminal: what a passing test prints is not shown.
fn skipped() {
    let names = NAMES.join(", ");
    let notice = format!("notice: skipped without a browser; install one ({names}) or name it in BROWSER\n");
    io::stderr().write_all(notice.as_bytes()).unwrap();
}

fn open(browser: &Path, page: &Path, hash: &str, more: &[&str]) -> Output {
    let profile = page.with_extension("profile");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(format!("file://{}{hash}", page.display()))
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", browser.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The document after scripts ran, and what the console said.
fn dom(browser: &Path, page: &Path, hash: &str, more: &[&str]) -> (String, String) {
    let output = open(browser, page, hash, &[more, &["--dump-dom"]].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Names of the pods whose rows are seen.
fn seen(dom: &str) -> Vec<&str> {
    let rows = dom.lines().filter(|line| line.starts_with("<tr id="));
    let shown = rows.filter(|row| !row.split('>').next().unwrap_or_default().contains("hidden"));
    let name = |row: &'_ str| row.find("<td>Pod/").map(|at| at + 8);
    let mut names: Vec<_> =
        shown.filter_map(|row| Some(row[name(row)?..].split('<').next().unwrap_or_default())).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn report(name: &str) -> PathBuf {
    audited(name, false)
}

/// The page of three pods. `beside_baseline`: beside a report of the first one alone.
fn audited(name: &str, beside_baseline: bool) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let pod = |namespace: &str, name: &str, image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  containers:\n  \
             - {{name: app, imagePullPolicy: Always, image: {image}}}\n---\n"
        )
    };
    let hostile = "'\"><img src=x onerror=document.body.dataset.broken=1><script>document.body.dataset.broken=2</script>'";
    let pods = [
        pod("team-a", "first", "evil.test/a:1"),
        pod("team-a", "second", "registry.example.com/a:latest"),
        pod("team-b", "third", hostile),
    ];
    let policy = "apiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: mine}\nspec:\n  rules:\n    \
                  trustedRegistry: {allow: [registry.example.com/**], severity: critical}\n    noMutableTag: {severity: low}\n";
    fs::write(folder.join("former.yaml"), pods[0].clone() + policy).unwrap();
    fs::write(folder.join("pods.yaml"), pods.concat() + policy).unwrap();
    let audit = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
        let ran = command.current_dir(&folder).arg("audit").args(args).output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    let mut args = vec!["pods.yaml", "-o", "html=report.html"];
    if beside_baseline {
        audit(&["former.yaml", "-o", "json=former.json"]);
        args.extend(["--baseline", "former.json"]);
    }
    audit(&args);
    folder.join("report.html")
}

#[test]
#[ignore = "needs a browser (make e2e)"]
fn the_html_report_works_in_a_browser() {
    let Some(browser) = browser() else {
        return skipped();
    };
    let page = report("works");
    let (all, console) = dom(&browser, &page, "", &[]);
    assert_eq!(seen(&all), ["first", "second", "third"]);
    assert!(all.contains(" shown</output>") && !all.contains("<form id=\"filters\" hidden"), "{all}");
    assert!(!all.contains("data-broken"), "text of the input ran");
    assert!(!console.contains("Content Security Policy"), "{console}");

    let filtered = |hash: &str| {
        let (dom, _) = dom(&browser, &page, hash, &[]);
        seen(&dom).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(filtered("#severity=low&verdict=fail"), ["second"]);
    assert_eq!(filtered("#namespace=team-a"), ["first", "second"]);
    assert_eq!(filtered("#rule=TrustedRegistry&text=EVIL.test"), ["first"]);
    assert_eq!(filtered("#text=no+such+words"), [""; 0]);
    assert_eq!(
        filtered("#severity=none-such"),
        ["first", "second", "third"],
        "an unknown filter hides nothing"
    );
    assert_eq!(
        filtered("#rule-TrustedRegistry"),
        ["first", "second", "third"],
        "a link to a rule is no filter"
    );

    // A browser that runs no script at all cannot be asked for its document; one that may not run this one can.
    let text = fs::read_to_string(&page).unwrap();
    let (before, after) = text.split_once("script-src '").unwrap();
    let (_, after) = after.split_once('\'').unwrap();
    let no_script = page.with_file_name("no-script.html");
    fs::write(&no_script, format!("{before}script-src 'none'{after}")).unwrap();
    let without = dom(&browser, &no_script, "", &[]).0;
    assert_eq!(seen(&without), ["first", "second", "third"]);
    assert!(without.contains("<form id=\"filters\" hidden"), "without JavaScript there are no filters");

    let pdf = page.with_extension("pdf");
    open(&browser, &page, "", &[&format!("--print-to-pdf={}", pdf.display())]);
    assert!(fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
}

#[test]
#[ignore = "needs a browser (make e2e)"]
fn what_is_new_beside_the_baseline_can_be_seen_alone_in_the_html_report() {
    let Some(browser) = browser() else {
        return skipped();
    };
    let page = audited("baseline", true);
    let filtered = |page: &Path, hash: &str| {
        let (dom, _) = dom(&browser, page, hash, &[]);
        (seen(&dom).into_iter().map(str::to_owned).collect::<Vec<_>>(), dom)
    };
    let (all, document) = filtered(&page, "");
    assert_eq!(all, ["first", "second", "third"]);
    let (_, choice) = document.split_once("<select name=\"baseline\">").expect("a filter for the baseline");
    let (choice, _) = choice.split_once("</select>").unwrap();
    for word in ["new", "known"] {
        assert!(choice.contains(&format!(">{word}</option>")), "{choice}");
    }
    assert_eq!(filtered(&page, "#baseline=new").0, ["second", "third"]);
    assert_eq!(filtered(&page, "#baseline=known").0, ["first"]);
    assert_eq!(filtered(&page, "#baseline=new&namespace=team-b").0, ["third"]);

    let without = report("no-baseline");
    let (all, document) = filtered(&without, "#baseline=new");
    assert_eq!(all, ["first", "second", "third"], "there is nothing to compare with");
    assert!(!document.contains("name=\"baseline\""), "{document}");
}

#[test]
#[ignore = "needs a browser (make e2e)"]
fn a_script_that_is_not_its_own_does_not_run_in_the_html_report() {
    let Some(browser) = browser() else {
        return skipped();
    };
    let page = report("foreign");
    let foreign = "<script>document.body.dataset.broken = 3</script></main>";
    let page_with = page.with_file_name("foreign.html");
    fs::write(&page_with, fs::read_to_string(&page).unwrap().replacen("</main>", foreign, 1)).unwrap();
    let (dom, console) = dom(&browser, &page_with, "", &[]);
    assert!(dom.contains("dataset.broken = 3") && !dom.contains("data-broken"), "{dom}");
    assert!(console.contains("Content Security Policy"), "{console}");
    assert_eq!(seen(&dom).len(), 3, "and its own does");
}
