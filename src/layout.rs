//! Every path that we own. Nothing else in the program joins a file name to our state folder.
//!
//! State lies in `<git common dir>/offshoot/`, never inside a worktree and never tracked. Lock files
//! are never deleted and never lie inside what they guard.

use crate::names::{TaskId, TaskName};
use std::path::{Path, PathBuf};

/// The paths of one repository's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The state of the repository whose common git directory is `common_dir`.
    #[must_use]
    pub fn of(common_dir: &Path) -> Self {
        Self { root: common_dir.join("offshoot") }
    }

    /// The one place for state.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every event in order.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    /// Which events were acknowledged.
    #[must_use]
    pub fn acks(&self) -> PathBuf {
        self.root.join("acks.jsonl")
    }

    /// An empty file for each event that nobody acknowledged; a hint that can be rebuilt.
    #[must_use]
    pub fn inbox(&self) -> PathBuf {
        self.root.join("inbox")
    }

    /// A file for each task of whose end somebody is still to be told, named by its id.
    #[must_use]
    pub fn untold(&self) -> PathBuf {
        self.root.join("untold")
    }

    /// What is kept of sessions: who tells them right now, and what they have seen.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Held by whoever tells a session something, so that it is told once. A session's name may be any
    /// text, so its files are named by a UUID made from it.
    #[must_use]
    pub fn session_lock(&self, session: &str) -> PathBuf {
        self.sessions().join(format!("{}.lock", TaskId::named_by(session)))
    }

    /// The last cursor of the inbox that a session was shown.
    #[must_use]
    pub fn session_seen(&self, session: &str) -> PathBuf {
        self.sessions().join(format!("{}.seen", TaskId::named_by(session)))
    }

    /// The id of the boot under which the indexes were last known to be whole.
    #[must_use]
    pub fn boot(&self) -> PathBuf {
        self.root.join("boot")
    }

    /// What a table tells of decided tasks.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.root.join("history.jsonl")
    }

    /// The last sequence number given to a task, and that task while it is being made.
    #[must_use]
    pub fn sequence(&self) -> PathBuf {
        self.root.join("sequence")
    }

    /// The locks on paths.
    #[must_use]
    pub fn path_locks(&self) -> PathBuf {
        self.root.join("paths.json")
    }

    /// A lock of the whole repository.
    #[must_use]
    pub fn lock(&self, lock: RepoLock) -> PathBuf {
        self.root.join(match lock {
            RepoLock::Land => "land.lock",
            RepoLock::Repo => "repo.lock",
            RepoLock::Queue => "queue.lock",
            RepoLock::Paths => "paths.lock",
            RepoLock::Journal => "journal.lock",
        })
    }

    /// An index folder: files in it are hints that can be rebuilt from the records.
    #[must_use]
    pub fn index(&self, index: Index) -> PathBuf {
        self.root.join(match index {
            Index::Open => "open",
            Index::Names => "names",
            Index::Requests => "requests",
            Index::Queue => "queue",
            Index::Active => "active",
        })
    }

    /// The entry of a name.
    #[must_use]
    pub fn name(&self, name: &TaskName) -> PathBuf {
        self.index(Index::Names).join(name.as_str())
    }

    /// The entry of a caller's own id of a dispatch. Such an id may be any text, so its entry is named
    /// by a UUID made from it (version 5, RFC 9562).
    #[must_use]
    pub fn request(&self, request: &str) -> PathBuf {
        self.index(Index::Requests).join(TaskId::named_by(request).to_string())
    }

    /// The journals of landings.
    #[must_use]
    pub fn landings(&self) -> PathBuf {
        self.root.join("landings")
    }

    /// Worktree entries of released worktrees, until they are collected.
    #[must_use]
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// What is worked with for a moment and belongs to no task; whoever made it removes it, or the next
    /// one after a kill.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// Records of spare worktrees, which no task uses.
    #[must_use]
    pub fn pool(&self) -> PathBuf {
        self.root.join("pool")
    }

    /// Contents of files, ready to be written.
    #[must_use]
    pub fn stock(&self) -> PathBuf {
        self.root.join("stock")
    }

    /// What a process in the background is to do, a file a chore.
    #[must_use]
    pub fn chores(&self) -> PathBuf {
        self.root.join("chores")
    }

    /// Held by whoever does chores.
    #[must_use]
    pub fn upkeep(&self) -> PathBuf {
        self.root.join("upkeep.lock")
    }

    /// Which trees passed which verify command, and what the runs before landings wrote.
    #[must_use]
    pub fn verdicts(&self) -> PathBuf {
        self.root.join("verdicts")
    }

    /// What forecasts came to.
    #[must_use]
    pub fn foreseen(&self) -> PathBuf {
        self.root.join("foreseen")
    }

    /// Records, a folder a task.
    #[must_use]
    pub fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// The files of one task.
    #[must_use]
    pub fn task(&self, id: TaskId) -> TaskLayout {
        TaskLayout { root: self.tasks().join(id.to_string()) }
    }
}

