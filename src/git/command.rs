//! The only place that starts the git executable.
//!
//! Every call names its git directory (a worktree's `.git` file is the agent's to change, so it is
//! never trusted), runs no hook and no file-system monitor, starts no background maintenance, takes
//! no optional lock and speaks no language but C. Output is taken as bytes; prose is never parsed.
//! Deliberately absent: any way to run git without naming the repository.

use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::threads;
use rustix::pipe::PIPE_BUF;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

/// The git executable together with the environment it runs in.
#[derive(Debug, Clone)]
pub struct Git {
    environment: Environment,
    /// Where it is, absolute where that is beyond doubt; looked for by the first command.
    program: OnceLock<PathBuf>,
    version: OnceLock<String>,
}

/// What a finished git command left behind.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub code: i32,
    /// What it answered.
    pub stdout: Vec<u8>,
    /// What it said beside the answer; for messages only.
    pub stderr: Vec<u8>,
}

impl Output {
    /// The answer as one line of text.
    #[must_use]
    pub fn line(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// The NUL-separated fields of the answer.
    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let end = self.stdout.strip_suffix(b"\0").unwrap_or(&self.stdout);
        (!end.is_empty()).then(|| end.split(|byte| *byte == 0)).into_iter().flatten()
    }
}

/// One call of git being put together.
#[derive(Debug)]
pub struct GitCommand {
    command: Command,
    input: Option<Vec<u8>>,
    verb: OsString,
}

impl Git {
    /// Git with `environment`, less what would point it at another repository.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let environment = environment.without_git_location();
        Self { environment, program: OnceLock::new(), version: OnceLock::new() }
    }

    fn program(&self) -> &Path {
        self.program.get_or_init(|| program(&self.environment).unwrap_or_else(|| "git".into()))
    }

    /// The environment that commands run in.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The person's home folder.
    pub(super) fn home(&self) -> Option<&str> {
        self.environment.text("HOME")
    }

    /// A call of `git VERB` on the repository (or linked worktree) whose git directory is `git_dir`.
    #[must_use]
    pub fn at(&self, git_dir: &Path, verb: &str) -> GitCommand {
        self.with_settings(git_dir, verb, &[])
    }

    /// The same for what is asked of objects alone, with no index: `diff-tree` would read all of it, and
    /// look there for attributes at most.
    pub(super) fn on_objects(&self, git_dir: &Path, verb: &str) -> GitCommand {
        self.at(git_dir, verb).index(&git_dir.join("no-index"))
    }

    /// The same with the hooks in a folder that the person trusts.
    pub(super) fn with_hooks(&self, git_dir: &Path, hooks: &Path, verb: &str) -> GitCommand {
        let mut folder = OsString::from("core.hooksPath=");
        folder.push(hooks);
        self.with_settings(git_dir, verb, &[folder])
    }

    /// The same for what nobody keeps: nothing that it writes is fsynced or made small. It is given whole
    /// ids, of which no ref need be asked whether it has the same name.
    #[must_use]
    pub fn in_passing(&self, git_dir: &Path, verb: &str) -> GitCommand {
        let settings =
            ["core.fsync=none", "core.looseCompression=0", "core.warnAmbiguousRefs=false"];
        self.with_settings(git_dir, verb, &settings.map(OsString::from))
    }

    /// Of two settings of one key the later one counts.
    fn with_settings(&self, git_dir: &Path, verb: &str, settings: &[OsString]) -> GitCommand {
        let mut command = Command::new(self.program());
        command.env_clear().envs(self.environment.iter());
        command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_DIR", git_dir);
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "gc.auto=0",
            "maintenance.auto=false",
            "core.fsync=all",
            "advice.detachedHead=false",
            // With more, git (2.39 and 2.47 at least) leaves files with a `working-tree-encoding` as stored.
            "checkout.workers=1",
        ]
        .map(OsStr::new)
        .into_iter()
        .chain(settings.iter().map(OsString::as_os_str))
        {
            command.arg("-c").arg(setting);
        }
        // Relative paths in arguments mean the same wherever the caller stands.
        command.current_dir(git_dir);
        GitCommand { command, input: None, verb: verb.into() }.setting_done(verb)
    }

    /// The version of the executable as `(major, minor)`.
    ///
    /// # Errors
    /// `unsupported` when there is no git to run.
    pub fn version(&self) -> Result<(u32, u32)> {
        let text = self.version_text()?;
        let mut numbers = text
            .trim_start_matches("git version ")
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
    }

    /// What the executable says of its version.
    pub(super) fn version_text(&self) -> Result<&str> {
        if self.version.get().is_none() {
            self.note_version(self.ask_version()?)?;
        }
        Ok(self.version.get().map_or("", String::as_str))
    }

    /// Asks for it, for whoever has something else to do meanwhile.
    pub(super) fn ask_version(&self) -> Result<Started> {
        let mut command = Command::new(self.program());
        command.env_clear().envs(self.environment.iter()).env("LC_ALL", "C").arg("version");
        GitCommand { command, input: None, verb: "version".into() }.start()
    }

    /// Takes the answer.
    pub(super) fn note_version(&self, asked: Started) -> Result<()> {
        let output = asked.finish(&[0])?;
        drop(self.version.set(String::from_utf8_lossy(&output.stdout).into_owned()));
        Ok(())
    }
}

