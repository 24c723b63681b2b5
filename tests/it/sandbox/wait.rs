//! Waiting without sleeping for a guess: gates that hold agents, conditions with a deadline.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a condition may take to come true, and a process to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Holds an agent back until the test has seen what it wanted to see.
pub(crate) struct Gate {
    pub(super) file: PathBuf,
}

impl Gate {
    /// What the agent `wait_for_gate` takes as its first argument.
    pub(crate) fn argument(&self) -> String {
        self.file.display().to_string()
    }

    /// Lets every agent through that waits here, now or later.
    pub(crate) fn open(&self) {
        std::fs::write(&self.file, "").expect("the gate can be opened");
    }

    /// Waits until an agent stands at the gate.
    pub(crate) fn wait_for_arrival(&self) {
        let arrived = PathBuf::from(self.argument() + ".arrived");
        wait_until(&format!("an agent at the gate {}", self.file.display()), || arrived.exists());
    }
}

/// Waits until a condition holds; after 20 seconds the test fails, saying what it waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(wait_while(PATIENCE, || !condition()), "waited {PATIENCE:?} in vain for {what}");
}

/// Looks every 5 ms at first, every 50 ms later; answers whether the condition ceased to hold.
pub(super) fn wait_while(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let (deadline, mut pause) = (Instant::now() + limit, Duration::from_millis(5));
    while condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(50));
    }
    true
}
