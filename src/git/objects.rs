//! Making commits, byte for byte as they should be.
//!
//! Who the author and committer are is asked of git itself (`git var`), because libgit2 knows neither
//! the handed-in environment nor every rule. The commit is then written through libgit2, which
//! changes no byte of a message or a name in an old encoding and fsyncs the object. Only a signed
//! commit goes through `git commit-tree -S`, since signing programs are git's business.
//!
//! Invariant: with no identity configured the fallback identity is used, and never signed.

use super::command::{GitCommand, Started};
use super::error::GitAttempt;
use super::repo::{Repo, commit_id, oid};
use crate::error::{Error, Result};
use crate::names::{CommitId, ObjectId};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Who commits where nobody has told git who they are.
const FALLBACK_NAME: &str = "offshoot";
const FALLBACK_MAIL: &str = "offshoot@localhost";

/// Whether a commit is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Never: for commits that nobody lands.
    Never,
    /// If `commit.gpgSign` says so.
    AsConfigured,
}

/// A commit to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents, first parent first.
    pub parents: &'a [CommitId],
    /// Its message; a newline is added at the end where it is missing.
    pub message: &'a str,
    /// Whose author name, mail and date it keeps, byte for byte; none for a new author.
    pub author_of: Option<CommitId>,
    /// Whether it is signed.
    pub signing: Signing,
}

/// A commit to be made again elsewhere: author, encoding and message are the original's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replayed {
    pub(super) original: CommitId,
    pub(super) tree: ObjectId,
    pub(super) parent: CommitId,
    /// Whether the message is to name the original.
    pub(super) picked: bool,
}

/// Who commits, found out once for a series of commits.
#[derive(Debug)]
pub(super) struct Committer {
    /// `Name <mail> seconds zone`.
    line: Vec<u8>,
    sign: bool,
}

/// The parts of a commit object as bytes.
struct Draft<'a> {
    tree: ObjectId,
    parents: &'a [CommitId],
    author: Vec<u8>,
    encoding: Option<Vec<u8>>,
    message: Vec<u8>,
}

impl Repo {
    /// Makes a commit and answers its id; no ref is moved.
    ///
    /// # Errors
    /// `usage` for a message with a NUL, `git` when the object cannot be written or signed.
    pub fn create_commit(&self, new: &NewCommit<'_>) -> Result<CommitId> {
        // Git is asked about both at once.
        let asked = new.author_of.is_none().then(|| self.ask_identity("AUTHOR").start());
        let committer = self.committer(new.signing)?;
        let mut author = Vec::new();
        if let Some(asked) = asked {
            author = self.identity("AUTHOR", asked?)?.0;
        } else if let Some(commit) = new.author_of {
            author = self.header_of(commit, b"author ")?.unwrap_or_default();
        }
        let mut message = new.message.as_bytes().to_vec();
        if message.contains(&0) {
            return Err(Error::usage("a commit message cannot hold a NUL character"));
        }
        if !message.ends_with(b"\n") {
            message.push(b'\n');
        }
        let draft = Draft { tree: new.tree, parents: new.parents, author, encoding: None, message };
        self.write_commit(&draft, &committer)
    }

    /// Whether a commit is what [`create_commit`](Self::create_commit) made of this, by whomever and whenever.
    ///
    /// # Errors
    /// `git` when the commit is missing.
    pub fn is_made_as(&self, commit: CommitId, new: &NewCommit<'_>) -> Result<bool> {
        let found = self.commit(commit)?;
        let parents = found.parent_ids().map(commit_id);
        Ok(found.tree_id() == oid(new.tree)
            && parents.eq(new.parents.iter().copied())
            && found.message_raw_bytes() == new.message.as_bytes())
    }

