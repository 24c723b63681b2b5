//! `dispatch`: record a task durably, queue it, and answer; the worktree is made later.

use super::describe::describe;
use super::recover::{find, recover};
use crate::agent::{self, Assignment};
use crate::context::Context;
use crate::environment::Variable;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::git::{Expected, NewCommit, Signing, SnapshotRequest, SnapshotStart};
use crate::names::{BranchName, CommitId, TaskId, TaskName};
use crate::process;
use crate::store::{Naming, NewTask, Placing};
use crate::supervisor;
use crate::task::{AgentName, Base, Dependency, Need, SCHEMA, Task, TaskSpec};
use crate::view::TaskView;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// How many tasks deep a task may dispatch tasks.
const DEEPEST: u32 = 3;

/// What the task is to do.
#[derive(Debug, Clone)]
pub enum Work {
    /// A preset works on a prompt.
    Prompt {
        /// The preset; none means the configured one, else the caller's own kind.
        agent: Option<String>,
        /// The prompt.
        prompt: String,
    },
    /// A command is run as it is.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// A prompt for it, in `OFFSHOOT_PROMPT`.
        prompt: Option<String>,
    },
}

/// What the task's worktree begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// The base commit.
    Commit,
    /// The base commit and the caller's uncommitted work.
    WithChanges,
}

/// A dispatch.
#[derive(Debug, Clone)]
pub struct DispatchRequest {
    /// What to do.
    pub work: Work,
    /// A name; made up when there is none.
    pub name: Option<String>,
    /// Where to start; the caller's HEAD when not given.
    pub base: Option<String>,
    /// Where to land; the base's branch when not given.
    pub target: Option<String>,
    /// A model, passed on by presets.
    pub model: Option<String>,
    /// The caller's own note, returned with the result.
    pub context: Option<String>,
    /// Variables for the agent.
    pub env: Vec<Variable>,
    /// Greater runs earlier.
    pub priority: i32,
    /// Tasks that must have completed first.
    pub after: Vec<String>,
    /// Tasks that must have ended first, whatever their outcome.
    pub after_any: Vec<String>,
    /// How often a failed attempt is followed by another one.
    pub retries: u32,
    /// How long the agent may run.
    pub timeout: Option<Duration>,
    /// What the worktree begins with.
    pub start: StartFrom,
    /// The same id again answers with the same task.
    pub request_id: Option<String>,
}

/// Records and queues a task, and starts it if a slot is free.
///
/// # Errors
/// `usage` for a bad name or command, `not_found` for a missing revision, branch or agent, `refused`
/// on an unborn branch, a taken name or too deep a nesting. Then nothing is left behind.
pub fn dispatch(context: &Context, request: DispatchRequest) -> Result<TaskView> {
    recover(context)?;
    let naming = if request.name.is_some() { Naming::Chosen } else { Naming::MadeUp };
    let name = match &request.name {
        Some(name) => TaskName::new(name.clone())?,
        None => TaskName::from_words(&request.work.words()),
    };
    let parent = parent_task(context)?;
    let id = TaskId::random();
    let after = dependencies(context, &request)?;
    let (agent, command, session) = settle_work(context, &request, id)?;
    let base = settle_base(context, &request, id)?;
    let target = settle_target(context, &request, &base, parent.as_ref())?;
    let spec = TaskSpec {
        schema: SCHEMA,
        id,
        branch: BranchName::new(format!("{}{name}", context.config.branch_prefix))?,
        name,
        sequence: 0,
        created_at: context.now(),
        agent,
        prompt: request.work.prompt(),
        command,
        model: request.model,
        context: request.context,
        base,
        target,
        worktree: PathBuf::new(),
        subdirectory: subdirectory(context),
        umask: process::umask(),
        priority: request.priority,
        after,
        timeout_ms: request
            .timeout
            .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        retries: request.retries,
        parent: agent::parent_session(&context.environment),
        depth: parent.as_ref().map_or(0, |parent| parent.spec.depth + 1),
        parent_task: parent.map(|parent| parent.id()),
        request_id: request.request_id,
    };
    if naming == Naming::Chosen
        && let Placing::Taken(error) = place(context, &mut spec.clone())?
    {
        // Before anything is written, so that a refusal leaves nothing behind.
        return Err(error);
    }
    let new = NewTask {
        spec,
        environment: context.environment.without_git_location().without_parent_session(),
        secrets: request.env,
        session,
        naming,
    };
    let task = record(context, new)?;
    supervisor::pump(&context.store, &context.config).map_err(|error| {
        let name = task.name();
        error
            .while_trying(format!("start `{name}`, which is recorded and queued"))
            .hint(format!("offshoot status {name}"))
    })?;
    describe(context, &context.store.read(task.id())?)
}

