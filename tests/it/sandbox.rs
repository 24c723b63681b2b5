//! The fixture for driving the real binary: a folder of its own with its own HOME and git
//! configuration, repositories made by the scripts in `fixtures/repos`, agents from
//! `fixtures/agents`, and an end that finds every process a test left behind.
//!
//! Whatever runs in a sandbox carries `OFFSHOOT_TEST_SANDBOX=<its folder>` in its environment; that,
//! and nothing broader, is how processes are found at the end (through `/proc`; where there is none,
//! nothing is looked for). No test sleeps: a [`Gate`] steers fake agents, [`wait_until`] waits for
//! what they do. Deliberately absent: any use of the library, the binary is all that a story knows.

#![expect(dead_code, reason = "the stories that use the rest of it are still to come")]

use crate::normalise;
use rustix::process::Pid;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a condition may take to come true, and a process to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one run of the binary may take; far above anything but a hang.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// What supervisors may need, after a test's last word, to finish and go.
const FAREWELL: Duration = Duration::from_secs(5);

const MARK: &str = "OFFSHOOT_TEST_SANDBOX";

const GIT_CONFIG: &str = "\
[user]
\tname = Sandbox Person
\temail = person@example.invalid
[init]
\tdefaultBranch = main
[commit]
\tgpgSign = false
[gc]
\tauto = 0
[protocol \"file\"]
\tallow = always
[advice]
\tdetachedHead = false
";

/// A temporary world: home, configuration, repositories, and the processes started in it.
pub(crate) struct Sandbox {
    folder: TempDir,
    root: PathBuf,
    leftovers_allowed: AtomicBool,
    farewell: Duration,
}

impl Sandbox {
    /// A fresh world, its folders made.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("offshoot-").tempdir().expect("a temp folder");
        let root = folder.path().canonicalize().expect("it exists");
        for name in ["home", "config", "state", "cache", "data", "runtime", "tmp", "gates"] {
            std::fs::create_dir(root.join(name)).expect("a folder in the sandbox");
        }
        std::fs::write(root.join("gitconfig"), GIT_CONFIG).expect("git's configuration");
        Self { folder, root, leftovers_allowed: AtomicBool::new(false), farewell: FAREWELL }
    }

    /// Its folder, without symlinks.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The repository that `fixtures/repos/<fixture>.sh` makes, in the folder `repo`.
    pub(crate) fn repo(&self, fixture: &str) -> TestRepo<'_> {
        self.repo_named(fixture, "repo")
    }

    /// The same in a folder of that name, for tests with several repositories.
    pub(crate) fn repo_named(&self, fixture: &str, name: &str) -> TestRepo<'_> {
        let root = self.root.join(name);
        let script = fixtures().join("repos").join(format!("{fixture}.sh"));
        let mut command = self.command("sh");
        self.finish_command(command.arg(script).arg(&root)).ok();
        self.open(root)
    }

    /// A repository (or a linked worktree, or any folder) that is already there.
    pub(crate) fn open(&self, root: impl Into<PathBuf>) -> TestRepo<'_> {
        TestRepo { sandbox: self, root: root.into() }
    }

    /// The path of `fixtures/agents/<name>`, ready for a command line.
    pub(crate) fn agent(&self, name: &str) -> String {
        let path = fixtures().join("agents").join(name);
        assert!(path.exists(), "there is no fixture {}", path.display());
        path.display().to_string()
    }

    /// A closed gate, for the agent `wait_for_gate`.
    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate { file: self.root.join("gates").join(name) }
    }

    /// Writes the user's `config.toml`.
    pub(crate) fn write_config(&self, toml: &str) {
        let folder = self.root.join("config/offshoot");
        std::fs::create_dir_all(&folder).expect("the configuration's folder");
        std::fs::write(folder.join("config.toml"), toml).expect("the configuration");
    }

    /// Replaces the user's git configuration; an empty text leaves no identity.
    pub(crate) fn write_git_config(&self, text: &str) {
        std::fs::write(self.root.join("gitconfig"), text).expect("git's configuration");
    }

    /// Says that processes still there at the end are what this test is about; they are ended
    /// all the same.
    pub(crate) fn allow_leftovers(&self) {
        self.leftovers_allowed.store(true, Ordering::Relaxed);
    }

    /// Every process that belongs to this sandbox: its id and command line.
    pub(crate) fn processes(&self) -> Vec<(Pid, String)> {
        let mark = self.mark();
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(Pid::from_raw)
            .filter(|pid| belongs(*pid, &mark))
            .map(|pid| (pid, command_line(pid)))
            .collect()
    }

    /// A program in the sandbox's environment, with nothing to read.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.root).stdin(Stdio::null());
        for kept in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        for (name, folder) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_RUNTIME_DIR", "runtime"),
            ("TMPDIR", "tmp"),
            ("GIT_CONFIG_GLOBAL", "gitconfig"),
        ] {
            command.env(name, self.root.join(folder));
        }
        command.env(MARK, &self.root).env("TZ", "UTC").env("LC_ALL", "C");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        // Without this git would look for a repository around the temporary folder.
        command.env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap_or(&self.root));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn finish_command(&self, command: &mut Command) -> Ran {
        let what = shown(command);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        finish(child.unwrap_or_else(|cause| panic!("start {what}: {cause}")), what)
    }

    /// Output with everything replaced that differs from run to run, for snapshots: this sandbox's
    /// folder, ids, hashes, times, durations and process ids.
    pub(crate) fn normalise(&self, text: &str) -> String {
        let text = text.replace(&self.root.display().to_string(), "<sandbox>");
        let text = text.replace(&self.folder.path().display().to_string(), "<sandbox>");
        normalise::words(&text.replace(&fixtures().display().to_string(), "<fixtures>"))
    }

    /// The variable by which this sandbox's processes are known.
    fn mark(&self) -> Vec<u8> {
        [MARK.as_bytes(), b"=", self.root.as_os_str().as_bytes()].concat()
    }

    fn end_processes(&self) {
        let mark = self.mark();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for (pid, _) in left {
                kill_if_ours(pid, &mark);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let strict = !std::thread::panicking() && !self.leftovers_allowed.load(Ordering::Relaxed);
        if strict {
            wait_while(self.farewell, || !self.processes().is_empty());
        }
        let left: Vec<String> =
            self.processes().iter().map(|(pid, line)| format!("{pid} {line}")).collect();
        self.end_processes();
        assert!(
            !strict || left.is_empty(),
            "processes of this test were left behind (`allow_leftovers` if that is the point):\n{}",
            left.join("\n")
        );
    }
}