    fn commit(&self, commit: CommitId) -> Result<git2::Commit<'_>> {
        self.inner.find_commit(oid(commit.0)).git_attempt(|| format!("read commit `{commit}`"))
    }

    /// Makes `replayed.original` again with another tree and parent.
    pub(super) fn replay_commit(
        &self,
        replayed: &Replayed,
        committer: &Committer,
    ) -> Result<CommitId> {
        let original = self.commit(replayed.original)?;
        let mut message = original.message_raw_bytes().to_vec();
        if replayed.picked {
            note_original(&mut message, replayed.original);
        }
        let draft = Draft {
            tree: replayed.tree,
            parents: &[replayed.parent],
            author: self.header_of(replayed.original, b"author ")?.unwrap_or_default(),
            encoding: self.header_of(replayed.original, b"encoding ")?,
            message,
        };
        self.write_commit(&draft, committer)
    }

    /// Who commits now, and whether the commits are signed.
    pub(super) fn committer(&self, signing: Signing) -> Result<Committer> {
        let (line, configured) =
            self.identity("COMMITTER", self.ask_identity("COMMITTER").start()?)?;
        let sign = match signing {
            Signing::Never => false,
            Signing::AsConfigured => configured && self.signing_is_configured()?,
        };
        Ok(Committer { line, sign })
    }

    fn ask_identity(&self, role: &str) -> GitCommand {
        // Otherwise git guesses a mail from the host's name where it can.
        let command = self.git.at(self.common_dir(), "var").env("GIT_CONFIG_COUNT", "1");
        let command = command.env("GIT_CONFIG_KEY_0", "user.useConfigOnly");
        command.env("GIT_CONFIG_VALUE_0", "true").arg(format!("GIT_{role}_IDENT"))
    }

    /// `Name <mail> seconds zone` of the author or committer, and whether somebody configured it.
    fn identity(&self, role: &str, asked: Started) -> Result<(Vec<u8>, bool)> {
        let configured = asked.finish(&[0, 1, 128, 129])?;
        if configured.code == 0 {
            return Ok((configured.stdout.trim_ascii_end().to_vec(), true));
        }
        let fallback = self
            .ask_identity(role)
            .env(&format!("GIT_{role}_NAME"), FALLBACK_NAME)
            .env(&format!("GIT_{role}_EMAIL"), FALLBACK_MAIL)
            .run()?;
        Ok((fallback.stdout.trim_ascii_end().to_vec(), false))
    }

    fn signing_is_configured(&self) -> Result<bool> {
        let command = self.git.at(self.common_dir(), "config");
        let answer = command.args(["--type=bool", "--get", "commit.gpgSign"]);
        Ok(answer.run_allowing(&[0, 1])?.line() == "true")
    }

    /// What follows `name` in the header of a commit object.
    fn header_of(&self, commit: CommitId, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.commit(commit)?;
        let mut lines = found.raw_header_bytes().split(|byte| *byte == b'\n');
        Ok(lines.find_map(|line| line.strip_prefix(name)).map(<[u8]>::to_vec))
    }

    fn write_commit(&self, draft: &Draft<'_>, committer: &Committer) -> Result<CommitId> {
        if committer.sign { self.write_signed(draft) } else { self.write_raw(draft, committer) }
    }

    fn write_raw(&self, draft: &Draft<'_>, committer: &Committer) -> Result<CommitId> {
        let mut raw = format!("tree {}\n", draft.tree).into_bytes();
        for parent in draft.parents {
            raw.extend(format!("parent {parent}\n").into_bytes());
        }
        let mut header = |name: &[u8], value: &[u8]| {
            raw.extend_from_slice(name);
            raw.extend_from_slice(value);
            raw.push(b'\n');
        };
        header(b"author ", &draft.author);
        header(b"committer ", &committer.line);
        if let Some(encoding) = &draft.encoding {
            header(b"encoding ", encoding);
        }
        raw.push(b'\n');
        raw.extend_from_slice(&draft.message);
        let written = self.inner.odb().and_then(|odb| odb.write(git2::ObjectType::Commit, &raw));
        written.map(commit_id).git_attempt(|| "write a commit")
    }

    fn write_signed(&self, draft: &Draft<'_>) -> Result<CommitId> {
        let author = Person::parse(&draft.author)
            .ok_or_else(|| Error::git("cannot sign a commit whose author line is malformed"))?;
        let mut command = self.git.at(self.common_dir(), "commit-tree").arg("-S");
        for parent in draft.parents {
            command = command.arg("-p").arg(parent.to_string());
        }
        if let Some(encoding) = &draft.encoding {
            command = command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", "i18n.commitEncoding")
                .env("GIT_CONFIG_VALUE_0", OsStr::from_bytes(encoding));
        }
        let output = command
            .env("GIT_AUTHOR_NAME", OsStr::from_bytes(author.name))
            .env("GIT_AUTHOR_EMAIL", OsStr::from_bytes(author.mail))
            .env("GIT_AUTHOR_DATE", OsStr::from_bytes(&[b"@", author.date].concat()))
            .args(["-F", "-"])
            .arg(draft.tree.to_string())
            .input(draft.message.clone())
            .run()?;
        output.line().parse()
    }
}

const PICKED: &str = "(cherry picked from commit ";

/// Adds the line of `git cherry-pick -x`: a paragraph of its own, unless the last one is made of
/// trailers already.
fn note_original(message: &mut Vec<u8>, original: CommitId) {
    if !message.is_empty() && !message.ends_with(b"\n") {
        message.push(b'\n');
    }
    if !ends_with_trailers(message) {
        message.push(b'\n');
    }
    message.extend(format!("{PICKED}{original})\n").into_bytes());
}

fn ends_with_trailers(message: &[u8]) -> bool {
    let lines: Vec<&[u8]> =
        message.trim_ascii_end().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    // The first paragraph is the subject, whatever it looks like.
    let Some(start) = lines.iter().rposition(|line| line.is_empty()) else { return false };
    let is_trailer = |line: &&[u8]| {
        let token = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let named = token.len() < line.len() && !token.is_empty();
        line.starts_with(PICKED.as_bytes())
            || (named && token.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
    };
    lines[start + 1..].iter().all(is_trailer)
}

/// The parts of an author line.
struct Person<'a> {
    name: &'a [u8],
    mail: &'a [u8],
    date: &'a [u8],
}

impl<'a> Person<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'<')?;
        let close = line.iter().rposition(|byte| *byte == b'>').filter(|close| *close > open)?;
        Some(Self {
            name: line[..open].trim_ascii(),
            mail: &line[open + 1..close],
            date: line[close + 1..].trim_ascii(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_is_named_as_git_names_it() {
        let id: CommitId = "a".repeat(40).parse().expect("an id");
        for (message, between) in [
            ("subject", "\n\n"),
            ("subject: of one\n", "\n"),
            ("subject\n\nbody: and more text\nof it\n", "\n"),
            ("subject\n\nSigned-off-by: A <a@b>\n", ""),
            ("subject\n\nbody\n\nX-Y: 1\n(cherry picked from commit 1234)\n", ""),
        ] {
            let mut noted = message.as_bytes().to_vec();
            note_original(&mut noted, id);
            let expected = format!("{message}{between}(cherry picked from commit {id})\n");
            assert_eq!(String::from_utf8_lossy(&noted), expected);
        }
    }

    #[test]
    fn an_author_line_is_taken_apart() {
        let person = Person::parse(b"J\xf6rg <j@x> 1700000000 +0100").expect("well formed");
        assert_eq!(person.name, b"J\xf6rg");
        assert_eq!(person.mail, b"j@x");
        assert_eq!(person.date, b"1700000000 +0100");
        assert!(Person::parse(b"nobody").is_none());
    }
}