impl GitCommand {
    fn setting_done(mut self, verb: &str) -> Self {
        self.command.arg(verb);
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the command's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Works on the files below `root`, which also becomes the current directory.
    #[must_use]
    pub fn work_tree(mut self, root: &Path) -> Self {
        self.command.env("GIT_WORK_TREE", root).current_dir(root);
        self
    }

    /// Uses this index file instead of the worktree's own.
    #[must_use]
    pub fn index(self, file: &Path) -> Self {
        self.env("GIT_INDEX_FILE", file)
    }

    /// Gives the command these bytes to read.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs the command; any exit status but 0 is an error with git's own words.
    ///
    /// # Errors
    /// `git` when git failed, `unsupported` when there is none.
    pub fn run(self) -> Result<Output> {
        self.run_allowing(&[0])
    }

    /// Runs the command; exit statuses in `allowed` are answers, others errors.
    ///
    /// # Errors
    /// `git` when git failed, `unsupported` when there is none.
    pub fn run_allowing(self, allowed: &[i32]) -> Result<Output> {
        self.start()?.finish(allowed)
    }

    /// Starts the command, for whoever has something else to do meanwhile.
    ///
    /// # Errors
    /// `unsupported` when there is no git.
    pub(super) fn start(mut self) -> Result<Started> {
        let verb = self.verb.to_string_lossy().into_owned();
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(|cause| git_missing(&cause))?;
        let given = child.stdin.take().zip(self.input.take());
        let mut started = Started { child: Some(child), writer: None, verb };
        match given {
            // An empty pipe takes that at once.
            Some((mut pipe, bytes)) if bytes.len() <= PIPE_BUF => drop(pipe.write_all(&bytes)),
            Some((mut pipe, bytes)) => {
                // Its own thread: git may fill its output pipe before it has read all of the input.
                let write = std::thread::Builder::new().spawn(move || drop(pipe.write_all(&bytes)));
                started.writer = Some(write.attempt(|| "start a thread")?);
            }
            None => {}
        }
        Ok(started)
    }
}

/// Equal shares of what git is to do, one for each processor where they are worth its start.
pub(super) fn shares<T>(work: &[T]) -> Vec<&[T]> {
    let most = work.len().div_ceil(WORTH_A_START);
    let count = threads::processors().min(most);
    work.chunks(work.len().div_ceil(count.max(1)).max(1)).collect()
}

/// As many merges or comparisons as take about as long as starting git does.
const WORTH_A_START: usize = 10;

/// A call of git that runs; whoever lets go of it waits for its end.
#[derive(Debug)]
pub(super) struct Started {
    child: Option<Child>,
    /// Ends with the child at the latest.
    writer: Option<JoinHandle<()>>,
    verb: String,
}

impl Started {
    /// Its answer, as [`GitCommand::run_allowing`].
    pub(super) fn finish(mut self, allowed: &[i32]) -> Result<Output> {
        let verb = std::mem::take(&mut self.verb);
        let child = self.child.take().expect("invariant: nobody has waited yet");
        let output = child.wait_with_output();
        self.join_writer();
        let output = output.attempt(|| format!("run `git {verb}`"))?;
        let code = output.status.code().unwrap_or(-1);
        if allowed.contains(&code) {
            return Ok(Output { code, stdout: output.stdout, stderr: output.stderr });
        }
        if let Some(signal) = output.status.signal() {
            return Err(Error::git(format!("`git {verb}` was killed by signal {signal}")));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("fatal: ").trim_start_matches("error: ");
        Err(Error::git(format!("`git {verb}` failed: {}", escape::lines(said))))
    }

    /// Whoever copies this process afterwards must be its only thread.
    fn join_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // What it still has to say, nobody hears.
            drop((child.stdout.take(), child.stderr.take()));
            drop(child.wait());
        }
        self.join_writer();
    }
}

/// The `git` that the `PATH` means. A program that is named by its path is started without this process
/// being copied, which takes half of the time. None where it depends on who starts it, or where.
fn program(environment: &Environment) -> Option<PathBuf> {
    let folders = std::env::split_paths(environment.get("PATH")?);
    let mut folders = folders.take_while(|folder| folder.is_absolute());
    let (program, found) = folders.find_map(|folder| {
        let program = folder.join("git");
        let found = program.metadata().ok().filter(Metadata::is_file)?;
        Some((program, found))
    })?;
    (found.permissions().mode() & 0o111 == 0o111).then_some(program)
}

fn git_missing(cause: &std::io::Error) -> Error {
    if cause.kind() == std::io::ErrorKind::NotFound {
        Error::unsupported("cannot run `git`: it is not on the PATH")
            .hint("install git 2.38 or newer")
    } else {
        Error::io("run `git`", cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole_in_order_and_none_is_empty() {
        for length in [0, 1, 9, 10, 11, 25, 1000] {
            let work: Vec<usize> = (0..length).collect();
            let parts = shares(&work);
            assert_eq!(parts.concat(), work);
            assert!(parts.iter().all(|part| !part.is_empty()), "{length}");
            assert!(parts.len() <= length.div_ceil(WORTH_A_START), "{length}");
        }
    }

    #[test]
    fn fields_are_split_at_nul_and_none_is_invented() {
        let output = |bytes: &[u8]| Output { code: 0, stdout: bytes.to_vec(), stderr: Vec::new() };
        assert_eq!(output(b"").fields().count(), 0);
        assert_eq!(output(b"a\0b\0").fields().collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
