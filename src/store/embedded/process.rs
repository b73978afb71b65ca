//! Who is running: the postmaster of a data folder, and what it left behind.
//!
//! A pid alone proves nothing: after a restart of the machine it may be anybody's. What is ours is the process
//! that works in the data folder, which every process of Postgres does.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A postmaster.
#[derive(Debug, Clone)]
pub(super) struct Postmaster {
    pub pid: u32,
}

impl Postmaster {
    /// Ends connections, writes everything, leaves.
    pub fn stop_fast(&self) {
        signal(self.pid, Signal::INT);
    }

    /// Leaves at once; the next start recovers.
    pub fn stop_now(&self) {
        signal(self.pid, Signal::QUIT);
    }

    /// Whether the process exists and has not ended.
    pub fn is_alive(&self) -> bool {
        is_alive(self.pid)
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn is_alive(pid: u32) -> bool {
    // The state is the first field after the name, which stands in parentheses and may hold anything.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])))
        .is_some_and(|ended| !ended)
}

/// The live postmaster of a data folder and the folder of its socket, by its pid file.
pub(super) fn find(data: &Path) -> Option<(Postmaster, PathBuf)> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = file.lines().collect();
    let pid: u32 = lines.first()?.trim().parse().ok()?;
    if !is_alive(pid) || !works_in(pid, data) {
        return None;
    }
    // Line 5 of the file; a postmaster that has just begun may not have written it yet.
    let socket_dir = lines.get(4).map(|line| PathBuf::from(line.trim())).unwrap_or_default();
    Some((Postmaster { pid }, socket_dir))
}

fn works_in(pid: u32, data: &Path) -> bool {
    let Ok(data) = data.canonicalize() else { return false };
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)
        && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}

/// Stops a postmaster and waits for it, harder after `limit`.
pub(super) fn stop_and_wait(postmaster: &Postmaster, limit: Duration) {
    tracing::info!(postgres.pid = postmaster.pid, "stopping a Postgres that was left running");
    postmaster.stop_fast();
    if !wait_until(limit, || !postmaster.is_alive()) {
        postmaster.stop_now();
        wait_until(Duration::from_secs(5), || !postmaster.is_alive());
    }
}

/// Clears what a dead postmaster left: its other processes (they hold the shared memory, and a new postmaster
/// refuses to start beside them) and its pid file, whose number may be another process's by now.
pub(super) fn clear(data: &Path) {
    let left = || -> Vec<u32> {
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| is_alive(*pid) && works_in(*pid, data))
            .collect()
    };
    if !data.join("postmaster.pid").exists() {
        return;
    }
    // They notice by themselves that their postmaster is gone, all but those in the middle of a statement.
    if !wait_until(Duration::from_millis(300), || left().is_empty()) {
        left().into_iter().for_each(|pid| signal(pid, Signal::QUIT));
        if !wait_until(Duration::from_secs(5), || left().is_empty()) {
            left().into_iter().for_each(|pid| signal(pid, Signal::KILL));
            wait_until(Duration::from_secs(1), || left().is_empty());
        }
    }
    let _ = fs::remove_file(data.join("postmaster.pid"));
}

fn wait_until(limit: Duration, done: impl Fn() -> bool) -> bool {
    let limit = Instant::now() + limit;
    while !done() {
        if Instant::now() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_is_somebody_elses_is_not_taken_for_our_postmaster() {
        let data = tempfile::tempdir().unwrap();
        // This very process: alive, and no postmaster of that folder.
        let pid = std::process::id();
        fs::write(data.path().join("postmaster.pid"), format!("{pid}\n{}\n", data.path().display())).unwrap();
        assert!(find(data.path()).is_none());
        clear(data.path());
        assert!(!data.path().join("postmaster.pid").exists());
        assert!(is_alive(pid));
    }

    #[test]
    fn a_broken_pid_file_is_no_postmaster() {
        let data = tempfile::tempdir().unwrap();
        for content in ["", "x\n", "0\n", "-1\n", "99999999999\n"] {
            fs::write(data.path().join("postmaster.pid"), content).unwrap();
            assert!(find(data.path()).is_none(), "{content:?}");
        }
    }
}
