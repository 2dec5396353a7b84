//! What the kernel says of processes: CPU time, memory, and what the rest of the machine did meanwhile.

use anyhow::Context as _;
use std::path::Path;
use std::time::Duration;

/// Clock ticks a second in /proc on every Linux that runs GStreamer (USER_HZ).
const TICKS_PER_S: f64 = 100.0;
/// Fields of /proc/PID/stat behind the name: user and system time of the process, and of its children that were waited for.
const OWN_TIME: usize = 11;
const CHILDREN_TIME: usize = 13;

/// User and system time of a process that runs, seconds.
pub(super) fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("{path}: the process has ended"))?;
    time_in_stat(&stat, OWN_TIME).with_context(|| format!("{path}: found {stat:?}, wanted the fields of proc(5)"))
}

/// User and system time of all children that have ended and were waited for, seconds. The difference over one child is that child's.
pub(super) fn ended_children_cpu_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("/proc/self/stat; CPU time is read from /proc, which Linux has")?;
    time_in_stat(&stat, CHILDREN_TIME).with_context(|| format!("/proc/self/stat: found {stat:?}, wanted the fields of proc(5)"))
}

/// Sum of the field `first` behind the process's name, which may hold anything, and the one after it.
fn time_in_stat(stat: &str, first: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(first).map(|field| field.parse::<f64>().ok());
    Some((ticks.next()?? + ticks.next()??) / TICKS_PER_S)
}

/// Resident memory of a process, MB of 10⁶ bytes.
pub(super) fn rss_mb(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    kib_in_status(&status, "VmRSS").map(|kib| kib * 1024.0 / 1e6).with_context(|| format!("{path}: no VmRSS"))
}

fn kib_in_status(status: &str, key: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
}

/// CPU time of the whole machine since it started, idle time not counted, seconds.
pub(super) fn machine_busy_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    busy_in(&stat).with_context(|| "/proc/stat: found no line `cpu`".to_owned())
}

fn busy_in(stat: &str) -> Option<f64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    let [user, nice, system, _, _, irq, softirq, ..] = ticks[..] else { return None };
    Some((user + nice + system + irq + softirq) / TICKS_PER_S)
}

/// Time this thread has run on a core. To the nanosecond where the kernel tells it; it is brought up to date a few hundred times a second.
pub(super) fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// Cores this process may use, their numbers in order.
pub(super) fn cores() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
    let cores = cores_in(list.trim());
    if cores.is_empty() { vec![0] } else { cores }
}

/// `0-3,8` as numbers.
fn cores_in(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse::<u32>().ok()?..=to.trim().parse::<u32>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// The processor, and the cores this process may use.
pub(super) fn machine() -> String {
    let info = std::fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
    format!("{}, {} cores", model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()), cores().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let stat = "42 (a) (b 7 ) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 1000 200 20 0 5 0 100 1000 10";
        assert_eq!(time_in_stat(stat, OWN_TIME), Some(3.0));
        assert_eq!(time_in_stat(stat, CHILDREN_TIME), Some(12.0));
        assert_eq!(time_in_stat("42 (short) S 1", OWN_TIME), None);
    }

    #[test]
    fn cores_and_memory_are_read() {
        assert_eq!(cores_in("0-2,7"), [0, 1, 2, 7]);
        assert_eq!(cores_in("x"), [0u32; 0]);
        assert_eq!(kib_in_status("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS"), Some(2048.0));
        assert_eq!(busy_in("cpu  100 0 50 900 10 5 5 0 0 0\ncpu0 1 2 3\n"), Some(1.6));
        assert_eq!(busy_in("cpu 1 2"), None);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let me = std::process::id();
        assert!(rss_mb(me).is_ok_and(|mb| mb > 1.0));
        assert!(cpu_s(me).is_ok_and(|s| s >= 0.0) && machine_busy_s().is_ok_and(|s| s > 0.0));
    }
}
