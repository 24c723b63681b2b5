//! `dispatch`: record a task durably, queue it, and answer; the worktree is made later.

use super::base::{settle_base, settle_target};
use super::claiming::{claims, session_process, subdirectory};
use super::describe::describe;
use super::place::place;
use super::recover::{find, forget, recover};
use super::release::base_pin;
use crate::agent;
use crate::context::Context;
use crate::environment::Variable;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{BranchName, TaskId, TaskName};
use crate::notify;
use crate::process;
use crate::store::{Created, Naming, NewTask, Placing};
use crate::supervisor;
use crate::task::{AgentName, Dependency, Need, Preset, SCHEMA, Setup, Task, TaskSpec, Tell, Wake};
use crate::view::TaskView;
use std::path::{Path, PathBuf};
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
    /// Paths that no other task with claims on them may have while it runs, as pathspecs relative to
    /// where the caller stands.
    pub claims: Vec<String>,
    /// How often a failed attempt is followed by another one.
    pub retries: u32,
    /// How long the agent may run.
    pub timeout: Option<Duration>,
    /// How long the agent may write nothing.
    pub idle_timeout: Option<Duration>,
    /// What a log may take on disk, in bytes.
    pub max_log: Option<u64>,
    /// What a shell runs on the result, at its end and before it lands; the configured one otherwise.
    pub verify: Option<String>,
    /// What the worktree begins with.
    pub start: StartFrom,
    /// A shell command that gets the event of the task's end.
    pub on_done: Option<String>,
    /// The same id again answers with the same task.
    pub request_id: Option<String>,
}

/// Records and queues a task, and starts it if a slot is free.
///
/// # Errors
/// `usage` for a bad name or command, `not_found` for a missing revision, branch or agent, `refused`
/// on an unborn branch, a taken name or too deep a nesting, `untrusted` while the repository's file
/// runs what nobody accepted. Then nothing is left behind.
pub fn dispatch(context: &Context, request: DispatchRequest) -> Result<TaskView> {
    super::trust::require(context)?;
    recover(context)?;
    let naming = if request.name.is_some() { Naming::Chosen } else { Naming::MadeUp };
    let name = match &request.name {
        Some(name) => TaskName::new(name.clone())?,
        None => TaskName::from_words(&request.work.words()),
    };
    let parent = parent_task(context)?;
    let claims = claims(context, &request.claims)?;
    let id = TaskId::random();
    let after = dependencies(context, &request, parent.as_ref())?;
    let Settled { agent, mut preset, command } = settle_work(context, &request, id)?;
    let base = settle_base(context, &request)?;
    let target = settle_target(context, &request, &base, parent.as_ref())?;
    let (tell, wake) = settle_telling(context, request.on_done)?;
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
        claims,
        timeout_ms: request.timeout.map(in_millis),
        retries: request.retries,
        idle_timeout_ms: request.idle_timeout.map(in_millis),
        max_log: request.max_log,
        parent: agent::parent_session(&context.environment),
        depth: parent.as_ref().map_or(0, |parent| parent.spec.depth + 1),
        parent_task: parent.map(|parent| parent.id()),
        request_id: request.request_id,
        verify: request.verify.or_else(|| context.config.verify.clone()),
        setup: settle_setup(context, &request.env, preset.as_mut()),
        tell,
        preset,
    };
    if !context.store.exists()
        && let (Placing::Taken(error), Naming::Chosen) =
            (place(context, &mut spec.clone())?, naming)
    {
        // Before the first folder is made, so that a refusal leaves nothing behind.
        return Err(error);
    }
    let new = NewTask {
        spec,
        environment: context.environment.without_git_location().without_parent_session(),
        secrets: request.env,
        wake,
        naming,
    };
    let task = match record(context, new)? {
        Created::Begun { task, lock, environment, queue: _queue } => {
            supervisor::launch_copy(&context.store, lock, &environment)
                .map_err(|error| recorded(error, task.name()))?;
            task
        }
        Created::Queued(task) => {
            let started = supervisor::pump(&context.store, &context.config)
                .map_err(|error| recorded(error, task.name()))?;
            match started.into_iter().find(|started| started.id() == task.id()) {
                Some(task) => task,
                None => context.store.read(task.id())?,
            }
        }
    };
    describe(context, &task)
}

/// The set-up as it is configured now, with the variables of the agent; the dispatch's own count more.
fn settle_setup(context: &Context, env: &[Variable], preset: Option<&mut Preset>) -> Setup {
    let mut setup = context.config.setup.clone();
    setup.env.extend(preset.map(|preset| std::mem::take(&mut preset.env)).unwrap_or_default());
    setup.env.retain(|name, _| !env.iter().any(|variable| variable.name == name.as_str()));
    setup
}

