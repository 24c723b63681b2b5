//! A repository in a sandbox: git, the binary and files in it.

use super::run::{Ran, shown};
use super::{Sandbox, program};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A repository in a sandbox, and the binary run in it.
pub(crate) struct TestRepo<'s> {
    pub(super) sandbox: &'s Sandbox,
    pub(super) root: PathBuf,
}

impl TestRepo<'_> {
    /// The folder of its checkout, or the bare repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The world that it lies in.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        self.sandbox
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
        self.sandbox.finish_reading(&mut self.command(arguments), input)
    }

    /// Runs offshoot here on a terminal, typing `input`.
    pub(crate) fn offshoot_on_terminal(&self, input: &str, arguments: &[&str]) -> Ran {
        self.sandbox.finish_on_terminal(&self.command(arguments), input)
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
        let mut command = self.sandbox.command(program());
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
