//! Plots of memory and processor time over pods, from the JSON of several runs: small SVGs, made by hand.
//! `make scale-plot` writes docs/scale-memory.svg and docs/scale-cpu.svg.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::Result;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;

/// A line of a plot: its name, its colour, and where the values stand in a run's JSON.
struct Line {
    name: &'static str,
    colour: &'static str,
    place: &'static str,
}

struct Plot {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    lines: &'static [Line],
}

const PLOTS: [Plot; 2] = [
    Plot {
        file: "docs/scale-memory.svg",
        title: "Resident memory over pods, every pod with labels of its own",
        unit: "MB",
        lines: &[
            Line { name: "peak of the first audit", colour: "#b3541e", place: "/memory/firstAuditPeakMb" },
            Line { name: "steady", colour: "#1e5fb3", place: "/memory/steadyMb" },
        ],
    },
    Plot {
        file: "docs/scale-cpu.svg",
        title: "Processor time of a cold start over pods, TLS, one core",
        unit: "s",
        lines: &[
            Line { name: "Revisor", colour: "#1e5fb3", place: "/coldStart/cpuSeconds/revisor" },
            Line {
                name: "a client that drops the same bytes",
                colour: "#6b6b6b",
                place: "/coldStart/cpuSeconds/nullClient",
            },
        ],
    },
];

/// Reads the files named on the command line, each the JSON of a run.
pub(crate) fn main() -> Result<()> {
    let mut runs = Vec::new();
    for file in std::env::args().skip(2) {
        let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        runs.push(serde_json::from_str::<Value>(&text).map_err(|error| format!("{file}: {error}"))?);
    }
    runs.sort_by(|a, b| pods(a).total_cmp(&pods(b)));
    if runs.len() < 2 {
        return Err("plots need the JSON files of two runs or more".into());
    }
    for plot in &PLOTS {
        fs::write(plot.file, plot.draw(&runs)).map_err(|error| format!("{}: {error}", plot.file))?;
        eprintln!("scale: wrote {}", plot.file);
    }
    Ok(())
}

fn pods(run: &Value) -> f64 {
    run["settings"]["pods"].as_f64().unwrap_or_default()
}

/// 1, 2 or 5 times a power of ten, so that about five of them reach `greatest`.
fn nice_step(greatest: f64) -> f64 {
    let rough = (greatest / 5.0).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough).unwrap_or(rough)
}

/// Steps on an axis, the last at or beyond `greatest`.
fn steps(greatest: f64) -> Vec<f64> {
    let step = nice_step(greatest);
    let mut steps = vec![0.0];
    while steps.last().is_some_and(|last| *last < greatest) {
        #[expect(clippy::cast_precision_loss, reason = "few")]
        steps.push(steps.len() as f64 * step);
    }
    steps
}

/// A number as people write it: `150k`, `0.5`.
fn label(value: f64) -> String {
    if value >= 1_000.0 && value % 1_000.0 == 0.0 {
        return format!("{}k", value / 1_000.0);
    }
    format!("{}", (value * 1_000.0).round() / 1_000.0)
}

impl Plot {
    fn draw(&self, runs: &[Value]) -> String {
        let value =
            |run: &Value, line: &Line| run.pointer(line.place).and_then(Value::as_f64).unwrap_or_default();
        let greatest = |of: &dyn Fn(&Value) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        let most_pods = greatest(&pods);
        let most = greatest(&|run| self.lines.iter().map(|line| value(run, line)).fold(0.0, f64::max));
        let (across, up) = (steps(most_pods), steps(most));
        let last = |steps: &[f64]| steps.last().copied().unwrap_or(1.0);
        let x = |pods: f64| LEFT + pods / last(&across) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / last(&up) * (HEIGHT - TOP - BOTTOM);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n",
            self.title
        );
        // Writing into a String cannot fail.
        let mut put = |text: String| {
            let _ = writeln!(svg, "{text}");
        };
        put(text(LEFT, 20.0, "start", "#222222", &format!("{} ({})", self.title, self.unit)));
        for step in &up {
            let at = y(*step);
            put(format!(
                "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>",
                WIDTH - RIGHT
            ));
            put(text(LEFT - 8.0, at + 4.0, "end", "#444444", &label(*step)));
        }
        for step in &across {
            put(text(x(*step), HEIGHT - BOTTOM + 18.0, "middle", "#444444", &label(*step)));
        }
        put(text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14.0, "middle", "#444444", "pods"));
        for (number, line) in self.lines.iter().enumerate() {
            let points: Vec<(f64, f64, f64)> =
                runs.iter().map(|run| (x(pods(run)), y(value(run, line)), value(run, line))).collect();
            let path: Vec<String> = points.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
            put(format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
                path.join(" "),
                line.colour
            ));
            for (x, y, value) in points {
                put(format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\"/>", line.colour));
                let above = if number == 0 { -8.0 } else { 16.0 };
                put(text(x, y + above, "middle", line.colour, &label((value * 100.0).round() / 100.0)));
            }
            #[expect(clippy::cast_precision_loss, reason = "few lines")]
            let at = TOP + 16.0 * number as f64;
            put(text(LEFT + 12.0, at, "start", line.colour, line.name));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn text(x: f64, y: f64, anchor: &str, colour: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>")
}