/// The tasks to wait for. They were all dispatched before, so there can be no cycle.
fn dependencies(context: &Context, request: &DispatchRequest) -> Result<Vec<Dependency>> {
    let needs = [(&request.after, Need::Completed), (&request.after_any, Need::Ended)];
    let mut after = Vec::new();
    for (names, need) in needs {
        for text in names {
            let other = find(context, text)?;
            after.push(Dependency { task: other.id(), name: other.spec.name, need });
        }
    }
    Ok(after)
}

/// Pins the base, so that no `git gc` takes it away, then makes the record.
fn record(context: &Context, new: NewTask) -> Result<Task> {
    let pin = format!("refs/offshoot/base/{}", new.spec.id);
    let (id, base) = (new.spec.id, new.spec.base.commit);
    context.repo.set_ref(&pin, Expected::Absent, base, "offshoot: base of a task")?;
    let made = context.store.create(new, |spec| place(context, spec));
    match &made {
        // The same request was recorded before, or nothing was: the pin is not needed.
        Ok(task) if task.id() == id => {}
        _ => context.repo.delete_ref(&pin, base)?,
    }
    made
}

/// Settles branch and folder for a name, or says what is in their way.
fn place(context: &Context, spec: &mut TaskSpec) -> Result<Placing> {
    let branch = BranchName::new(format!("{}{}", context.config.branch_prefix, spec.name))?;
    let taken =
        |text: String| Ok(Placing::Taken(Error::refused(text).hint("choose another `--name`")));
    for (end, _) in branch.as_str().match_indices('/') {
        let outer = &branch.as_str()[..end];
        if context.repo.read_ref(&format!("refs/heads/{outer}"))?.is_some() {
            return Err(Error::refused(format!(
                "cannot make the branch `{branch}`: there is a branch `{outer}`"
            ))
            .hint("choose another `branch_prefix` in the configuration"));
        }
    }
    if context.repo.read_ref(&branch.full_ref())?.is_some()
        || !context.repo.refs_below(&format!("{}/", branch.full_ref()))?.is_empty()
    {
        return taken(format!("the branch `{branch}` is there already"));
    }
    let root = worktree_root(context);
    if context.repo.main_worktree().is_some_and(|main| root.starts_with(main)) {
        return Err(Error::usage(format!(
            "cannot make worktrees in `{}`: it lies inside the main worktree, where git would see them",
            root.display()
        ))
        .hint("choose another `worktree_root` in the configuration"));
    }
    spec.worktree = root.join(spec.name.as_str());
    let paths = [spec.worktree.as_path(), &spec.subdirectory, context.store.layout().root()];
    if let Some(odd) = paths.into_iter().find(|path| path.to_str().is_none()) {
        return Err(Error::unsupported(format!(
            "cannot record the path `{}`: it is not UTF-8",
            escape::line(&odd.to_string_lossy())
        ))
        .hint("rename the folder, or use another `worktree_root`"));
    }
    if spec.worktree.symlink_metadata().is_ok() {
        return taken(format!("`{}` is there already", spec.worktree.display()));
    }
    spec.branch = branch;
    Ok(Placing::Free)
}

/// The folder that holds worktrees: as configured, else `<repo>.offshoots` beside the repository.
fn worktree_root(context: &Context) -> PathBuf {
    let home = context.repo.home();
    match &context.config.worktree_root {
        Some(root) => normal(&home.join(root)),
        None => {
            let mut name = home.file_name().unwrap_or("repository".as_ref()).to_owned();
            name.push(".offshoots");
            home.with_file_name(name)
        }
    }
}

