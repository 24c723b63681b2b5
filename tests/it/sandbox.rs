//! The fixture for driving the real binary: a folder of its own with its own HOME and git
//! configuration, repositories made by the scripts in `fixtures/repos`, agents from
//! `fixtures/agents`, and an end that finds every process a test left behind.
//!
//! Whatever runs in a sandbox carries `OFFSHOOT_TEST_SANDBOX=<its folder>` in its environment; that,
//! and nothing broader, is how processes are found at the end (through `/proc`; where there is none,
//! nothing is looked for). No test sleeps: a [`Gate`] steers fake agents, [`wait_until`] waits for
//! what they do. Deliberately absent: any use of the library, the binary is all that a story knows.

mod normalise;
mod repo;
mod run;
mod tasks;
mod wait;

pub(crate) use repo::TestRepo;
pub(crate) use run::{Ran, finish};
pub(crate) use tasks::text;
pub(crate) use wait::{Gate, wait_until};

use run::shown;
use rustix::process::Pid;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wait::{PATIENCE, wait_while};

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
[safe]
\tdirectory = *
[advice]
\tdetachedHead = false
";

/// The program that is built with the tests. It loads its libraries, so that one can be put before them.
pub(crate) const BUILT: &str = env!("CARGO_BIN_EXE_offshoot");

/// The program under test: the one that `OFFSHOOT_BIN` names, else [`BUILT`].
pub(crate) fn program() -> &'static str {
    static PROGRAM: LazyLock<String> =
        LazyLock::new(|| std::env::var("OFFSHOOT_BIN").unwrap_or_else(|_| BUILT.to_owned()));
    &PROGRAM
}

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

    /// A clone of the repository that these tests lie in, on branch main: real history. From an
    /// unpacked archive, which has none, its files as one commit.
    pub(crate) fn clone_of_this_repository(&self) -> TestRepo<'_> {
        let source = env!("CARGO_MANIFEST_DIR");
        let root = self.root.join("clone");
        let clone = self.open(&root);
        if Path::new(source).join(".git").exists() {
            let mut command = self.command("git");
            command.args(["clone", "--quiet", "--no-hardlinks", source]).arg(&root);
            self.finish_command(&mut command).ok();
            clone.git(&["checkout", "--quiet", "-B", "main"]);
            clone.git(&["remote", "remove", "origin"]);
        } else {
            std::fs::create_dir(&root).expect("a folder in the sandbox");
            clone.git(&["init", "--quiet"]);
            clone.git(&["--work-tree", source, "add", "--all"]);
            clone.git(&["commit", "--quiet", "--message", "the archive"]);
            clone.git(&["reset", "--quiet", "--hard"]);
        }
        clone
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

    /// Runs a command on a terminal of its own, typing `input` there. What the terminal shows, both
    /// streams in one, is the answer; its lines end as a terminal ends them, in CR and LF.
    pub(crate) fn finish_on_terminal(&self, command: &Command, input: &str) -> Ran {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted =
            words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
        let mut terminal = self.command("script");
        terminal.args(["--quiet", "--return", "--command", &quoted.collect::<Vec<_>>().join(" ")]);
        terminal.arg("/dev/null").current_dir(command.get_current_dir().unwrap_or(&self.root));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => terminal.env(name, value),
                None => terminal.env_remove(name),
            };
        }
        self.finish_reading(terminal.env("TERM", "xterm"), input.as_bytes())
    }

    /// Runs a command to its end with these bytes on its standard input.
    pub(crate) fn finish_reading(&self, command: &mut Command, input: &[u8]) -> Ran {
        let what = shown(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|cause| panic!("start {what}: {cause}"));
        let mut pipe = child.stdin.take().expect("it was asked for");
        let input = input.to_owned();
        // Its own thread: the program may answer before it has read everything, or never read.
        std::thread::spawn(move || pipe.write_all(&input));
        finish(child, what)
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

/// The folder of the fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
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
    fn a_clone_of_this_repository_has_its_files() {
        let sandbox = Sandbox::new();
        let clone = sandbox.clone_of_this_repository();
        assert!(clone.exists("Cargo.toml"));
        assert_eq!(clone.git(&["branch", "--show-current"]), "main");
    }

    #[test]
    fn a_command_on_a_terminal_sees_one_and_reads_what_is_typed() {
        let sandbox = Sandbox::new();
        let mut command = sandbox.command("sh");
        command.args([
            "-c",
            "test -t 0 && test -t 1 && test -t 2 && read x && echo \"it's $x\"; exit 7",
        ]);
        let ran = sandbox.finish_on_terminal(&command, "typed\n").exits(7);
        assert!(ran.stdout.contains("it's typed\r\n"), "{ran}");
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
