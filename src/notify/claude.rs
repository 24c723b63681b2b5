//! The socket of a session of Claude Code: two lines of JSON, no answer to either.

use super::Message;
use crate::error::{Attempt, Result};
use serde_json::json;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The lines for one message.
pub(super) struct Sent {
    lines: Vec<u8>,
}

impl Sent {
    pub(super) fn new(token: &str, session: &str, message: Message<'_>) -> Self {
        let auth = json!({"type": "auth", "token": token});
        let user = json!({
            "type": "user", "msgV": 1, "msg_id": message.id, "session_id": session,
            "message": {"role": "user", "content": message.text},
        });
        Self { lines: format!("{auth}\n{user}\n").into_bytes() }
    }

    /// Sends them.
    pub(super) fn to(&self, socket: &Path) -> Result<()> {
        let attempt = || format!("tell the session at `{}`", socket.display());
        let mut stream = UnixStream::connect(socket).attempt(attempt)?;
        stream.write_all(&self.lines).and_then(|()| stream.flush()).attempt(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_session_gets_the_token_and_then_the_words() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).expect("listens");
        let sent = Sent::new("t", "s", Message { text: "a \"b\"\nc", id: "i" });
        let told = std::thread::spawn(move || sent.to(&socket));
        let mut text = String::new();
        listener.accept().expect("somebody comes").0.read_to_string(&mut text).expect("reads");
        told.join().expect("ends").expect("is told");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0], json!({"type": "auth", "token": "t"}));
        assert_eq!(lines[1]["message"]["content"], "a \"b\"\nc");
        assert_eq!((&lines[1]["session_id"], &lines[1]["msg_id"]), (&json!("s"), &json!("i")));
    }
}
