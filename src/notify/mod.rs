//! The door to those who are told: a session of a coding agent, a person's desktop and terminal.
//!
//! Each kind is told in its own way; data in, result out. Whoever calls decides when, gives the time
//! limit, and records what came of it. A way that hangs is given up at the limit. Nothing here is
//! retried, and nothing waits for an answer that nobody sends. opencode is told here only where somebody
//! names its server: a plugin inside it follows the inbox (`src/setup/opencode.js`).

mod claude;
mod opencode;
mod person;

pub use person::{bell, desktop, terminal};

use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::process::{self, Spawn};
use crate::task::{ProcessIdentity, Wake};
use std::sync::mpsc;
use std::time::Duration;

/// How the session named `parent` (`KIND:ID`) is woken, by what it left in the environment of the
/// command that it ran, and by its process; none where it has to come and ask.
#[must_use]
pub fn wake_of(
    parent: &str,
    process: Option<&ProcessIdentity>,
    environment: &Environment,
) -> Option<Wake> {
    let (kind, id) = parent.split_once(':')?;
    match kind {
        // A login shell, in which Codex runs commands, may have another `PATH` than Codex.
        "codex" if is_plain(id) => {
            let program = process
                .and_then(process::program)
                .filter(|program| program.file_name().is_some_and(|name| name == "codex"));
            Some(Wake::Codex { thread: id.to_owned(), program })
        }
        "claude" if environment.text("CLAUDE_CODE_SESSION_ID") == Some(id) => Some(Wake::Claude {
            socket: environment.get("CLAUDE_CODE_MESSAGING_SOCKET")?.into(),
            token: environment.text("CLAUDE_CODE_MESSAGING_TOKEN")?.to_owned(),
            session: id.to_owned(),
        }),
        "opencode" if is_plain(id) => Some(Wake::Opencode {
            server: environment.text("OFFSHOOT_OPENCODE_SERVER")?.to_owned(),
            password: environment.text("OPENCODE_SERVER_PASSWORD").map(str::to_owned),
            user: environment.text("OPENCODE_SERVER_USERNAME").map(str::to_owned),
            session: id.to_owned(),
        }),
        _ => None,
    }
}

/// An id that no program takes for an option.
fn is_plain(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// What a session is told.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The words.
    pub text: &'a str,
    /// Always the same for the same news, so that a session may know it again.
    pub id: &'a str,
}

/// Wakes a session.
///
/// # Errors
/// When the message did not get there, as far as that can be seen: none of them answers.
pub fn wake(
    wake: &Wake,
    message: Message<'_>,
    environment: &Environment,
    limit: Duration,
) -> Result<()> {
    match wake {
        Wake::Codex { thread, program } => {
            let words = ["queue", "--thread", thread, "--message", message.text];
            let program = program.as_deref().unwrap_or("codex".as_ref());
            process::run_bounded(Spawn::program(program, &words, environment), b"", limit)
                .map_err(|error| error.while_trying("queue the message by `codex queue`"))
        }
        Wake::Claude { socket, token, session } => {
            let sent = claude::Sent::new(token, session, message);
            let socket = socket.clone();
            within(limit, move || sent.to(&socket))
        }
        Wake::Opencode { server, user, password, session } => {
            let user = user.as_deref().unwrap_or("opencode");
            let login = password.as_deref().map(|password| (user, password));
            opencode::Server { url: server, login }.tell(session, message.text, limit)
        }
    }
}

/// Does something that may hang, and gives it up at the limit: the thread ends with the process.
fn within(limit: Duration, act: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    let act = move || sender.send(act());
    let _ended_by_itself = std::thread::Builder::new().spawn(act).attempt(|| "start a thread")?;
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        Err(Error::refused(format!("there was no end to it within {} s", limit.as_secs())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_woken_only_by_what_is_its_own() {
        let environment = |pairs: &[(&str, &str)]| {
            Environment::new(pairs.iter().map(|(name, value)| (name.into(), value.into())))
        };
        let claude = environment(&[
            ("CLAUDE_CODE_SESSION_ID", "s"),
            ("CLAUDE_CODE_MESSAGING_SOCKET", "/run/s"),
            ("CLAUDE_CODE_MESSAGING_TOKEN", "secret"),
        ]);
        let wake = wake_of("claude:s", None, &claude).expect("it can be woken");
        assert!(!format!("{wake:?}").contains("secret"), "{wake:?}");
        assert_eq!(wake_of("claude:other", None, &claude), None);
        assert_eq!(
            wake_of("claude:s", None, &environment(&[("CLAUDE_CODE_SESSION_ID", "s")])),
            None
        );
        assert_eq!(wake_of("codex:--config=x", None, &claude), None);
        assert!(wake_of("codex:019a-b", None, &claude).is_some());
        assert_eq!(wake_of("opencode:ses_1", None, &claude), None);
    }

    #[test]
    fn what_hangs_is_given_up() {
        let (_keep, gate) = mpsc::channel::<()>();
        let hang = move || gate.recv().map_err(|_| Error::internal("let go"));
        assert!(within(Duration::from_millis(20), hang).is_err());
    }
}