/// Locks of the whole repository, in the order in which they may be taken (a task's own lock comes
/// between `Land` and `Repo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepoLock {
    /// Moving a target.
    Land,
    /// Adding and removing worktrees.
    Repo,
    /// The queue and the slots.
    Queue,
    /// Locks on paths, and which claims hold.
    Paths,
    /// Appending events.
    Journal,
}

/// Folders of small files by which tasks are found without reading every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// Tasks that still need somebody, by id.
    Open,
    /// Ids by name; the newest bearer of a name.
    Names,
    /// Ids by the caller's own id of the dispatch.
    Requests,
    /// Pending tasks, by priority and sequence.
    Queue,
    /// Tasks that some process is changing or running right now, by id.
    Active,
}

/// The paths of one task's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLayout {
    root: PathBuf,
}

impl TaskLayout {
    /// The task's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What was asked for; written once.
    #[must_use]
    pub fn spec(&self) -> PathBuf {
        self.root.join("spec.json")
    }

    /// What became of it.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// Holding it means "I may change this task".
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Held while a process of the task waits for other tasks, so that they can have its slot.
    #[must_use]
    pub fn lent(&self) -> PathBuf {
        self.root.join("lent")
    }

    /// The dispatcher's environment.
    #[must_use]
    pub fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    /// The values of `--env`.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// By what the session that dispatched it is woken; it holds a secret.
    #[must_use]
    pub fn wake(&self) -> PathBuf {
        self.root.join("wake")
    }

    /// Held by whoever tells others of its end.
    #[must_use]
    pub fn telling(&self) -> PathBuf {
        self.root.join("telling")
    }

    /// Who was told of its ends, and how that went.
    #[must_use]
    pub fn told(&self) -> PathBuf {
        self.root.join("told.jsonl")
    }

    /// What the command of `--on-done` wrote.
    #[must_use]
    pub fn on_done_log(&self) -> PathBuf {
        self.root.join("on-done.log")
    }

    /// The agent's output.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.root.join("output.log")
    }

    /// A preset's standard error.
    #[must_use]
    pub fn stderr(&self) -> PathBuf {
        self.root.join("stderr.log")
    }

    /// A log of an earlier attempt, kept beside the present one.
    #[must_use]
    pub fn of_attempt(&self, log: &Path, attempt: u32) -> PathBuf {
        log.with_extension(format!("{attempt}.log"))
    }

    /// What the supervisor had to say.
    #[must_use]
    pub fn supervisor_log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// How the agent's process ended, written by whoever reaped it.
    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.root.join("status")
    }

    /// There once the agent's command is about to be executed.
    #[must_use]
    pub fn started(&self) -> PathBuf {
        self.root.join("started")
    }

    /// Why the agent's command could not be executed.
    #[must_use]
    pub fn spawn_error(&self) -> PathBuf {
        self.root.join("spawn_error")
    }

    /// What all worktrees shared when the agent was let go.
    #[must_use]
    pub fn fingerprint(&self) -> PathBuf {
        self.root.join("fingerprint.json")
    }

    /// What the set-up command wrote.
    #[must_use]
    pub fn setup_log(&self) -> PathBuf {
        self.root.join("setup.log")
    }

    /// What the verify command wrote.
    #[must_use]
    pub fn verify_log(&self) -> PathBuf {
        self.root.join("verify.log")
    }

    /// The ports that the task may use while it runs.
    #[must_use]
    pub fn ports(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// There while the worktree is being made.
    #[must_use]
    pub fn intent(&self) -> PathBuf {
        self.root.join("making")
    }

    /// The index in which the worktree's content is recorded.
    #[must_use]
    pub fn snapshot_index(&self) -> PathBuf {
        self.root.join("snapshot")
    }

    /// The worktree's index as it was right after the checkout.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// There while a merge is being opened in the worktree.
    #[must_use]
    pub fn merging(&self) -> PathBuf {
        self.root.join("merging")
    }

    /// The index in which a part of the work is put together.
    #[must_use]
    pub fn part_index(&self) -> PathBuf {
        self.root.join("part")
    }

    /// An index in which the process `pid` looks at the worktree while the task runs.
    #[must_use]
    pub fn live_index(&self, pid: u32) -> PathBuf {
        self.root.join(format!("live-{pid}"))
    }

    /// What was sent to the task and waits for its turn, a file a message.
    #[must_use]
    pub fn messages(&self) -> PathBuf {
        self.root.join("messages")
    }

    /// Requests to the supervisor, numbered files.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.root.join("control")
    }
}
