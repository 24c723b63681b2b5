//! `lock acquire`, `lock release`, `lock list`: advisory locks on paths, for any process. Nobody is
//! kept from writing; who asks first is told who is at work there.

use super::claiming::{Caller, claims};
use super::lending::Lending;
use super::recover::{recover, recover_if_possible};
use crate::claim::Claim;
use crate::clock::Deadline;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::path_lock::{LockLimit, LockOwner, PathLock};
use crate::process;
use crate::supervisor::{self, Standing};
use crate::watch::{LOOK, Watch};
use std::time::Duration;

/// How long somebody waits for paths that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// At most this long.
    For(Duration),
    /// As long as it takes.
    Endless,
}

/// A lock that is wanted.
#[derive(Debug, Clone)]
pub struct AcquireRequest {
    /// Pathspecs, relative to where the caller stands.
    pub paths: Vec<String>,
    /// Whose it is to be; inside a task it is the task's in any case.
    pub owner: Option<String>,
    /// What for.
    pub purpose: Option<String>,
    /// How long it is to stand; none means until it is released or its owner has ended.
    pub limit: Option<Duration>,
    /// How long to wait for others.
    pub patience: Patience,
}

/// Which locks are to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// All of the caller's.
    Mine,
    /// The caller's on these paths.
    Paths(Vec<String>),
    /// All of an owner, whoever asks.
    Owner(String),
}

/// Locks paths; what the caller holds of them already is extended. `narrate` is told for whom it
/// waits.
///
/// # Errors
/// `usage` for paths that make no sense, `busy` when somebody else holds some of them and the caller's
/// patience is over.
pub fn acquire(
    context: &Context,
    request: &AcquireRequest,
    narrate: &mut dyn FnMut(&str),
) -> Result<Vec<PathLock>> {
    let claims = some_claims(context, &request.paths)?;
    if request.limit.is_some_and(|limit| limit.is_zero()) {
        return Err(Error::usage("a lock with a time limit of zero would fall at once")
            .hint("leave `--for` away for no limit"));
    }
    let caller = Caller::of(context, request.owner.as_deref())?;
    context.store.make_folders()?;
    recover(context)?;
    let deadline: Option<Deadline> = match request.patience {
        Patience::None => Some(context.clock.deadline(Duration::ZERO)),
        Patience::For(limit) => Some(context.clock.deadline(limit)),
        Patience::Endless => None,
    };
    let (store, layout) = (&context.store, context.store.layout());
    // The folder too: files in it are replaced, and a watch on one ends with it.
    let watch = Watch::on(&[layout.root(), &layout.journal()]);
    let mut lending = Lending::possible(context);
    loop {
        match take(context, request, &caller, &claims)? {
            Ok(lock) => return Ok(vec![lock]),
            Err(busy) if deadline.is_some_and(|deadline| deadline.has_passed()) => {
                return Err(busy);
            }
            Err(busy) => narrate(&busy.message),
        }
        lending.lend(context)?;
        // A holder that died changes no file; somebody has to notice.
        recover(context)?;
        watch.forget();
        let look = context.clock.deadline(LOOK);
        let until = deadline.filter(|limit| limit.left() < look.left()).unwrap_or(look);
        // Several may wait here, and each wakes the others by closing lock files. So what is only read
        // decides whether it is worth another try.
        while !until.has_passed() && in_the_way(&Standing::read(store)?, &caller, &claims).is_some()
        {
            watch.wait(Some(until))?;
        }
    }
}

fn in_the_way<'a>(
    standing: &'a Standing,
    caller: &Caller,
    claims: &[Claim],
) -> Option<&'a PathLock> {
    standing.iter().find(|lock| caller.is_kept_out_by(&lock.owner) && lock.overlaps(claims))
}

/// One try. The inner error says who is in the way.
fn take(
    context: &Context,
    request: &AcquireRequest,
    caller: &Caller,
    claims: &[Claim],
) -> Result<Result<PathLock>> {
    let right = context.store.lock_paths()?;
    let standing = Standing::read(&context.store)?;
    if let Some(theirs) = in_the_way(&standing, caller, claims) {
        return Ok(Err(busy(request, claims, theirs)));
    }
    let lock = PathLock {
        paths: claims.to_vec(),
        owner: caller.owner.clone(),
        purpose: request.purpose.clone(),
        since: context.now(),
        limit: request.limit.map(|limit| limit_after(context, limit)),
        boot_id: process::boot_id()?,
    };
    let mut locks = Vec::new();
    for kept in standing.acquired {
        if kept.owner.is(&caller.owner) {
            locks.extend(kept.without(|path| claims.iter().any(|claim| claim.covers(path))));
        } else {
            locks.push(kept);
        }
    }
    locks.push(lock.clone());
    context.store.keep_path_locks(&right, locks)?;
    Ok(Ok(lock))
}

