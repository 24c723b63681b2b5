//! Starting processes: ours detached into sessions of their own, and the person's pager.

use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use rustix::io::FdFlags;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Our own program, as the kernel knows it: right even when the file was replaced meanwhile.
pub(super) const OURSELVES: &str = "/proc/self/exe";

/// Lets every signal through, whatever whoever started this program had blocked: the ends of children are
/// told by one, and neither a new program nor a copy of this one begins without its parent's blocks.
pub fn unblock_signals() {
    let mut none = std::mem::MaybeUninit::uninit();
    #[expect(unsafe_code, reason = "there is no safe call for a thread's signal mask")]
    // SAFETY: the set is initialised by the first call, and the second changes this thread's mask only.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// A process being put together: this program once more, or a shell, in a session of its own, so that
/// nothing typed at the dispatcher's terminal reaches it.
#[derive(Debug)]
pub struct Spawn {
    command: Command,
}

impl Spawn {
    /// This program with these arguments.
    #[must_use]
    pub fn ourselves(arguments: &[&OsStr], environment: &Environment) -> Self {
        let mut command = Command::new(OURSELVES);
        command.arg0("offshoot").args(arguments);
        Self::apart(command, environment)
    }

    /// A shell that runs a command line which the person wrote or accepted.
    #[must_use]
    pub fn shell(command_line: &str, environment: &Environment) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(command_line);
        Self::apart(command, environment)
    }

    /// Any program; a bare name is looked for in the `PATH` of its environment.
    #[must_use]
    pub fn program(program: &Path, arguments: &[&str], environment: &Environment) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::apart(command, environment)
    }

    fn apart(mut command: Command, environment: &Environment) -> Self {
        command.env_clear().envs(environment.iter());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let inherited = inherited_descriptors();
        #[expect(unsafe_code, reason = "there is no safe call for a session of one's own")]
        // SAFETY: setsid(2) and fcntl(2) are plain system calls, allowed between fork and exec; they
        // allocate nothing and take no lock. A number that is closed by then is an error, no harm.
        unsafe {
            command.pre_exec(move || {
                for number in &inherited {
                    let descriptor = BorrowedFd::borrow_raw(*number);
                    let _ = rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC);
                }
                rustix::process::setsid().map(drop).map_err(Into::into)
            });
        }
        Self { command }
    }

    /// Starts in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Reads from `source`.
    #[must_use]
    pub fn reading(mut self, source: impl Into<Stdio>) -> Self {
        self.command.stdin(source);
        self
    }

    /// Writes its output to `target`.
    #[must_use]
    pub fn writing(mut self, target: impl Into<Stdio>) -> Self {
        self.command.stdout(target);
        self
    }

    /// Writes its complaints to `target`.
    #[must_use]
    pub fn complaining(mut self, target: impl Into<Stdio>) -> Self {
        self.command.stderr(target);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// `io` when the system refuses.
    pub fn start(mut self) -> Result<Child> {
        self.command.spawn().attempt(|| "start a process")
    }
}

/// What our caller left open beside the standard streams: a pipe that somebody reads to its end, a
/// lock of theirs. A task that kept it would keep them waiting.
pub(super) fn inherited_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).collect()
}

/// Turns this process into `command` in `folder`, which reads nothing; returns only when that failed, and why.
#[must_use]
pub(super) fn become_program(
    command: &[String],
    environment: &Environment,
    folder: &Path,
) -> std::io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return std::io::Error::from(std::io::ErrorKind::InvalidInput);
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    command.current_dir(folder).stdin(Stdio::null()).exec()
}

/// Turns this process into our own program with these arguments and this environment, reading from
/// `input`; returns only when that failed, and why.
#[must_use]
pub fn become_ourselves(
    arguments: &[&OsStr],
    environment: &Environment,
    input: OwnedFd,
) -> std::io::Error {
    let mut command = Command::new(OURSELVES);
    command.arg0("offshoot").args(arguments).env_clear().envs(environment.iter());
    command.stdin(input).exec()
}

/// Takes these mode bits away from new files from now on.
pub fn set_umask(mask: u32) {
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(mask));
}

/// From now on this process's standard error goes to `target`.
///
/// # Errors
/// `io` when the system refuses.
pub fn complain_to(target: &File) -> Result<()> {
    rustix::stdio::dup2_stderr(target)
        .map_err(std::io::Error::from)
        .attempt(|| "redirect the standard error")
}

/// Says something to where this process complains. By the stream's name, since only faces print: here it is
/// a task's log.
pub fn complain(text: &str) {
    let log = File::options().append(true).open("/proc/self/fd/2");
    // There is nobody else to tell.
    let _ = log.and_then(|mut log| log.write_all(text.as_bytes()));
}

/// From now on orphans among this process's descendants become its children
/// (`PR_SET_CHILD_SUBREAPER`, prctl(2)).
///
/// # Errors
/// `unsupported` where the system cannot.
pub fn set_subreaper() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|cause| Error::unsupported(format!("cannot adopt orphans: {cause}")))
}

/// Takes the descriptor that this process was given as its standard input, and leaves `/dev/null`
/// in its place.
///
/// # Errors
/// `io` when no descriptor is left.
pub fn take_standard_input() -> Result<OwnedFd> {
    let taken = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)
        .map_err(std::io::Error::from)
        .attempt(|| "take over the standard input")?;
    let null = File::open("/dev/null").attempt(|| "open `/dev/null`")?;
    rustix::stdio::dup2_stdin(&null)
        .map_err(std::io::Error::from)
        .attempt(|| "open `/dev/null`")?;
    Ok(taken)
}

/// Starts the person's pager, which reads what we write; `None` when there is none to start.
#[must_use]
pub fn pager(command_line: &str, environment: &Environment) -> Option<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(command_line).env_clear().envs(environment.iter());
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if environment.get(name).is_none() {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).spawn().ok()
}