/// A repository in a sandbox, and the binary run in it.
pub(crate) struct TestRepo<'s> {
    sandbox: &'s Sandbox,
    root: PathBuf,
}

impl TestRepo<'_> {
    /// The folder of its checkout, or the bare repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Runs git here, which must succeed, and gives its answer without the last newline.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_ran(arguments).ok().stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs git here, whatever comes of it.
    pub(crate) fn git_ran(&self, arguments: &[&str]) -> Ran {
        let mut command = self.sandbox.command("git");
        self.sandbox.finish_command(command.current_dir(&self.root).args(arguments))
    }

    /// Runs offshoot here.
    pub(crate) fn offshoot(&self, arguments: &[&str]) -> Ran {
        self.offshoot_in("", arguments)
    }

    /// Runs offshoot in a subdirectory (or any absolute folder).
    pub(crate) fn offshoot_in(&self, folder: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        self.sandbox.finish_command(command.current_dir(self.root.join(folder)))
    }

    /// Runs offshoot here with these bytes on its standard input.
    pub(crate) fn offshoot_reading(&self, input: &[u8], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = shown(&command);
        let mut child = command.spawn().unwrap_or_else(|cause| panic!("start {what}: {cause}"));
        let mut pipe = child.stdin.take().expect("it was asked for");
        let input = input.to_owned();
        // Its own thread: the program may answer before it has read everything, or never read.
        std::thread::spawn(move || pipe.write_all(&input));
        finish(child, what)
    }

    /// Runs offshoot with `--json`, which must exit 0, and gives the document.
    pub(crate) fn offshoot_json(&self, arguments: &[&str]) -> serde_json::Value {
        let (code, document) = self.offshoot_json_exit(arguments);
        assert_eq!(code, 0, "offshoot {arguments:?} answered {document:#}");
        document
    }

    /// Runs offshoot with `--json` (behind the verb) and gives the exit status and the document.
    pub(crate) fn offshoot_json_exit(&self, arguments: &[&str]) -> (i32, serde_json::Value) {
        let (verb, rest) = arguments.split_first().expect("a verb");
        let ran = self.offshoot(&[&[*verb, "--json"], rest].concat());
        match serde_json::from_str(&ran.stdout) {
            Ok(document) => (ran.code, document),
            Err(cause) => panic!("not one JSON document ({cause}): {ran}"),
        }
    }

    /// Starts offshoot here, both outputs piped, and does not wait. [`finish`] ends the story.
    pub(crate) fn offshoot_spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.unwrap_or_else(|cause| panic!("start {}: {cause}", shown(&command)))
    }

    /// Offshoot, here, not yet started: for tests that add to its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_offshoot"));
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// Writes a file of the checkout, its folders too.
    pub(crate) fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let file = self.root.join(path);
        std::fs::create_dir_all(file.parent().expect("below the root")).expect("its folder");
        std::fs::write(&file, contents).unwrap_or_else(|e| panic!("write {}: {e}", file.display()));
    }

    /// Reads a file of the checkout (or any absolute path) as text.
    pub(crate) fn read(&self, path: &str) -> String {
        let file = self.root.join(path);
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("read {}: {e}", file.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether a file or folder of the checkout is there; a dangling symlink is.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// `git status --porcelain`, untracked files one by one.
    pub(crate) fn status_porcelain(&self) -> String {
        self.git(&["status", "--porcelain", "--untracked-files=all"])
    }

    /// The commit of HEAD.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "--verify", "HEAD"])
    }

    /// The commit of a branch, if there is such a branch.
    pub(crate) fn branch_tip(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        let ran = self.git_ran(&["rev-parse", "--quiet", "--verify", &name]);
        (ran.code == 0).then(|| ran.stdout.trim_end().to_owned())
    }

    /// Records everything in the checkout as a commit, at a fixed date, and gives its id.
    pub(crate) fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        let mut command = self.sandbox.command("git");
        command.current_dir(&self.root).args(["commit", "--quiet", "--allow-empty", "-m", message]);
        for role in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            command.env(role, "2030-01-02T03:04:05Z");
        }
        self.sandbox.finish_command(&mut command).ok();
        self.head()
    }
}

