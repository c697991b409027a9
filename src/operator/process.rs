//! What the kernel says of this process, for the `process_*` metrics. Read at scrape time from `/proc/self`;
//! where that does not exist the metrics are left out.

use std::fs;

/// Clock ticks a second in `/proc`: a constant of the Linux user interface.
const TICKS: f64 = 100.0;

/// One look at `/proc/self`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system time spent, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Virtual memory in bytes.
    pub virtual_bytes: u64,
    /// Start time, in seconds since the epoch.
    pub start_seconds: f64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many may be open.
    pub max_fds: u64,
    /// Threads.
    pub threads: u64,
}

impl Process {
    /// Reads `/proc/self`.
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        Self::parse(&stat, &status, &boot, &limits, open_fds)
    }

    fn parse(stat: &str, status: &str, boot: &str, limits: &str, open_fds: u64) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold anything, parentheses too.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
        let boot_time: f64 = number_after(boot, "btime")?;
        Some(Self {
            cpu_seconds: ticks(11)? + ticks(12)?,
            resident_bytes: number_after::<u64>(status, "VmRSS:")? * 1024,
            virtual_bytes: number_after::<u64>(status, "VmSize:")? * 1024,
            start_seconds: boot_time + ticks(19)?,
            open_fds,
            max_fds: number_after(limits, "Max open files").unwrap_or_default(),
            threads: number_after(status, "Threads:").unwrap_or_default(),
        })
    }
}

fn number_after<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_memory_and_files() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 100_000 && process.open_fds > 2 && process.max_fds >= process.open_fds);
        assert!(process.start_seconds > 1.6e9 && process.threads > 0, "{process:?}");
    }

    #[test]
    fn a_program_name_with_spaces_and_parentheses_moves_no_field() {
        let mut stat = String::from("7 (a) b (c) S");
        for field in 4..=52 {
            stat += &format!(" {}", field * 100);
        }
        let status = "Name:\ta\nVmSize:\t  20 kB\nVmRSS:\t      8 kB\nThreads:\t3\n";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024    4096    files\n";
        let process = Process::parse(&stat, status, "cpu 1\nbtime 1000\n", limits, 5).unwrap();
        assert_eq!(process.cpu_seconds, 14.0 + 15.0);
        assert_eq!(process.start_seconds, 1000.0 + 22.0);
        assert_eq!((process.resident_bytes, process.virtual_bytes), (8192, 20480));
        assert_eq!((process.open_fds, process.max_fds, process.threads), (5, 1024, 3));
    }

    #[test]
    fn nonsense_is_none_and_no_panic() {
        assert_eq!(Process::parse("", "", "", "", 0), None);
        assert_eq!(Process::parse("1 (x) S 1 2", "VmRSS: x", "btime", "", 0), None);
    }
}
