//! A wall clock that jumps: an hour forth and back, and to 1970. Order comes from sequence numbers,
//! durations from a clock that does not jump. A library put before the system's own shifts the wall
//! clock by what a file says, and no other clock.

use super::skip;
use crate::sandbox::{BUILT, Sandbox, TestRepo, text, wait_until};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    const char *file = getenv("SHIFTED_CLOCK");
    if (!failed && id == CLOCK_REALTIME && file) {
        FILE *shift = fopen(file, "r");
        long seconds;
        if (shift && fscanf(shift, "%ld", &seconds) == 1) at->tv_sec += seconds;
        if (shift) fclose(shift);
    }
    return failed;
}
"#;

const HOUR: i64 = 3600;

/// A clock that can be shifted while tasks run.
struct Shifted<'a> {
    repo: &'a TestRepo<'a>,
    sandbox: &'a Sandbox,
    library: PathBuf,
    file: PathBuf,
}

impl<'a> Shifted<'a> {
    /// None where there is no compiler, or the program asks the kernel itself.
    fn new(sandbox: &'a Sandbox, repo: &'a TestRepo<'a>) -> Option<Self> {
        let (source, library) = (sandbox.root().join("clock.c"), sandbox.root().join("clock.so"));
        std::fs::write(&source, SOURCE).expect("the source");
        let mut compiler = sandbox.command("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        if !compiler.output().is_ok_and(|made| made.status.success()) {
            skip("cc makes no library here");
            return None;
        }
        let shifted = Self { repo, sandbox, library, file: sandbox.root().join("shift") };
        shifted.by(-HOUR * 24 * 365 * 20);
        let task = shifted.json(&["dispatch", "--name", "probe", "--", "true"]);
        repo.wait_for("probe");
        if text(&task["created_at"]) > "2020" {
            skip("the program's clock cannot be shifted here");
            return None;
        }
        Some(shifted)
    }

    fn by(&self, seconds: i64) {
        std::fs::write(&self.file, seconds.to_string()).expect("the shift");
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = self.sandbox.command(BUILT);
        command.current_dir(self.repo.root()).args(line);
        command.env("LD_PRELOAD", &self.library).env("SHIFTED_CLOCK", &self.file);
        command
    }

    fn json(&self, line: &[&str]) -> Value {
        let line = [&line[..1], &["--json"], &line[1..]].concat();
        let ran = self.sandbox.finish_command(&mut self.command(&line));
        serde_json::from_str(&ran.stdout).unwrap_or_else(|cause| panic!("{cause}: {ran}"))
    }

    fn ok(&self, line: &[&str]) -> crate::sandbox::Ran {
        self.sandbox.finish_command(&mut self.command(line)).ok()
    }
}

#[test]
fn a_wall_clock_that_jumps_changes_no_order_no_duration_and_no_limit() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let Some(clock) = Shifted::new(&sandbox, &repo) else { return };
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let to_1970 = -i64::try_from(since_1970.expect("later").as_secs()).expect("it fits");
    let gate = sandbox.gate("a");
    let limits = ["--timeout", "10m", "--idle-timeout", "10m"];
    for (name, shift) in [("a", 0), ("b", -HOUR), ("c", to_1970), ("d", HOUR)] {
        clock.by(shift);
        let line = [&["dispatch", "--name", name], &limits[..], &["--"]].concat();
        let agent = [sandbox.agent("wait_for_gate"), gate.argument(), sandbox.agent("commit")];
        let agent = [&*agent[0], &*agent[1], &*agent[2], name];
        assert_eq!(clock.json(&[&line[..], &agent].concat())["name"], name);
    }
    gate.wait_for_arrival();
    clock.ok(&["lock", "acquire", "--owner", "ada", "--for", "30m", "notes.txt"]);
    for shift in [HOUR, -HOUR, to_1970, HOUR] {
        clock.by(shift);
        let list = clock.json(&["list"]);
        let names: Vec<&str> =
            list["tasks"].as_array().expect("tasks").iter().map(|it| text(&it["name"])).collect();
        assert_eq!(names, ["probe", "a", "b", "c", "d"]);
        clock.ok(&["list"]);
        clock.ok(&["status", "a"]);
        assert!(clock.ok(&["lock", "list"]).stdout.contains("ada"), "its time is not over");
        // Whoever waits for a moment waits for a moment.
        let mut waiting = clock.command(&["wait", "--timeout", "50ms", "a"]);
        sandbox.finish_command(&mut waiting).exits(124);
    }
    gate.open();
    wait_until("all to end", || {
        clock.by(-HOUR);
        repo.told("d").last().is_some_and(|event| event == "finished")
    });
    let started: Vec<String> = repo
        .journal()
        .iter()
        .filter(|event| event["event"] == "started")
        .map(|event| text(&event["task"]["name"]).to_owned())
        .collect();
    assert_eq!(started, ["probe", "a", "b", "c", "d"]);
    let cursors: Vec<u64> = repo.journal().iter().filter_map(|it| it["cursor"].as_u64()).collect();
    assert!(cursors.is_sorted() && cursors.len() == 15, "{cursors:?}");
    for name in ["a", "b", "c", "d"] {
        let task = repo.task(name);
        assert_eq!(task["state"], "completed");
        assert!(task["duration_ms"].as_u64().is_some_and(|took| took < 120_000), "{task:#}");
    }
    assert!(text(&repo.task("c")["created_at"]).starts_with("1970-01-01T00:0"));
    // What is kept does not expire by a jump back, and is not older than it is.
    clock.by(0);
    clock.ok(&["discard", "a"]);
    clock.by(to_1970);
    assert_eq!(clock.json(&["gc"])["freed"], serde_json::json!([]));
    clock.by(0);
    clock.ok(&["restore", "a"]);
    clock.ok(&["merge", "b", "c", "d"]);
}
