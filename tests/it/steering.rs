//! Steering tasks: pause, resume, who runs next, trying again, tasks inside tasks.

mod dying;
mod nesting;
mod pausing;
mod queueing;
mod slots;
mod trying_again;

use crate::sandbox::{Gate, Sandbox, TestRepo, text, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;

/// Dispatches a command with options before it, and gives the task.
fn dispatch_with(repo: &TestRepo<'_>, name: &str, options: &[&str], command: &[&str]) -> Value {
    repo.offshoot_json(&[&["dispatch", "--name", name], options, &["--"], command].concat())
}

/// A task that beats: into its log, and from a session of its own into a file, until its gate opens.
struct Beating<'a> {
    sandbox: &'a Sandbox,
    repo: &'a TestRepo<'a>,
    gate: Gate,
    task: Value,
}

impl<'a> Beating<'a> {
    /// Dispatches it, and waits until both of its processes beat.
    fn start(sandbox: &'a Sandbox, repo: &'a TestRepo<'a>, name: &str, options: &[&str]) -> Self {
        let gate = sandbox.gate(name);
        let command = [&*sandbox.agent("beat"), &gate.argument(), &sandbox.agent("commit"), name];
        let task = dispatch_with(repo, name, options, &command);
        let beating = Self { sandbox, repo, gate, task };
        beating.assert_it_beats();
        beating
    }

    /// How much both of its processes have written so far.
    fn beats(&self) -> [u64; 2] {
        let length = |file| std::fs::metadata(file).map_or(0, |found| found.len());
        let log = self.repo.record_folder(&self.task).join("output.log");
        [length(log), length((self.gate.argument() + ".beats").into())]
    }

    #[track_caller]
    fn assert_it_beats(&self) {
        let before = self.beats();
        wait_until("both processes to go on", || {
            let now = self.beats();
            now[0] > before[0] && now[1] > before[1]
        });
    }

    /// Asserts that every process of its tree, in more than one session, is stopped.
    #[track_caller]
    fn assert_it_is_stopped(&self) {
        let tree = tree(self.sandbox, &self.task);
        assert!(tree.iter().all(|process| process.stands_still), "{tree:?}");
        let sessions: BTreeSet<&str> = tree.iter().map(|process| &*process.session).collect();
        assert_eq!(sessions.len(), 2, "{tree:?}");
    }
}

#[derive(Debug)]
struct Process {
    #[expect(dead_code, reason = "for the message of a failed assertion")]
    line: String,
    stands_still: bool,
    session: String,
}

/// The processes of a task's agent, as the kernel has them.
fn tree(sandbox: &Sandbox, task: &Value) -> Vec<Process> {
    let mark = format!("OFFSHOOT_TASK_ID={}", text(&task["id"]));
    let mut tree = Vec::new();
    for (pid, line) in sandbox.processes() {
        let file = |name| std::fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero()));
        let (Ok(environment), Ok(stat)) = (file("environ"), file("stat")) else { continue };
        if !environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            || line.ends_with(" shim")
        {
            continue;
        }
        let stat = String::from_utf8_lossy(&stat);
        let (_, stat) = stat.rsplit_once(") ").expect("a program's name");
        let words: Vec<&str> = stat.split(' ').collect();
        // A shell that has forked sleeps in the kernel until its child has become a program, which a
        // stopped one does not; the stop waits for it there.
        let stop_waits = || {
            let status = String::from_utf8(file("status").unwrap_or_default()).expect("text");
            let masks =
                status.lines().filter(|line| line.starts_with(['S']) && line.contains("Pnd:"));
            let mut masks = masks.filter_map(|line| u64::from_str_radix(line[7..].trim(), 16).ok());
            masks.any(|mask| mask & (1 << (Signal::STOP.as_raw() - 1)) != 0)
        };
        let stands_still = words[0] == "T" || (words[0] == "D" && stop_waits());
        tree.push(Process { line, stands_still, session: words[3].to_owned() });
    }
    tree
}

/// The names of the tasks in the order of an event.
fn order_of(repo: &TestRepo<'_>, event: &str) -> Vec<String> {
    let events = repo.journal().into_iter().filter(|line| line["event"] == event);
    events.map(|line| text(&line["task"]["name"]).to_owned()).collect()
}

/// Asserts that a line is refused with exit status 1 (or another), and has a hint.
#[track_caller]
fn assert_refused(repo: &TestRepo<'_>, line: &[&str], says: &str) {
    let (code, document) = repo.offshoot_json_exit(line);
    assert_eq!(code, 1, "{line:?}: {document:#}");
    let error = &document["error"];
    assert!(text(&error["message"]).contains(says), "{line:?}: {document:#}");
    assert!(!error["hints"].as_array().expect("hints").is_empty(), "{line:?}: {document:#}");
}
