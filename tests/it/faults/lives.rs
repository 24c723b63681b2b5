//! A stretch of a task's life in which any call goes wrong: what the sweeps of its start and of its end
//! have in common. The world is prepared once; the verb dispatches a task `t`, and all that this starts is
//! let go on until no process is left.

use super::picture::picture;
use super::sweep::{Extent, Scenario, Steps, try_all};
use super::verdict::{Disturbed, Undisturbed, knows_the_ends, ran_of, told, undisturbed};
use super::world::{Fault, World};
use crate::sandbox::{Ran, TestRepo, wait_until};

/// Which calls count, and what is asked afterwards.
pub(super) struct Stretch {
    /// The tool's options in the verb.
    pub(super) options: &'static [&'static str],
    /// The next command, in which there may be a second fault, and the tool's options then.
    pub(super) next: (&'static [&'static str], &'static [&'static str]),
    /// So many calls there are at least.
    pub(super) calls: usize,
    /// What is wrong afterwards.
    pub(super) judge: fn(&Sweep, &Ran, Disturbed) -> Vec<String>,
}

/// A world in which a task is dispatched, and what comes of it undisturbed.
pub(super) struct Sweep {
    pub(super) name: &'static str,
    pub(super) verb: &'static [&'static str],
    pub(super) world: World,
    /// Before the task is dispatched.
    pub(super) before: String,
    pub(super) end: Undisturbed,
    calls: usize,
    stretch: &'static Stretch,
}

impl Sweep {
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    pub(super) fn of(
        stretch: &'static Stretch,
        name: &'static str,
        prepare: fn(&TestRepo<'_>),
        verb: &'static [&'static str],
    ) -> Option<Self> {
        let Some(world) = World::new(&Scenario { name, prepare, verb, steps: Steps::Many }) else {
            println!("faults: skipped, processes cannot be traced here (ptrace, seccomp)");
            return None;
        };
        let before = picture(&world);
        let (ran, _, calls) = run(&world, stretch.options, verb, Fault { mode: "kill", at: 0 });
        ran.ok();
        assert!(calls > stretch.calls, "{calls} calls are not all");
        // Else the uncommitted work would land too.
        let has_changes = verb.contains(&"--with-changes");
        let end = undisturbed(&world, if has_changes { "--squash" } else { "--take-leftovers" });
        wait_until("the end of the chores", || world.sandbox.processes().is_empty());
        Some(Self { name, verb, world, before, end, calls, stretch })
    }

    pub(super) fn try_all(&self) {
        let (next, options) = self.stretch.next;
        let calls_of_next = |first| {
            run(&self.world, self.stretch.options, self.verb, first);
            self.world.run_with(options, next, Fault { mode: "kill", at: 0 }).calls
        };
        try_all(
            (self.name, Extent::least(self.name)),
            self.calls,
            &calls_of_next,
            &mut |first, second| self.try_one(self.stretch.options, first, second),
        );
    }

    /// What is wrong after a fault in the dispatch and what it starts, and another one in the next command.
    pub(super) fn try_one(
        &self,
        options: &[&str],
        first: Fault,
        second: Option<Fault>,
    ) -> Option<String> {
        let world = &self.world;
        let (ran, what, _) = run(world, options, self.verb, first);
        let mut what = format!("{}: {what}; exit {} {}", self.name, ran.code, ran.stderr.trim());
        let mut after = Disturbed {
            modes: [first.mode, second.map_or("", |second| second.mode)],
            end: first.mode == "kill" && !knows_the_ends(world),
            // A kill of everything is one of them too, and of the shim when it has not written it down.
            left: first.mode == "kill" || first.mode == "kill-one" && what.contains("status"),
            attempts: 1,
        };
        if let Some(second) = second {
            let again = world.run_with(self.stretch.next.1, self.stretch.next.0, second);
            what += &format!(", then {} at {} ({:?})", second.mode, second.at, again.at);
            after.end |= after.modes.contains(&"kill") && !knows_the_ends(world);
            after.left |= second.mode.starts_with("kill");
        }
        let wrong = (self.stretch.judge)(self, &ran, after);
        wait_until("the end of the chores", || world.sandbox.processes().is_empty());
        (!wrong.is_empty()).then(|| format!("{what}\n{}", wrong.join("\n")))
    }

    /// Fails with what is wrong after this fault among the calls that the options choose.
    #[track_caller]
    pub(super) fn assert_right(&self, options: &[&str], mode: &'static str, at: usize) {
        let wrong = self.try_one(options, Fault { mode, at }, None);
        assert_eq!(wrong, None, "{}", wrong.clone().unwrap_or_default());
    }
}

/// Lays the world out, dispatches with a fault, and tells how that ended, what went wrong where, and how
/// many calls there were.
fn run(world: &World, options: &[&str], verb: &[&str], fault: Fault) -> (Ran, String, usize) {
    world.lay_out();
    let _nobody_was_told = std::fs::remove_file(told(world));
    let _it_has_not_run = std::fs::remove_file(ran_of(world));
    let ran = world.run_with(options, verb, fault);
    let at = ran.at.unwrap_or_else(|| "not reached".to_owned());
    let what = format!("{} at {} of {} ({at})", fault.mode, fault.at, ran.calls);
    (ran.ran, what, ran.calls)
}
