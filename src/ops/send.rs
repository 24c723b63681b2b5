//! `send`: a follow-up to what a task's agent did, in the same worktree, as an attempt of its own.
//!
//! A message is on disk before this answers. While an attempt is under way it waits for its turn: the
//! supervisor that ends the attempt goes on with it. A task that has ended is queued again here.

use super::describe::describe;
use super::land::finish_before_deciding;
use super::logs::{last_lines, last_lines_of};
use super::recover::{recover, take};
use super::retry::begin_again;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::lock::Wait;
use crate::names::TaskId;
use crate::store::TaskLock;
use crate::supervisor;
use crate::task::{
    Change, FollowUp, Judgement, Landing, Phase, RetryIn, Task, TaskState, Verification,
};
use crate::view::TaskView;

/// How much of the log goes along as feedback, in lines.
const FEEDBACK_LINES: usize = 40;
/// How much of one of these lines, in characters.
const FEEDBACK_LINE: usize = 400;

/// Sends a message to a task.
///
/// # Errors
/// `not_found` when no task is meant, `usage` for an empty message, `refused` when the task is landed
/// or discarded.
pub fn send(context: &Context, task: &str, message: &str) -> Result<TaskView> {
    if message.trim().is_empty() {
        let hint = format!("offshoot send {} \"Now add a test\"", escape::shell_word(task));
        return Err(Error::usage("the message is empty").hint(hint));
    }
    recover(context)?;
    let id = context.store.resolve(task)?;
    finish_before_deciding(context, id)?;
    loop {
        match context.store.lock_task(id, Wait::No)? {
            Some(lock) => {
                leave_under_lock(context, lock, message)?;
                break;
            }
            None => {
                if leave_for_its_holder(context, id, message)? {
                    break;
                }
                // It is about to end, or somebody changes it: that takes moments.
                drop(context.store.lock_task(id, Wait::briefly())?);
            }
        }
    }
    supervisor::pump(&context.store, &context.config)?;
    describe(context, &context.store.read(id)?)
}

/// Leaves a message for a task that nobody changes meanwhile, and queues it where it has ended.
pub(super) fn leave_under_lock(context: &Context, lock: TaskLock, message: &str) -> Result<()> {
    let store = &context.store;
    let task = store.read(lock.id())?;
    refuse_decided(&task)?;
    // Marked first: what dies from here on is taken up by whoever comes next.
    store.begin(&lock)?;
    store.leave_message(lock.id(), message)?;
    go_on(context, &lock, &task)
}

/// Makes the message whose turn it is the next attempt of a task that has ended.
pub(super) fn go_on(context: &Context, lock: &TaskLock, task: &Task) -> Result<()> {
    let store = &context.store;
    if task.ended().is_none() {
        return store.settle(lock, task);
    }
    let Some(message) = store.next_message(lock, task)? else { return store.settle(lock, task) };
    store.forget_requests(lock)?;
    let follow_up = task.spec.follow_up(message.text, task.record.conversation.clone());
    let follow_up = FollowUp { message: Some(message.id.clone()), ..follow_up };
    let task = store.commit(lock, task, Change::FollowedUp(follow_up, RetryIn::SameWorktree))?;
    store.remove_message(lock, &message.id)?;
    store.settle(lock, &task)
}

/// Leaves a message for a task that somebody holds, where whoever holds it is sure to see it: its
/// attempt goes on. Says whether it was so.
fn leave_for_its_holder(context: &Context, id: TaskId, message: &str) -> Result<bool> {
    let store = &context.store;
    let goes_on = |task: &Task| {
        matches!(&task.record.state, TaskState::Running(running)
            if !matches!(running.phase, Phase::Finishing { .. }))
    };
    if !goes_on(&store.read(id)?) {
        return Ok(false);
    }
    let left = store.leave_message(id, message)?;
    // Asked once more: a supervisor looks for messages only after it has recorded the agent's end.
    if goes_on(&store.read(id)?) {
        return Ok(true);
    }
    // It came at the very end. Either it was seen, or it is taken up here.
    loop {
        let task = store.read(id)?;
        let pending = matches!(task.record.state, TaskState::Pending { .. });
        if pending || goes_on(&task) || !store.waits(&task, &left)? {
            return Ok(true);
        }
        let Some(lock) = store.lock_task(id, Wait::briefly())? else { continue };
        let task = store.read(id)?;
        if task.ended().is_some() && store.waits(&task, &left)? {
            if let Err(error) = refuse_decided(&task) {
                store.remove_message(&lock, &left)?;
                return Err(error);
            }
            store.begin(&lock)?;
            go_on(context, &lock, &task)?;
        }
        return Ok(true);
    }
}

