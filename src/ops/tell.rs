//! Telling of a task's end, or of what its agent asks, by a process of its own (`offshoot tell`), so that
//! nothing that hangs or fails here delays a task, keeps a slot or changes an outcome.
//!
//! It is started once the end is in record, journal and inbox. A mark (`untold`) stays until all are
//! told, so that the next command starts it again if it died: everybody is told at least once. Ends of
//! one session within a second are one message. What came of each way is noted beside the task. What
//! could not be pushed is tried again when the session is told of something else: no timer runs for it,
//! and whatever becomes of it, the entry is in the inbox. A question is pushed once, with no mark: whoever
//! did not hear of it is told with the end.

use super::describe::describe_in_full;
use super::inbox::{TOGETHER, has_siblings, take_note};
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::event::Event;
use crate::lock::Wait;
use crate::names::TaskId;
use crate::notice;
use crate::notify::{self, Message};
use crate::process::{self, Spawn};
use crate::task::{Channel, SCHEMA, Task, Told, Wake};
use crate::view::{Addressee, InboxEntryView};
use crate::watch::Watch;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long the command of `--on-done` may take.
const ON_DONE: Duration = Duration::from_secs(5 * 60);

/// How long telling a session, a desktop or a terminal may take.
const PUSH: Duration = Duration::from_secs(10);

/// How often an end is pushed by one way that fails: at once, and together with later ones.
const TRIES: usize = 3;

/// Whom a person's notifications are told as, where a session's are told by its name.
const PERSON: &str = "person";

/// Tells of the end of the task `id`, whose repository has its state in `state`.
///
/// # Errors
/// When the record cannot be read; the mark stays then.
pub fn tell(state: &Path, id: TaskId, environment: Environment) -> Result<()> {
    let common = state.parent().ok_or_else(|| Error::internal("no state folder was named"))?;
    let context = Context::open(common, environment)?;
    let store = &context.store;
    let Some(_telling) = store.lock_telling(id)? else { return Ok(()) };
    let task = store.read(id)?;
    let Some(end) = store.last_end(id)? else { return Ok(()) };
    // The session first: a command may take minutes.
    let pushed = push(&context, &task, &end);
    let ran = on_done(&context, &task, &end);
    // Marks are made under the task's lock. Whatever went wrong is not tried again and again; but the
    // end of another attempt, made meanwhile, is still to be told.
    if let Some(_lock) = store.lock_task(id, Wait::briefly())?
        && store.last_end(id)?.is_none_or(|last| last.cursor == end.cursor)
    {
        store.forget_untold(id)?;
    }
    pushed.and(ran)
}

fn on_done(context: &Context, task: &Task, end: &Event) -> Result<()> {
    let Some(command) = &task.spec.tell.on_done else { return Ok(()) };
    if !tries(context, end, Channel::OnDone)?.is_empty() {
        return Ok(());
    }
    let ran = run_on_done(context, task, command, end);
    note(context, end, Channel::OnDone, ran)
}

fn run_on_done(context: &Context, task: &Task, command: &str, end: &Event) -> Result<()> {
    let path = context.store.layout().task(task.id()).on_done_log();
    let attempt = || format!("write `{}`", path.display());
    let mut options = OpenOptions::new();
    let log = options.create(true).append(true).mode(0o600).open(&path).attempt(attempt)?;
    let mut environment = context.environment.clone();
    environment.set("OFFSHOOT_TASK_NAME", task.name().as_str());
    let folder = context.repo.main_worktree().unwrap_or(context.repo.common_dir());
    let command = Spawn::shell(command, &environment)
        .in_folder(folder)
        .writing(log.try_clone().attempt(attempt)?)
        .complaining(log);
    let mut input = serde_json::to_vec(end)
        .map_err(|cause| Error::internal(format!("cannot write JSON: {cause}")))?;
    input.push(b'\n');
    process::run_bounded(command, &input, ON_DONE).map_err(|error| Error {
        message: format!("{}; its output is in `{}`", error.message, path.display()),
        ..error
    })
}

/// Tells what the agent of the task `id` asks while it runs.
///
/// # Errors
/// When the record cannot be read or somebody could not be told.
pub fn tell_question(state: &Path, id: TaskId, environment: Environment) -> Result<()> {
    let common = state.parent().ok_or_else(|| Error::internal("no state folder was named"))?;
    let context = Context::open(common, environment)?;
    let task = context.store.read(id)?;
    let Some(question) = context.store.last_question(id)? else { return Ok(()) };
    let session = task.spec.parent.as_deref().unwrap_or(PERSON);
    let ways = ways(&context, &task)?;
    let Some(_lock) = context.store.lock_session(session, Wait::Forever)? else { return Ok(()) };
    let title = format!("{} asks something", task.name());
    let text = notice::question(task.name().as_str());
    ways.iter().try_for_each(|way| {
        let sent = way.send(&context, &title, &text, &question);
        note(&context, &question, way.channel(), sent)
    })
}

