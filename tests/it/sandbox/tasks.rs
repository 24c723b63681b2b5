//! What most stories do with tasks: dispatch one, wait for its end, look where its record lies.

use super::repo::TestRepo;
use serde_json::Value;
use std::path::{Path, PathBuf};

impl TestRepo<'_> {
    /// Dispatches a command under a name and gives the task.
    pub(crate) fn dispatch(&self, name: &str, command: &[&str]) -> Value {
        self.offshoot_json(&[&["dispatch", "--name", name, "--"], command].concat())
    }

    /// Dispatches a command under a name and gives the task in full once it has ended.
    pub(crate) fn dispatch_to_end(&self, name: &str, command: &[&str]) -> Value {
        self.dispatch(name, command);
        self.wait_for(name)
    }

    /// Waits for a task's end and gives it in full.
    pub(crate) fn wait_for(&self, task: &str) -> Value {
        let (code, mut waited) = self.offshoot_json_exit(&["wait", task]);
        assert!(matches!(code, 0 | 4), "waiting for {task} exited {code}: {waited:#}");
        waited["tasks"][0].take()
    }

    /// One task in full.
    pub(crate) fn task(&self, name: &str) -> Value {
        self.offshoot_json(&["status", name])
    }

    /// The folder of our own state.
    pub(crate) fn state_folder(&self) -> PathBuf {
        let common = self.git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
        Path::new(&common).join("offshoot")
    }

    /// The folder of a task's record.
    pub(crate) fn record_folder(&self, task: &Value) -> PathBuf {
        self.state_folder().join("tasks").join(text(&task["id"]))
    }

    /// A file of a task's record, read as JSON.
    pub(crate) fn record(&self, task: &Value, file: &str) -> Value {
        let path = self.record_folder(task).join(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Every whole line of the journal.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state_folder().join("journal.jsonl"));
        let text = text.unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| serde_json::from_str(line).expect("a line of the journal")).collect()
    }

    /// The names of the events of a task, in order.
    pub(crate) fn told(&self, name: &str) -> Vec<String> {
        let events = self.journal().into_iter().filter(|event| event["task"]["name"] == name);
        events.map(|event| text(&event["event"]).to_owned()).collect()
    }

    /// A task's worktree, as a repository of its own.
    pub(crate) fn worktree_of(&self, task: &Value) -> TestRepo<'_> {
        self.sandbox.open(text(&task["worktree"]))
    }

    /// Asserts that nothing of any task is there: no ref, record, worktree or branch.
    #[track_caller]
    pub(crate) fn assert_nothing_left_behind(&self) {
        let refs = self.git(&["for-each-ref", "refs/offshoot", "refs/heads/offshoot/"]);
        assert_eq!(refs, "");
        let folders = ["tasks", "open", "names", "queue", "active", "requests"];
        for folder in folders.map(|name| self.state_folder().join(name)) {
            let entries = std::fs::read_dir(&folder).map_or(0, Iterator::count);
            assert_eq!(entries, 0, "{} is not empty", folder.display());
        }
        assert!(!self.offshoots().exists(), "{} was made", self.offshoots().display());
        assert_eq!(self.journal(), Vec::<Value>::new());
    }

    /// The folder in which worktrees are made.
    pub(crate) fn offshoots(&self) -> PathBuf {
        let mut name = self.root.file_name().expect("a name").to_owned();
        name.push(".offshoots");
        self.root.with_file_name(name)
    }
}

/// A JSON string's text.
#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