/// The same path without `.` and `..`; nothing needs to be there yet.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => normal.push(part),
        }
    }
    normal
}

fn settle_work(
    context: &Context,
    request: &DispatchRequest,
    id: TaskId,
) -> Result<(Option<AgentName>, Vec<String>, Option<String>)> {
    match &request.work {
        Work::Command { command, .. } if command.iter().all(String::is_empty) => {
            Err(Error::usage("there is no command to run").hint("offshoot dispatch -- CMD ARG…"))
        }
        Work::Command { command, .. } => Ok((None, command.clone(), None)),
        Work::Prompt { prompt, .. } if prompt.trim().is_empty() => {
            Err(Error::usage("the prompt is empty").hint("offshoot dispatch \"what to do\""))
        }
        Work::Prompt { agent, prompt } => {
            let agent = match agent {
                Some(name) => AgentName::new(name.clone())?,
                None => default_agent(context)?,
            };
            let session = id.to_string();
            let assignment =
                Assignment { prompt, model: request.model.as_deref(), session: &session };
            let made = agent::command(&agent, &assignment, &context.environment)?;
            Ok((Some(agent), made.command, made.session))
        }
    }
}

fn default_agent(context: &Context) -> Result<AgentName> {
    let known = context.config.default_agent.clone();
    known.or_else(|| agent::calling_agent(&context.environment)).ok_or_else(|| {
        Error::usage("no agent was named for the prompt")
            .hint(format!("offshoot dispatch --agent {} \"…\"", agent::names().join("|")))
            .hint("offshoot dispatch -- CMD ARG…  runs any other command")
            .hint("`default_agent = \"…\"` in the configuration names one for good")
    })
}

fn settle_base(context: &Context, request: &DispatchRequest, id: TaskId) -> Result<Base> {
    let base = match &request.base {
        Some(revision) => {
            let branch = BranchName::new(revision.clone()).ok();
            let tip = branch.as_ref().map(|branch| context.repo.read_ref(&branch.full_ref()));
            match (branch, tip.transpose()?.flatten()) {
                (Some(branch), Some(commit)) => {
                    Base { branch: Some(branch), commit, snapshot_of: None }
                }
                _ => {
                    let commit = context.repo.resolve(revision)?;
                    Base { branch: None, commit, snapshot_of: None }
                }
            }
        }
        None => {
            let head = context.repo.head_here()?;
            let commit = head.commit.ok_or_else(|| {
                Error::refused("there is no commit to start from yet")
                    .hint("git commit --allow-empty -m \"first commit\"")
            })?;
            Base { branch: head.branch, commit, snapshot_of: None }
        }
    };
    match request.start {
        StartFrom::Commit => Ok(base),
        StartFrom::WithChanges => with_changes(context, request, base, id),
    }
}

/// Makes the caller's uncommitted work the base, without touching the caller's index or files.
fn with_changes(
    context: &Context,
    request: &DispatchRequest,
    base: Base,
    id: TaskId,
) -> Result<Base> {
    if request.base.is_some() {
        return Err(Error::usage(
            "`--with-changes` starts from the caller's checkout, so `--base` makes no sense",
        ));
    }
    let Some(checkout) = context.repo.here() else {
        return Err(Error::usage("`--with-changes` needs a checkout, and this repository is bare"));
    };
    let index = context.repo.common_dir().join(format!("offshoot-snapshot-{id}"));
    let staged = checkout.git_dir.join("index");
    let start = if staged.exists() {
        SnapshotStart::Index(&staged)
    } else {
        SnapshotStart::Commit { head: base.commit, seed: &staged }
    };
    let snapshot = context.repo.snapshot(&SnapshotRequest { checkout, index: &index, start });
    // Whatever came of it, the index has served its purpose.
    let _ = std::fs::remove_file(&index);
    let snapshot = snapshot.map_err(|error| {
        error
            .while_trying("take the uncommitted work along")
            .hint("git status  shows whether a merge is in progress")
    })?;
    if snapshot.tree == context.repo.tree_of(base.commit)? {
        return Ok(base);
    }
    let commit = context.repo.create_commit(&NewCommit {
        tree: snapshot.tree,
        parents: &[base.commit],
        message: "Uncommitted work of the dispatcher\n\nA task started from it; it is not to be landed.\n",
        author_of: None,
        signing: Signing::Never,
    })?;
    Ok(Base { branch: base.branch, commit, snapshot_of: Some(base.commit) })
}