/// By what the session is woken, or the person told.
fn ways(context: &Context, task: &Task) -> Result<Vec<Way>> {
    let tell = &task.spec.tell;
    let mut ways: Vec<Way> = context.store.wake(task.id())?.map(Way::Wake).into_iter().collect();
    ways.extend(tell.desktop.then_some(Way::Desktop));
    ways.extend(tell.bell.clone().map(Way::Bell));
    Ok(ways)
}

/// Wakes the session, or tells the person; together with siblings that end within a second.
fn push(context: &Context, task: &Task, end: &Event) -> Result<()> {
    let ways = ways(context, task)?;
    if ways.is_empty() {
        return Ok(());
    }
    let session = task.spec.parent.as_deref();
    let Some(_lock) = context.store.lock_session(session.unwrap_or(PERSON), Wait::Forever)? else {
        return Ok(());
    };
    let journal = context.store.layout().journal();
    let watch = Watch::on(&[&journal]);
    let until = context.clock.deadline(TOGETHER);
    while !until.has_passed() && has_siblings(context, session)? {
        watch.wait(Some(until))?;
    }
    ways.iter().try_for_each(|way| {
        // Whoever was started beside another teller of this end, or after one that could not take the mark
        // away, would try once more what was tried a moment ago.
        let is_new = tries(context, end, way.channel())?.is_empty();
        if is_new { push_by(context, session, way) } else { Ok(()) }
    })
}

enum Way {
    Wake(Wake),
    Desktop,
    Bell(std::path::PathBuf),
}

impl Way {
    fn channel(&self) -> Channel {
        match self {
            Self::Wake(wake) => wake.channel(),
            Self::Desktop => Channel::Desktop,
            Self::Bell(_) => Channel::Bell,
        }
    }

    /// Sends a text, of which `news` is the first event.
    fn send(&self, context: &Context, title: &str, text: &str, news: &Event) -> Result<()> {
        let id = TaskId::named_by(&format!("{}:{}", news.draft.task.id, news.cursor)).to_string();
        let environment = &context.environment;
        match self {
            Self::Wake(wake) => notify::wake(wake, Message { text, id: &id }, environment, PUSH),
            Self::Desktop => notify::desktop(title, text, environment, PUSH),
            Self::Bell(terminal) => notify::bell(terminal),
        }
    }
}

/// Tells everything that this session waits for and was not told by this way, also what failed before.
fn push_by(context: &Context, session: Option<&str>, way: &Way) -> Result<()> {
    let channel = way.channel();
    let mut ends = Vec::new();
    let mut tasks: Vec<Task> = Vec::new();
    for end in context.store.inbox()? {
        if end.draft.parent.as_deref() != session {
            continue;
        }
        let tried = tries(context, &end, channel)?;
        if tried.len() >= TRIES || tried.iter().any(|told| told.delivered) {
            continue;
        }
        let Ok(task) = context.store.read(end.draft.task.id) else { continue };
        // Of another task of this session that was to be told in another way, its own process tells.
        let tell = &task.spec.tell;
        let is_meant = match way {
            Way::Wake(_) => tell.wakes,
            Way::Desktop => tell.desktop,
            Way::Bell(terminal) => tell.bell.as_ref() == Some(terminal),
        };
        if is_meant {
            tasks.push(task);
            ends.push(end);
        }
    }
    let Some(first) = ends.first() else { return Ok(()) };
    let views = describe_in_full(context, &tasks)?;
    let text = notice::text(&views);
    let sent = way.send(context, &notice::title(&views), &text, first);
    let is_kept_there = sent.is_ok() && matches!(channel, Channel::Codex | Channel::Opencode);
    ends.iter().try_for_each(|end| note(context, end, channel, sent.clone()))?;
    if is_kept_there {
        // Codex keeps its queue on disk, opencode its messages: the session is told whatever happens here.
        let told: Vec<_> = ends
            .into_iter()
            .map(|event| InboxEntryView { event, addressee: Addressee::You, text: None })
            .collect();
        take_note(context, &told)?;
    }
    Ok(())
}

/// What came of telling of an end by one way so far.
fn tries(context: &Context, end: &Event, channel: Channel) -> Result<Vec<Told>> {
    let mut told = context.store.told(end.draft.task.id)?;
    told.retain(|told| told.cursor == end.cursor && told.channel == channel);
    Ok(told)
}

fn note(context: &Context, end: &Event, channel: Channel, result: Result<()>) -> Result<()> {
    let error = result.err().map(|error| error.message);
    let told = Told {
        schema: SCHEMA,
        cursor: end.cursor,
        at: context.now(),
        channel,
        delivered: error.is_none(),
        error,
    };
    context.store.note_told(end.draft.task.id, &told)
}