fn limit_after(context: &Context, limit: Duration) -> LockLimit {
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let wall = context.now().as_millis().saturating_add(i64::try_from(millis).unwrap_or(i64::MAX));
    LockLimit {
        at: crate::timestamp::Timestamp::from_millis(wall),
        tick_ms: context.clock.tick_ms().saturating_add(millis),
    }
}

/// Who holds what, what for, and the two ways out.
fn busy(request: &AcquireRequest, claims: &[Claim], theirs: &PathLock) -> Error {
    let wanted: Vec<&Claim> =
        claims.iter().filter(|claim| theirs.paths.iter().any(|p| p.overlaps(claim))).collect();
    let held: Vec<&Claim> =
        theirs.paths.iter().filter(|path| wanted.iter().any(|w| w.overlaps(path))).collect();
    let purpose = theirs.purpose.as_deref().map(|it| format!(" ({})", escape::line(it)));
    let owner = &theirs.owner;
    let paths: Vec<String> = request.paths.iter().map(|path| escape::shell_word(path)).collect();
    let asked = request.owner.as_deref().map(|it| format!("--owner={} ", escape::shell_word(it)));
    let error = Error::busy(format!(
        "cannot lock {}: `{owner}` holds {}{}",
        shown(&wanted),
        shown(&held),
        purpose.unwrap_or_default()
    ))
    .hint(format!(
        "offshoot lock acquire {}--wait 10m -- {}",
        asked.unwrap_or_default(),
        paths.join(" ")
    ));
    match owner {
        LockOwner::Task { name, .. } => error.hint(format!("offshoot status {name}")),
        LockOwner::Process { .. } | LockOwner::Named { .. } => {
            let owner = escape::shell_word(&owner.to_string());
            error.hint(format!("offshoot lock release --owner={owner}"))
        }
    }
}

fn shown(claims: &[&Claim]) -> String {
    claims.iter().map(|claim| format!("`{claim}`")).collect::<Vec<_>>().join(", ")
}

/// Gives locks back and starts the tasks that waited for them; answers what was given back. Claims of
/// tasks stay: a task holds them until it has ended.
///
/// # Errors
/// `not_found` when paths were named and the caller holds none of them, or an owner that holds none.
pub fn release(context: &Context, request: &Release) -> Result<Vec<PathLock>> {
    recover(context)?;
    if !context.store.exists() {
        return nothing_released(context, request, &[]);
    }
    let (caller, paths) = match request {
        Release::Mine => (Some(Caller::of(context, None)?), Vec::new()),
        Release::Paths(paths) => (Some(Caller::of(context, None)?), some_claims(context, paths)?),
        Release::Owner(_) => (None, Vec::new()),
    };
    let is_meant = |lock: &PathLock| match (&caller, request) {
        (Some(caller), _) => lock.owner.is(&caller.owner),
        (None, Release::Owner(name)) => lock.owner.to_string() == *name,
        (None, Release::Mine | Release::Paths(_)) => false,
    };
    let goes = |path: &Claim| paths.is_empty() || paths.iter().any(|claim| claim.covers(path));
    let right = context.store.lock_paths()?;
    let (mut kept, mut released) = (Vec::new(), Vec::new());
    for lock in Standing::read(&context.store)?.acquired {
        if is_meant(&lock) {
            kept.extend(lock.clone().without(goes));
            released.extend(lock.without(|path| !goes(path)));
        } else {
            kept.push(lock);
        }
    }
    if released.is_empty() {
        return nothing_released(context, request, &kept);
    }
    context.store.keep_path_locks(&right, kept)?;
    drop(right);
    supervisor::pump(&context.store, &context.config)?;
    Ok(released)
}

/// Having nothing to give back is fine, unless something was named.
fn nothing_released(
    context: &Context,
    request: &Release,
    kept: &[PathLock],
) -> Result<Vec<PathLock>> {
    let error = match request {
        Release::Mine => return Ok(Vec::new()),
        Release::Owner(name) => {
            Error::not_found(format!("`{}` has acquired no lock", escape::line(name)))
        }
        Release::Paths(paths) => {
            let claims = some_claims(context, paths)?;
            let named: Vec<&Claim> = claims.iter().collect();
            let error = Error::not_found(format!("you hold no lock on {}", shown(&named)));
            match kept.iter().find(|lock| lock.overlaps(&claims)) {
                Some(theirs) => {
                    let owner = escape::shell_word(&theirs.owner.to_string());
                    error.hint(format!("offshoot lock release --owner={owner}"))
                }
                None => error,
            }
        }
    };
    Err(error.hint("offshoot lock list"))
}

/// Every lock on paths that stands, the claims of running tasks among them.
///
/// # Errors
/// `io` when they cannot be read.
pub fn list(context: &Context) -> Result<Vec<PathLock>> {
    recover_if_possible(context);
    Ok(Standing::read(&context.store)?.iter().cloned().collect())
}

fn some_claims(context: &Context, paths: &[String]) -> Result<Vec<Claim>> {
    if paths.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no path was named")
            .hint("`offshoot lock acquire src docs/a.md` names some, `.` is everything here"));
    }
    claims(context, paths)
}
