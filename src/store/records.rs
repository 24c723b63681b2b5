//! Tasks: made in a folder that appears whole, changed only by whoever holds the task's lock.

use super::files::{self, Durability};
use super::{Store, index, ports::Block, told::KeptWake};
use crate::disk::{NewFile, sync_folder};
use crate::environment::{Environment, Variable};
use crate::error::{Attempt, Error, Result};
use crate::layout::{Index, RepoLock};
use crate::lock::{FileLock, Wait};
use crate::names::{TaskId, TaskName};
use crate::task::{Change, PortRange, SCHEMA, Task, TaskRecord, TaskSpec, Wake};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Below this a number is given again as soon as the name is free, above it only when no task has had it.
const SMALL_NUMBERS: u32 = 5;

/// The right to change one task.
#[derive(Debug)]
pub struct TaskLock {
    id: TaskId,
    lock: FileLock,
}

impl TaskLock {
    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// A second descriptor of the held lock, for the process that takes over.
    ///
    /// # Errors
    /// `io` when no descriptor is left.
    pub fn hand_over(&self) -> Result<OwnedFd> {
        self.lock.hand_over()
    }
}

/// What a task's record begins with.
#[derive(Debug)]
pub struct NewTask {
    /// What was asked for; its name and sequence are settled by [`Store::create`].
    pub spec: TaskSpec,
    /// The dispatcher's environment.
    pub environment: Environment,
    /// The variables given with `--env`.
    pub secrets: Vec<Variable>,
    /// By what the session that dispatches is woken.
    pub wake: Option<Wake>,
    /// Whether a name that is taken may be numbered.
    pub naming: Naming,
}

/// Where a task's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Somebody chose it, so it must be free.
    Chosen,
    /// It was made up, so it gives way.
    MadeUp,
}

impl Store {
    /// Takes the lock of a task; `None` when somebody else holds it for longer than `wait`.
    ///
    /// # Errors
    /// `not_found` when there is no such task.
    pub fn lock_task(&self, id: TaskId, wait: Wait) -> Result<Option<TaskLock>> {
        let layout = self.layout.task(id);
        if !layout.root().is_dir() {
            return Err(no_such_task(&id.to_string()));
        }
        Ok(FileLock::take(&layout.lock(), wait)?.map(|lock| TaskLock { id, lock }))
    }

    /// Becomes the holder of a task's lock that came through a descriptor.
    ///
    /// # Errors
    /// When the descriptor does not hold it, or this file system cannot hand locks over.
    pub fn accept_task(&self, id: TaskId, descriptor: OwnedFd) -> Result<TaskLock> {
        let lock = FileLock::accept(descriptor, &self.layout.task(id).lock())?;
        Ok(TaskLock { id, lock })
    }

    /// Whether somebody holds a task's lock.
    ///
    /// # Errors
    /// `io` when the lock cannot be asked.
    pub fn is_held(&self, id: TaskId) -> Result<bool> {
        FileLock::is_held(&self.layout.task(id).lock())
    }

    /// Lends a task's slot to others for as long as the answer is kept; `None` when another process of
    /// the task has lent it already.
    ///
    /// # Errors
    /// `io` when it cannot be recorded.
    pub fn lend_slot(&self, id: TaskId) -> Result<Option<FileLock>> {
        FileLock::take(&self.layout.task(id).lent(), Wait::No)
    }

    /// Whether a process of the task waits for other tasks, and has lent its slot meanwhile.
    ///
    /// # Errors
    /// `io` when it cannot be asked.
    pub fn has_lent_its_slot(&self, id: TaskId) -> Result<bool> {
        FileLock::is_held(&self.layout.task(id).lent())
    }

    /// A task as it stands.
    ///
    /// # Errors
    /// `not_found` when there is none, `unsupported` when a newer offshoot wrote it.
    pub fn read(&self, id: TaskId) -> Result<Task> {
        let layout = self.layout.task(id);
        let spec = files::read_json::<TaskSpec>(&layout.spec())?;
        let record = files::read_json::<TaskRecord>(&layout.state())?;
        match (spec, record) {
            (Some(spec), Some(record)) => Ok(Task { spec, record }),
            _ => Err(no_such_task(&id.to_string())),
        }
    }

