//! Signals while a task is being waited for, on threads of their own so that the waiting stays simple.
//!
//! With a person at both ends Ctrl-C leaves the task alone and says how to come back, and a second one
//! within two seconds cancels it. Without one INT, TERM and HUP cancel the task; the waiting then sees
//! it end. A signal that was ignored when we started (`nohup`, a script's `&`) stays ignored.

use super::exit::Exit;
use super::output::{Output, narrate};
use super::paint::Paint;
use super::{Place, complain};
use crate::error::{Attempt, Error, Result};
use crate::names::TaskName;
use crate::ops;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a second Ctrl-C cancels.
const SECOND_CHANCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Signals concern the task.
    Watching,
    /// A person asked to leave, and may still ask to cancel.
    Leaving,
    /// The task is being ended.
    Cancelling,
    /// Signals are what they are without us.
    Over,
}

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Leave,
    Cancel,
}

/// The watch; signals mean what they usually do once it has ended.
pub(super) struct Watch {
    stage: Arc<Mutex<Stage>>,
    names: Sender<TaskName>,
}

impl Watch {
    /// Says which task it is about.
    pub(super) fn task_is(&mut self, name: &TaskName) {
        // The other end goes away only with the whole program.
        let _ = self.names.send(name.clone());
    }

    /// Whether a person asked to leave.
    pub(super) fn is_leaving(&self) -> bool {
        read(&self.stage) == Stage::Leaving
    }

    /// Ends it; says whether nobody had asked to leave or to cancel.
    pub(super) fn end(self) -> bool {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stage, Stage::Over) == Stage::Watching
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Over;
    }
}

/// Begins to listen.
///
/// # Errors
/// When the system does not let us.
pub(super) fn watch(place: &Place, output: &Output) -> Result<Watch> {
    let (manner, signals) = if output.has_person() {
        (Manner::Leave, vec![SIGINT])
    } else {
        (Manner::Cancel, vec![SIGINT, SIGTERM, SIGHUP])
    };
    let ignored = ignored_signals();
    let heeded = signals.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut heard =
        Signals::new(heeded).map_err(|cause| Error::io("listen for signals", &cause))?;
    let (sender, receiver) = mpsc::channel();
    let apart = thread::Builder::new();
    apart
        .spawn(move || heard.forever().try_for_each(|signal| sender.send(signal)))
        .attempt(|| "start a thread")?;
    let stage = Arc::new(Mutex::new(Stage::Watching));
    let (names, named) = mpsc::channel();
    let watcher = Watcher {
        stage: stage.clone(),
        manner,
        place: place.clone(),
        named,
        interrupt_ends: output.interrupt_ends.clone(),
    };
    let apart = thread::Builder::new();
    apart.spawn(move || watcher.heed(&receiver)).attempt(|| "start a thread")?;
    Ok(Watch { stage, names })
}

/// The thread that acts on signals.
struct Watcher {
    stage: Arc<Mutex<Stage>>,
    manner: Manner,
    place: Place,
    named: Receiver<TaskName>,
    interrupt_ends: Arc<AtomicBool>,
}

impl Watcher {
    fn heed(&self, signals: &Receiver<i32>) {
        let mut task = None;
        while let Ok(signal) = signals.recv() {
            match self.stage() {
                Stage::Watching | Stage::Leaving => {}
                // Runners tend to send a signal twice; the first one is being heeded.
                Stage::Cancelling if self.manner == Manner::Cancel => continue,
                // A person who presses Ctrl-C once more does not want to wait for that either.
                Stage::Cancelling | Stage::Over => {
                    self.as_without_us(signal);
                    continue;
                }
            }
            // A signal during the dispatch waits here until the task has its name.
            let Some(name) = task.clone().or_else(|| self.named.recv().ok()) else {
                self.as_without_us(signal);
                continue;
            };
            task = Some(name.clone());
            match self.manner {
                Manner::Cancel => self.cancel(&name, Stage::Watching),
                Manner::Leave => self.leave(&name, signals),
            }
        }
    }

    fn leave(&self, name: &TaskName, signals: &Receiver<i32>) {
        if !self.step(Stage::Watching, Stage::Leaving) {
            return;
        }
        narrate(&format!(
            "\n`{name}` goes on without you; Ctrl-C again within 2 s cancels it\n\n  \
             offshoot wait {name}\n  offshoot logs -f {name}\n  offshoot cancel {name}"
        ));
        if signals.recv_timeout(SECOND_CHANCE).is_ok() {
            self.cancel(name, Stage::Leaving);
        } else if self.stage() == Stage::Leaving {
            std::process::exit(Exit::Detached.status().into());
        }
    }

    /// Cancels the task and lets the waiting see its end; beside this thread, which goes on heeding.
    fn cancel(&self, name: &TaskName, from: Stage) {
        if !self.step(from, Stage::Cancelling) {
            return;
        }
        narrate(&format!("cancelling `{name}`"));
        let (place, stage, name) = (self.place.clone(), self.stage.clone(), name.to_string());
        thread::spawn(move || {
            let cancelled =
                place.open().and_then(|context| ops::job_control::cancel(&context, &[name]));
            if let Err(error) = cancelled
                && read(&stage) != Stage::Over
            {
                narrate(&complain::message(&error, Paint::Plain));
                std::process::exit(error.kind.exit_status().into());
            }
        });
    }

    fn as_without_us(&self, signal: i32) {
        if signal != SIGINT || self.interrupt_ends.load(Ordering::SeqCst) {
            // It ends the program; where it cannot, nothing else would help.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }

    fn stage(&self) -> Stage {
        read(&self.stage)
    }

    fn step(&self, from: Stage, to: Stage) -> bool {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = *stage == from;
        if steps {
            *stage = to;
        }
        steps
    }
}

fn read(stage: &Mutex<Stage>) -> Stage {
    *stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signals while a landing is verified: the first one breaks that off, a second one ends the program.
#[derive(Default)]
pub(super) struct Interruption {
    come: Arc<AtomicBool>,
    heeded: AtomicBool,
}

impl Interruption {
    /// From now on signals mean this.
    pub(super) fn heed(&self) {
        if self.heeded.swap(true, Ordering::SeqCst) {
            return;
        }
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored & (1 << (signal - 1)) == 0 {
                // Where the system does not let us, a signal does what it does without us.
                let ends =
                    flag::register_conditional_shutdown(signal, 128 + signal, self.come.clone());
                let _ = ends.and_then(|_| flag::register(signal, self.come.clone()));
            }
        }
    }

    /// Set once it has come.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.come
    }

    /// Whether it has come.
    pub(super) fn has_come(&self) -> bool {
        self.come.load(Ordering::SeqCst)
    }
}

/// The signals that were ignored when we started, as bits; none where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