fn refuse_decided(task: &Task) -> Result<()> {
    let name = task.name();
    match &task.record.landing {
        Landing::Open | Landing::Empty { .. } => Ok(()),
        Landing::Landed { target, .. } => {
            Err(Error::refused(format!("cannot send to `{name}`: it has landed on `{target}`"))
                .hint(format!("offshoot dispatch --base {target} \"…\"  goes on from there")))
        }
        Landing::Discarded { .. } => {
            Err(Error::refused(format!("cannot send to `{name}`: it is discarded"))
                .hint(format!("offshoot restore {name}")))
        }
    }
}

/// Queues a new attempt of an ended task that is told how the last one failed.
///
/// # Errors
/// As `retry`; `refused` when the last attempt completed and its verify command did not say no.
pub fn retry_with_feedback(context: &Context, task: &str, place: RetryIn) -> Result<TaskView> {
    recover(context)?;
    let id = context.store.resolve(task)?;
    finish_before_deciding(context, id)?;
    let (lock, task) = take(context, id)?;
    let outcome = super::recover::ended(&task)?.outcome();
    // What is landed or discarded cannot be tried again at all, failure or not.
    task.apply(Change::Retried(place), context.now())?;
    if outcome.is_success() && red(&task).is_none() {
        let name = task.name();
        return Err(Error::new(
            ErrorKind::Refused,
            format!("`{name}` has completed, so there is no failure to tell of"),
        )
        .hint(format!("offshoot send {name} \"…\"  tells it what to do next")));
    }
    let change = Change::FollowedUp(feedback(context, &task, place)?, place);
    begin_again(context, lock, &task, (change, place))
}

/// What the verify command said of the result, if it said no.
fn red(task: &Task) -> Option<&Verification> {
    let verify = task.record.verify.as_ref();
    verify.filter(|verify| verify.verdict == Some(Judgement::Red))
}

fn push_lines(words: &mut String, lines: Vec<String>) {
    for line in lines {
        words.extend(line.chars().take(FEEDBACK_LINE).chain(std::iter::once('\n')));
    }
}

/// What a new attempt is told of the last one: within its conversation the failure alone, in a new run
/// the task's own prompt too.
fn feedback(context: &Context, task: &Task, place: RetryIn) -> Result<FollowUp> {
    let mut words = String::from("The last attempt ended, and not well");
    if let TaskState::Ended { outcome, .. } = &task.record.state {
        words.push_str(&format!(": {outcome}"));
    }
    words.push('.');
    if let Some(verification) = red(task) {
        words.push_str(&format!("\n`{}` says no to its result. It ends:\n", verification.command));
        push_lines(&mut words, last_lines_of(&verification.log, FEEDBACK_LINES)?);
    }
    if let Some(error) = &task.record.agent_error {
        words.push_str(&format!("\nIts error: {error}"));
    }
    let mut lines = last_lines(context, task, FEEDBACK_LINES)?;
    if task.spec.agent.is_some() {
        let errors = context.store.layout().task(task.id()).stderr();
        lines.extend(last_lines_of(&errors, FEEDBACK_LINES / 4)?);
    }
    if !lines.is_empty() {
        words.push_str("\nThe last lines of its log:\n");
        push_lines(&mut words, lines);
    }
    words.push_str("\nFind out why, and do the task.");
    let conversation = task.record.conversation.clone();
    let conversation = conversation.filter(|_| place == RetryIn::SameWorktree);
    let mut follow_up = task.spec.follow_up(words, conversation);
    if let (None, Some(prompt)) = (&follow_up.session, &task.spec.prompt) {
        follow_up.prompt = format!("{prompt}\n\n{}", follow_up.prompt);
    }
    Ok(follow_up)
}