    /// The environment that a task's commands run in, `--env` included.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn environment(&self, id: TaskId) -> Result<Environment> {
        let layout = self.layout.task(id);
        let mut environment = Environment::default();
        for file in [layout.env(), layout.secrets()] {
            if let Some(kept) = files::read_json::<index::Variables>(&file)? {
                for variable in kept.variables {
                    environment.set(variable.name, variable.value);
                }
            }
        }
        Ok(environment)
    }

    /// Records a new task durably, in the queue or, where `at_once` says so, begun; a request that was
    /// recorded before is answered with its task. The name and everything made from it is
    /// settled by `place` under the queue's lock, which keeps names unique. What keeps its base is written by
    /// `pin`, and is there, by the name that it answers, whenever the record is.
    ///
    /// # Errors
    /// `refused` when a chosen name is taken; whatever `place` refuses.
    pub fn create(
        &self,
        mut new: NewTask,
        place: impl Fn(&mut TaskSpec) -> Result<Placing>,
        pin: impl FnOnce() -> Result<(NewFile, PathBuf)>,
        at_once: impl FnOnce(&Task) -> Result<Option<Beginning>>,
    ) -> Result<Created> {
        self.make_folders()?;
        let id = new.spec.id;
        let queue = self.lock(RepoLock::Queue)?;
        // Whoever made it may have died before it could be found; neither its name nor its request is free.
        let counter = self.counter();
        if let Some(id) = counter.being_made
            && let Ok(task) = self.read(id)
        {
            self.remember(&task)?;
        }
        if let Some(known) = self.requested(new.spec.request_id.as_deref())? {
            // Whoever recorded it may have died before its name was on disk.
            sync_folder(&self.layout.tasks())?;
            return Ok(Created::Queued(known));
        }
        self.settle_name(&mut new, place)?;
        new.spec.sequence = self.next_sequence(counter.last, id)?;

        let record = TaskRecord::new(id, new.spec.base.commit);
        let mut task = Task { record, spec: new.spec.clone() };
        task.record.session = task.spec.session_of(1);
        task = task.apply(Change::Dispatched, self.clock.now())?;
        // One write for both: a record that says less would be replaced at once.
        let beginning = at_once(&task)?;
        let begins = beginning.is_some();
        let mut ports = None;
        if let Some(beginning) = beginning {
            ports = self.free_ports(id, beginning.ports)?;
            task = task.apply(beginning.started, self.clock.now())?;
        }

        // The marker comes first: a crash from here on leaves something that recovery looks at.
        files::touch(&self.layout.index(Index::Active).join(id.to_string()))?;
        let pin = pin()?;
        let pins = pin.0.folder()?;
        let lock = self.write_new(&task, &new, ports, pin)?;
        let told = self.remember(&task).and_then(|()| {
            // Noted once too often it is only remembered once more.
            let _ = self.set_counter(task.spec.sequence, None);
            self.tell(&lock, task)
        });
        // Now that it has been told: a file system with a journal commits both names when our line is synced. A
        // task that could not be told is there, too.
        pins.sync_all().attempt(|| "write the pin of the base")?;
        sync_folder(&self.layout.tasks())?;
        let task = told?;
        self.settle(&lock, &task)?;
        if !begins {
            return Ok(Created::Queued(task));
        }
        let NewTask { mut environment, secrets, .. } = new;
        secrets.into_iter().for_each(|secret| environment.set(secret.name, secret.value));
        Ok(Created::Begun { task, lock, environment, queue })
    }

    /// Writes what a new task is made of; its folder appears whole, and locked. The pin of its base gets its name
    /// before that.
    fn write_new(
        &self,
        task: &Task,
        new: &NewTask,
        ports: Option<Block>,
        (pin, pinned): (NewFile, PathBuf),
    ) -> Result<TaskLock> {
        let id = task.id();
        let layout = self.layout.task(id);
        let hidden = self.layout.tasks().join(format!(".new-{id}"));
        files::make_folder(&hidden)?;
        let inside = |file: std::path::PathBuf| {
            hidden.join(file.file_name().expect("invariant: a record's file has a name"))
        };
        files::make_folder(&inside(layout.control()))?;
        let variables = |variables| files::to_json(&index::Variables { schema: 1, variables });
        let mut parts = vec![
            (layout.spec(), files::to_json(&task.spec)?),
            (layout.state(), files::to_json(&task.record)?),
            (layout.env(), variables(Vec::from(&new.environment))?),
        ];
        if !new.secrets.is_empty() {
            parts.push((layout.secrets(), variables(new.secrets.clone())?));
        }
        if let Some(wake) = &new.wake {
            let kept = KeptWake { schema: SCHEMA, wake: wake.clone() };
            parts.push((layout.wake(), files::to_json(&kept)?));
        }
        if let Some(ports) = ports {
            let (path, ports) = (inside(layout.ports()), files::to_json(&ports)?);
            files::replace(&path, &ports, Durability::Crash)?;
        }
        // Nobody sees them before the folder has its name, so they need no siblings, and are waited for together.
        let parts = parts.into_iter();
        let parts = parts.map(|(path, bytes)| NewFile::write(inside(path), 0o600, &bytes));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        pin.wait()?;
        parts.iter().try_for_each(NewFile::wait)?;
        parts.into_iter().for_each(NewFile::keep);
        pin.keep_as(&pinned)?;
        sync_folder(&hidden)?;
        let lock = FileLock::take(&inside(layout.lock()), Wait::No)?
            .ok_or_else(|| Error::internal("a new task is locked already"))?;
        std::fs::rename(&hidden, layout.root())
            .attempt(|| format!("write `{}`", layout.root().display()))?;
        Ok(TaskLock { id, lock })
    }

    fn settle_name(
        &self,
        new: &mut NewTask,
        place: impl Fn(&mut TaskSpec) -> Result<Placing>,
    ) -> Result<()> {
        let wanted = new.spec.name.clone();
        // Who has thousands of tasks of one name would wait while each of them is read.
        let others = std::iter::once_with(|| self.unused_number(&wanted)).flat_map(|first| first..);
        let numbers = (2..SMALL_NUMBERS).chain(others);
        let numbered = numbers.map(|number| wanted.numbered(number));
        for name in std::iter::once(wanted.clone()).chain(numbered) {
            if let Some(bearer) = self.bearer(&name)? {
                match new.naming {
                    Naming::MadeUp => continue,
                    Naming::Chosen => return Err(name_taken(&name, bearer)),
                }
            }
            new.spec.name = name;
            match (place(&mut new.spec)?, new.naming) {
                (Placing::Free, _) => return Ok(()),
                (Placing::Taken(_), Naming::MadeUp) => {}
                (Placing::Taken(error), Naming::Chosen) => return Err(error),
            }
        }
        Err(Error::internal("ran out of names"))
    }

    /// A number that no task's name has had, the first one where all before it were given in turn:
    /// found by doubling and halving.
    fn unused_number(&self, name: &TaskName) -> u32 {
        let is_used = |number| self.layout.name(&name.numbered(number)).exists();
        let (mut used, mut unused) = (SMALL_NUMBERS - 1, SMALL_NUMBERS);
        while is_used(unused) && unused < u32::MAX / 2 {
            (used, unused) = (unused, unused * 2);
        }
        while unused - used > 1 {
            let middle = used.midpoint(unused);
            if is_used(middle) { used = middle } else { unused = middle }
        }
        unused
    }

    /// Keeps the environment that a task's commands run in from now on.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn keep_environment(&self, lock: &TaskLock, environment: &Environment) -> Result<()> {
        let kept = index::Variables { schema: 1, variables: Vec::from(environment) };
        let path = self.layout.task(lock.id()).env();
        files::replace(&path, &files::to_json(&kept)?, Durability::PowerCut)
    }

    /// Forgets the environment of a task that will not run any more, and the secrets in it.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn forget_environment(&self, lock: &TaskLock) -> Result<()> {
        let layout = self.layout.task(lock.id());
        files::remove(&layout.env())?;
        files::remove(&layout.wake())?;
        files::remove(&layout.secrets())
    }

    /// Carries out `change`: the record and its news are one durable write, then the news is told.
    ///
    /// # Errors
    /// `refused` when the change makes no sense, `io` when it cannot be recorded.
    pub fn commit(&self, lock: &TaskLock, task: &Task, change: Change) -> Result<Task> {
        // What a power cut takes back is found out, or done, once more.
        let durability = match change {
            Change::Started { .. } | Change::AgentEnded(_) => Durability::Either,
            _ => Durability::PowerCut,
        };
        let next = task.apply(change, self.clock.now())?;
        self.mark_untold(&next)?;
        self.write(lock, &next, durability)?;
        if task.record.outbox.is_empty() {
            self.tell(lock, next)
        } else {
            self.tell_again(lock, next)
        }
    }

    /// Appends what the record's outbox holds to the journal.
    pub(super) fn tell(&self, lock: &TaskLock, task: Task) -> Result<Task> {
        self.append(&task.record.outbox)?;
        self.is_told(lock, task)
    }

    /// Tells what a process that died had no time to tell; events that the journal has already are
    /// not told again.
    ///
    /// # Errors
    /// `io` when the journal cannot be read or written.
    pub fn tell_again(&self, lock: &TaskLock, task: Task) -> Result<Task> {
        self.append_missing(&task.record.outbox)?;
        self.is_told(lock, task)
    }

    /// The task with an empty outbox. On disk it is emptied by the next change; only where that may
    /// never come it is emptied now, so that not everybody who reads it has to ask the journal.
    fn is_told(&self, lock: &TaskLock, mut task: Task) -> Result<Task> {
        let told = std::mem::take(&mut task.record.outbox);
        if !told.is_empty() && task.ended().is_some() {
            self.write(lock, &task, Durability::Either)?;
        }
        Ok(task)
    }

    fn write(&self, lock: &TaskLock, task: &Task, durability: Durability) -> Result<()> {
        debug_assert_eq!(lock.id, task.id(), "a lock is for one task");
        files::replace(
            &self.layout.task(lock.id).state(),
            &files::to_json(&task.record)?,
            durability,
        )
    }
}

