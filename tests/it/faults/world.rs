//! A world that is prepared once and laid out anew, at the same place, before each fault: copies of
//! repositories hold absolute paths.

use super::sweep::Scenario;
use crate::sandbox::{Ran, Sandbox, TestRepo, finish, program, wait_until};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What is made to go wrong, and at which call; nothing at call 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) mode: &'static str,
    pub(super) at: usize,
}

/// A run under `fault`.
pub(super) struct Faulted {
    pub(super) ran: Ran,
    /// How many calls there were until the end.
    pub(super) calls: usize,
    /// The call that went wrong, if it was reached.
    pub(super) at: Option<String>,
}

pub(super) struct World {
    pub(super) sandbox: Sandbox,
    tool: PathBuf,
}

impl World {
    /// Prepares it; none where processes cannot be traced.
    pub(super) fn new(scenario: &Scenario) -> Option<Self> {
        let sandbox = Sandbox::new();
        let tool = sandbox.root().join("fault");
        if !build(&sandbox, &tool) {
            return None;
        }
        std::fs::create_dir(sandbox.root().join("world")).expect("a folder");
        let world = Self { sandbox, tool };
        (scenario.prepare)(&world.sandbox.repo_named("simple", "world/repo"));
        wait_until("the supervisors' end", || world.sandbox.processes().is_empty());
        copy(&world.place(), &world.kept());
        Some(world)
    }

    pub(super) fn place(&self) -> PathBuf {
        self.sandbox.root().join("world")
    }

    fn kept(&self) -> PathBuf {
        self.sandbox.root().join("kept")
    }

    pub(super) fn repo(&self) -> TestRepo<'_> {
        self.sandbox.open(self.place().join("repo"))
    }

    /// Everything as it was prepared.
    pub(super) fn lay_out(&self) {
        std::fs::remove_dir_all(self.place()).expect("it can be removed");
        copy(&self.kept(), &self.place());
    }

    /// Runs offshoot while one of its calls goes wrong.
    pub(super) fn run(&self, words: &[&str], fault: Fault) -> Faulted {
        self.run_with(&[], words, fault)
    }

    /// The same, the tool with these options; until all processes have ended that this has started.
    pub(super) fn run_with(&self, options: &[&str], words: &[&str], fault: Fault) -> Faulted {
        let report = self.sandbox.root().join("report");
        let _there_is_none_at_first = std::fs::remove_file(&report);
        let mut command = self.sandbox.command(self.tool.to_str().expect("UTF-8"));
        command.current_dir(self.repo().root()).args(options).arg(self.place()).arg(&report);
        command.args([fault.mode, &fault.at.to_string(), program()]);
        command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the tool starts");
        let ran = finish(child, format!("offshoot {}", words.join(" ")));
        assert_ne!(ran.code, 125, "{ran}");
        let report = std::fs::read_to_string(&report).expect("a report");
        let mut lines = report.lines();
        let calls = lines.next().and_then(|line| line.strip_prefix("calls ")?.parse().ok());
        let at = lines.next().and_then(|line| line.strip_prefix("at ")).map(str::to_owned);
        Faulted { ran, calls: calls.expect("a number"), at }
    }
}

/// Whether the tool could be built and can trace here.
fn build(sandbox: &Sandbox, tool: &Path) -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/fault.c");
    let mut command = sandbox.command("cc");
    command.args(["-O1", "-w", "-o"]).arg(tool).arg(source);
    sandbox.finish_command(&mut command).ok();
    let mut command = sandbox.command(tool.to_str().expect("UTF-8"));
    command.arg(sandbox.root()).arg(sandbox.root().join("report")).args(["kill", "0", "true"]);
    sandbox.finish_command(&mut command).code == 0
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.expect("cp runs").success(), "copy {}", from.display());
}
