//! CPU time of processes, as the scheduler counts it: nanoseconds, all threads, child workers included.

use std::collections::HashSet;
use std::fs;

/// Time on a processor and time spent waiting for one, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// On a processor.
    pub run: u64,
    /// Ready to run while something else had the processor: the sign of a disturbed measurement.
    pub wait: u64,
}

impl Times {
    /// What was added since.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { run: self.run.saturating_sub(earlier.run), wait: self.wait.saturating_sub(earlier.wait) }
    }
}

/// What the live threads of these processes and of their descendants have used so far.
///
/// A thread that ends takes its time with it, so this is for proxies whose threads live as long as they do.
#[must_use]
pub fn times(pids: &[u32]) -> Times {
    let mut all: Vec<u32> = pids.to_vec();
    let mut seen: HashSet<u32> = HashSet::new();
    let mut total = Times::default();
    while let Some(pid) = all.pop() {
        if !seen.insert(pid) {
            continue;
        }
        for task in tasks(pid) {
            let dir = format!("/proc/{pid}/task/{task}");
            let text = fs::read_to_string(format!("{dir}/schedstat")).unwrap_or_default();
            let mut numbers = text.split_ascii_whitespace().map_while(|number| number.parse::<u64>().ok());
            total.run += numbers.next().unwrap_or(0);
            total.wait += numbers.next().unwrap_or(0);
            let children = fs::read_to_string(format!("{dir}/children")).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    total
}

fn tasks(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time() {
        let me = [std::process::id()];
        let before = times(&me);
        let sum = (0..20_000_000_u64).fold(0_u64, |a, b| std::hint::black_box(a ^ b));
        std::hint::black_box(sum);
        assert!(times(&me).since(before).run > 0, "schedstat stands still");
    }
}