/// How a task begins that is only being recorded.
#[derive(Debug)]
pub struct Beginning {
    /// What begins it.
    pub started: Change,
    /// The ports that tasks are given.
    pub ports: PortRange,
}

/// A task that was recorded.
#[derive(Debug)]
pub enum Created {
    /// It waits in the queue; or another with the same request was there before, in whatever state.
    Queued(Task),
    /// It has begun, so far only on record: it is to have a supervisor before the queue's lock goes.
    Begun {
        /// The task.
        task: Task,
        /// Its lock.
        lock: TaskLock,
        /// What its commands run in.
        environment: Environment,
        /// The queue's lock.
        queue: FileLock,
    },
}

/// Whether the branch and the folder that go with a name are free.
#[derive(Debug)]
pub enum Placing {
    /// They are.
    Free,
    /// They are not, for this reason.
    Taken(Error),
}

pub(super) fn no_such_task(text: &str) -> Error {
    Error::not_found(format!("no task `{}`", crate::escape::line(text)))
        .hint("`offshoot list --all` shows every task")
}

fn name_taken(name: &TaskName, bearer: TaskId) -> Error {
    Error::refused(format!("the name `{name}` is taken by task {}", bearer.short()))
        .hint(format!("offshoot status {name}"))
        .hint("choose another with `--name`, or leave it out to get one made up")
}