/// Who is told of the end, and by what the session that dispatches is woken.
fn settle_telling(context: &Context, on_done: Option<String>) -> Result<(Tell, Option<Wake>)> {
    let environment = &context.environment;
    let mut tell = context.config.notify.settle(on_done, notify::terminal());
    let Some(parent) = agent::parent_session(environment) else { return Ok((tell, None)) };
    let session = session_process(environment)?;
    let wake = notify::wake_of(&parent, session.as_ref(), environment);
    // An agent's session tells its person itself.
    (tell.desktop, tell.bell) = (false, None);
    (tell.wakes, tell.session) = (wake.is_some(), session);
    Ok((tell, wake))
}

/// The tasks around a new one, innermost first.
fn enclosing(context: &Context, parent: Option<&Task>) -> Vec<TaskId> {
    let mut around = Vec::new();
    let mut next = parent.map(Task::id);
    while let Some(id) = next {
        around.push(id);
        next = context.store.read(id).ok().and_then(|task| task.spec.parent_task);
    }
    around
}

fn in_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The tasks to wait for. They were all dispatched before, so there is no cycle among them; but a task
/// must not wait for the one that it is dispatched inside of, which may wait for it.
fn dependencies(
    context: &Context,
    request: &DispatchRequest,
    parent: Option<&Task>,
) -> Result<Vec<Dependency>> {
    let around = enclosing(context, parent);
    let needs = [(&request.after, Need::Completed), (&request.after_any, Need::Ended)];
    let mut after = Vec::new();
    for (names, need) in needs {
        for text in names {
            let other = find(context, text)?;
            if around.contains(&other.id()) {
                return Err(Error::usage(format!(
                    "a task cannot wait for `{}`, inside of which it is dispatched",
                    other.name()
                ))
                .hint("leave it out of `--after`"));
            }
            after.push(Dependency { task: other.id(), name: other.spec.name, need });
        }
    }
    Ok(after)
}

/// Makes the record, and pins the base, so that no `git gc` takes it away. Who finds the one finds the
/// other, or a mark by which the next command takes both back.
fn record(context: &Context, new: NewTask) -> Result<Created> {
    let (id, base) = (new.spec.id, new.spec.base.commit);
    let pin = || context.repo.new_ref(&base_pin(id), base);
    let at_once = |task: &Task| supervisor::begins_at_once(&context.store, &context.config, task);
    let made = context.store.create(new, |spec| place(context, spec), pin, at_once);
    match made {
        // Not all of its indexes are there: recovery writes them.
        Err(error) if context.store.has_folder(id) => Err(recorded(error, id)),
        Err(error) => {
            // What cannot be removed now the next command removes.
            let _ = forget(context, id);
            Err(error)
        }
        made => made,
    }
}

/// Something went wrong when the task was there already: whoever dispatches it again has two.
fn recorded(error: Error, name: impl std::fmt::Display) -> Error {
    error
        .while_trying(format!("start `{name}`, which is recorded and queued"))
        .hint(format!("offshoot status {name}"))
}

/// What runs, and who.
struct Settled {
    agent: Option<AgentName>,
    preset: Option<Preset>,
    command: Vec<String>,
}

fn settle_work(context: &Context, request: &DispatchRequest, id: TaskId) -> Result<Settled> {
    match &request.work {
        Work::Command { command, .. } if command.iter().all(String::is_empty) => {
            Err(Error::usage("there is no command to run").hint("offshoot dispatch -- CMD ARG…"))
        }
        Work::Command { command, .. } => {
            Ok(Settled { agent: None, preset: None, command: command.clone() })
        }
        Work::Prompt { prompt, .. } if prompt.trim().is_empty() => {
            Err(Error::usage("the prompt is empty").hint("offshoot dispatch \"what to do\""))
        }
        Work::Prompt { agent, prompt } => {
            let agent = match agent {
                Some(name) => AgentName::new(name.clone())?,
                None => default_agent(context)?,
            };
            let preset = agent::preset(&agent, &context.config.agents, &context.environment)?;
            let command = preset.first(prompt, request.model.as_deref(), &id.to_string())?;
            Ok(Settled { agent: Some(agent), preset: Some(preset), command })
        }
    }
}

fn default_agent(context: &Context) -> Result<AgentName> {
    let (known, agents) = (context.config.default_agent.clone(), &context.config.agents);
    known.or_else(|| agent::calling_agent(agents, &context.environment)).ok_or_else(|| {
        Error::usage("no agent was named for the prompt")
            .hint(format!("offshoot dispatch --agent {} \"…\"", agent::names(agents).join("|")))
            .hint("offshoot dispatch -- CMD ARG…  runs any other command")
            .hint("`default_agent = \"…\"` in the configuration names one for good")
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
        ))
        .hint("run the command itself; it has the worktree of this task")),
        Ok(parent) => Ok(Some(parent)),
        // A task of another repository is no parent here.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Usage) => Ok(None),
        Err(error) => Err(error),
    }
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
