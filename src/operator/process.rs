//! What the kernel says of this process, for the `process_*` metrics. Read at scrape time from `/proc/self`;
//! where that does not exist the metrics are left out.

use std::fs;

use crate::report::metrics::Process;

/// Clock ticks a second in `/proc`: a constant of the Linux user interface.
const TICKS: f64 = 100.0;

/// Reads `/proc/self`.
pub(crate) fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    parse(&stat, &status, &boot)
}

fn parse(stat: &str, status: &str, boot: &str) -> Option<Process> {
    // The second field is the program's name in parentheses and may hold anything, parentheses too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let seconds = |index: usize| fields.get(index)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    Some(Process {
        resident_memory_bytes: number_after::<u64>(status, "VmRSS:")?.checked_mul(1024)?,
        cpu_seconds: seconds(11)? + seconds(12)?,
        start_time_seconds: number_after::<f64>(boot, "btime")? + seconds(19)?,
    })
}

fn number_after<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_start() {
        let process = read().unwrap();
        assert!(process.resident_memory_bytes > 100_000 && process.start_time_seconds > 1.6e9, "{process:?}");
    }

    #[test]
    fn a_program_name_with_spaces_and_parentheses_moves_no_field() {
        let mut stat = String::from("7 (a) b (c) S");
        for field in 4..=52 {
            stat += &format!(" {}", field * 100);
        }
        let process = parse(&stat, "VmSize:\t  20 kB\nVmRSS:\t      8 kB\n", "cpu 1\nbtime 1000\n").unwrap();
        assert_eq!((process.cpu_seconds, process.start_time_seconds), (14.0 + 15.0, 1000.0 + 22.0));
        assert_eq!(process.resident_memory_bytes, 8192);
    }

    #[test]
    fn nonsense_is_none_and_no_panic() {
        assert_eq!(parse("", "", ""), None);
        assert_eq!(parse("1 (x) S 1 2", "VmRSS: x", "btime"), None);
    }
}