/// What a finished program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The command line, for messages.
    pub(crate) what: String,
    /// The exit status; 128 and the signal's number where a signal ended it.
    pub(crate) code: i32,
    /// The answer.
    pub(crate) stdout: String,
    /// The narration.
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts that it exited 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts its exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts a part of what it said on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "`{words}` was not said: {self}");
        self
    }

    /// All of it as one normalised text for a snapshot.
    pub(crate) fn snapshot(&self, sandbox: &Sandbox) -> String {
        let Self { code, stdout, stderr, .. } = self;
        let text = format!("exit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        sandbox.normalise(&text)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, code, stdout, stderr } = self;
        write!(f, "`{what}` exited {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Waits for a started program. One that ends but whose output stays open (a background process
/// inherited it, so that `$(offshoot …)` would hang) fails the test as a hang does.
pub(crate) fn finish(child: Child, what: impl Into<String>) -> Ran {
    let (what, pid) = (what.into(), child.id());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(LONGEST_RUN) else {
        panic!("`{what}` (process {pid}) or its output did not end within {LONGEST_RUN:?}");
    };
    let output = output.unwrap_or_else(|cause| panic!("wait for `{what}`: {cause}"));
    let status = output.status;
    Ran {
        what,
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Holds an agent back until the test has seen what it wanted to see.
pub(crate) struct Gate {
    file: PathBuf,
}

impl Gate {
    /// What the agent `wait_for_gate` takes as its first argument.
    pub(crate) fn argument(&self) -> String {
        self.file.display().to_string()
    }

    /// Lets every agent through that waits here, now or later.
    pub(crate) fn open(&self) {
        std::fs::write(&self.file, "").expect("the gate can be opened");
    }

    /// Waits until an agent stands at the gate.
    pub(crate) fn wait_for_arrival(&self) {
        let arrived = PathBuf::from(self.argument() + ".arrived");
        wait_until(&format!("an agent at the gate {}", self.file.display()), || arrived.exists());
    }
}

/// Waits until a condition holds; after 20 seconds the test fails, saying what it waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(wait_while(PATIENCE, || !condition()), "waited {PATIENCE:?} in vain for {what}");
}

/// Looks every 5 ms at first, every 50 ms later; answers whether the condition ceased to hold.
fn wait_while(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let (deadline, mut pause) = (Instant::now() + limit, Duration::from_millis(5));
    while condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(50));
    }
    true
}

/// The folder of the fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Whether the environment of a process holds the sandbox's mark; a zombie has none.
fn belongs(pid: Pid, mark: &[u8]) -> bool {
    let file = format!("/proc/{}/environ", pid.as_raw_nonzero());
    let environment = std::fs::read(file).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

#[cfg(target_os = "linux")]
fn kill_if_ours(pid: Pid, mark: &[u8]) {
    use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    // The handle pins the process, so that the second look and the signal mean the same one.
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if belongs(pid, mark) {
        let _gone_already = pidfd_send_signal(&handle, Signal::KILL);
    }
}

/// Elsewhere no process is ever found, so there is none to end.
#[cfg(not(target_os = "linux"))]
fn kill_if_ours(_: Pid, _: &[u8]) {}

fn command_line(pid: Pid) -> String {
    let mut words = Vec::new();
    if let Ok(mut file) = std::fs::File::open(format!("/proc/{}/cmdline", pid.as_raw_nonzero())) {
        let _ended_meanwhile = file.read_to_end(&mut words);
    }
    String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
}

mod itself {
    use super::*;

    #[test]
    fn the_sandboxs_own_folder_is_normalised() {
        let sandbox = Sandbox::new();
        let text = format!("in {}/repo", sandbox.root().display());
        assert_eq!(sandbox.normalise(&text), "in <sandbox>/repo");
    }

    #[test]
    fn a_left_over_process_is_found_ended_and_fails_the_test() {
        let mut sandbox = Sandbox::new();
        sandbox.farewell = Duration::ZERO;
        let mut command = sandbox.command("setsid");
        let child = command.args(["sleep", "600"]).spawn().expect("setsid is there");
        wait_until("the process", || sandbox.processes().iter().any(|p| p.1 == "sleep 600"));
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(sandbox)));
        let message = dropped.expect_err("a left-over process fails the test");
        let message = message.downcast_ref::<String>().expect("a message");
        assert!(message.contains("sleep 600"), "{message}");
        assert_eq!(finish(child, "setsid sleep 600").code, 137);
    }

    #[test]
    fn a_gate_holds_an_agent_until_it_is_opened() {
        let sandbox = Sandbox::new();
        let (gate, agent) = (sandbox.gate("one"), sandbox.agent("wait_for_gate"));
        let mut command = sandbox.command(&agent);
        let child = command.arg(gate.argument()).args(["echo", "through"]);
        let mut child = child.stdout(Stdio::piped()).spawn().expect("the agent starts");
        gate.wait_for_arrival();
        assert!(child.try_wait().expect("it can be asked").is_none(), "it must be waiting");
        gate.open();
        assert_eq!(finish(child, "the agent").ok().stdout, "through\n");
    }
}