fn settle_target(
    context: &Context,
    request: &DispatchRequest,
    base: &Base,
    parent: Option<&Task>,
) -> Result<Option<BranchName>> {
    match (&request.target, parent) {
        (Some(target), _) => {
            let target = BranchName::new(target.clone())?;
            require_branch(context, &target).map(|_| Some(target))
        }
        // A task's branch is no target, since it goes when the task lands: what starts from it lands
        // where it does.
        (None, Some(parent)) if base.branch.as_ref() == Some(&parent.spec.branch) => {
            Ok(parent.spec.target.clone())
        }
        (None, _) => match task_on(context, base.branch.as_ref())? {
            Some(task) => Ok(task.spec.target),
            None => Ok(base.branch.clone()),
        },
    }
}

/// The task whose own branch this is.
fn task_on(context: &Context, branch: Option<&BranchName>) -> Result<Option<Task>> {
    let prefix = context.config.branch_prefix.as_str();
    let Some(name) = branch.and_then(|branch| branch.as_str().strip_prefix(prefix)) else {
        return Ok(None);
    };
    match find(context, name) {
        Ok(task) => Ok((Some(&task.spec.branch) == branch).then_some(task)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tip of a branch that must be there.
pub(super) fn require_branch(context: &Context, branch: &BranchName) -> Result<CommitId> {
    context.repo.read_ref(&branch.full_ref())?.ok_or_else(|| {
        Error::not_found(format!("there is no branch `{branch}`"))
            .hint(format!("git branch -- {branch}"))
    })
}

/// The task inside which this process runs.
fn parent_task(context: &Context) -> Result<Option<Task>> {
    let Some(text) = context.environment.text("OFFSHOOT_TASK_ID") else { return Ok(None) };
    let parent = text.parse().and_then(|id| context.store.read(id));
    match parent {
        Ok(parent) if parent.spec.depth + 1 >= DEEPEST => Err(Error::refused(format!(
            "`{}` is {} tasks deep, and deeper ones are not allowed",
            parent.name(),
            parent.spec.depth + 1
        ))),
        Ok(parent) => Ok(Some(parent)),
        // A task of another repository is no parent here.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Usage) => Ok(None),
        Err(error) => Err(error),
    }
}

fn subdirectory(context: &Context) -> PathBuf {
    let root = context.repo.here().map(|here| here.root.as_path());
    let inner = root.and_then(|root| context.directory.strip_prefix(root).ok());
    inner.unwrap_or_else(|| Path::new("")).to_owned()
}

impl Work {
    fn words(&self) -> String {
        match self {
            Self::Prompt { prompt, .. } | Self::Command { prompt: Some(prompt), .. } => {
                prompt.clone()
            }
            Self::Command { command, .. } => {
                let program = command.first().map(Path::new).and_then(Path::file_name);
                let program =
                    program.map_or_else(String::new, |name| name.to_string_lossy().into());
                // What a shell is told says more than that it is a shell.
                let told = match (program.as_str(), command.get(1..)) {
                    ("sh" | "bash" | "dash" | "zsh", Some([flag, script, ..]))
                        if flag.ends_with('c') =>
                    {
                        return script.clone();
                    }
                    (_, told) => told.unwrap_or_default(),
                };
                let words =
                    std::iter::once(program.as_str()).chain(told.iter().map(String::as_str));
                words.collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn prompt(&self) -> Option<String> {
        match self {
            Self::Prompt { prompt, .. } => Some(prompt.clone()),
            Self::Command { prompt, .. } => prompt.clone(),
        }
    }
}
