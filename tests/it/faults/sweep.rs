//! Runs a verb again and again with another call failing each time, and judges what is left.

use super::picture::{difference, left_about, picture};
use super::world::{Fault, World};
use crate::sandbox::TestRepo;

/// What is prepared, and the verb whose calls fail.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) prepare: fn(&TestRepo<'_>),
    pub(super) verb: &'static [&'static str],
    pub(super) steps: Steps,
}

/// Whether a verb happens as a whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    One,
    /// In two, each of which happens as a whole: the verb that does the first alone, and the one that
    /// goes on from there.
    Two {
        first: &'static [&'static str],
        rest: &'static [&'static str],
    },
    Many,
}

const MODES: [&str; 6] = ["kill", "kill-one", "enospc", "enospc-on", "eio", "eio-on"];

/// The next command, whatever it is: it takes up what was cut off.
const NEXT: [&str; 1] = ["list"];

/// How many findings are enough to stop.
const ENOUGH: usize = 40;

/// How many calls are taken: all of them, or some that are spread evenly.
pub(super) struct Extent {
    /// Of each mode.
    singles: usize,
    /// Of the verb, and as many of the next command after each.
    doubles: usize,
    modes: Vec<&'static str>,
}

impl Extent {
    /// `OFFSHOOT_FAULTS=all` (by `scripts/faults`) takes everything, a mode's name all of that mode,
    /// `double` only two faults in a row; `OFFSHOOT_FAULTS_CALLS` at most so many calls of each. Without
    /// them one call of two modes is taken, of other modes in the next scenario, and one double fault.
    pub(super) fn chosen(name: &str) -> Self {
        let most = std::env::var("OFFSHOOT_FAULTS_CALLS").ok();
        let singles = most.map_or(usize::MAX, |most| most.parse().expect("a number of calls"));
        let doubles = singles.min(16);
        match std::env::var("OFFSHOOT_FAULTS").as_deref() {
            Ok("all") => Self { singles, doubles, modes: MODES.to_vec() },
            Ok("double") => Self { singles: 0, doubles, modes: Vec::new() },
            Ok(only) => {
                let mode = MODES.into_iter().find(|mode| *mode == only).expect("a mode");
                Self { singles, doubles: 0, modes: vec![mode] }
            }
            Err(_) => {
                let turn = turn_of(name) % 3;
                Self { singles: 1, doubles: 1, modes: vec![MODES[turn], MODES[turn + 3]] }
            }
        }
    }

    /// The same, but one call of one mode where nothing is chosen: for what takes seconds.
    pub(super) fn least(name: &str) -> Self {
        let chosen = Self::chosen(name);
        match std::env::var_os("OFFSHOOT_FAULTS") {
            Some(_) => chosen,
            None => Self { doubles: 0, modes: vec![MODES[turn_of(name) % MODES.len()]], ..chosen },
        }
    }
}

/// Everything as before the verb, after its first step where it has two, and as after it.
struct Ends {
    before: String,
    between: Option<String>,
    after: String,
}

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(super) fn sweep(scenario: &Scenario) {
    let Some(world) = World::new(scenario) else {
        println!("faults: skipped, processes cannot be traced here (ptrace, seccomp)");
        return;
    };
    let before = picture(&world);
    world.repo().offshoot(scenario.verb).ok();
    let after = picture(&world);
    assert_ne!(before, after, "the verb changes nothing");
    world.lay_out();
    let between = match scenario.steps {
        Steps::Two { first, .. } => {
            world.repo().offshoot(first);
            Some(picture(&world))
        }
        Steps::One | Steps::Many => None,
    };
    assert_ne!(between.as_ref(), Some(&before), "the first step changes nothing");
    let ends = Ends { before, between, after };
    world.lay_out();
    let calls = world.run(scenario.verb, Fault { mode: "kill", at: 0 }).calls;
    let calls_of_next = |first| {
        world.lay_out();
        let _whatever_came_of_it = world.run(scenario.verb, first);
        world.run(&NEXT, Fault { mode: "kill", at: 0 }).calls
    };
    try_all(
        (scenario.name, Extent::chosen(scenario.name)),
        calls,
        &calls_of_next,
        &mut |first, second| try_one(&world, scenario, &ends, (first, second)),
    );
}

/// Tries every fault that is to be tried at one of `calls`, and some of these with another one in the
/// next command, of which `calls_of_next` tells how many calls it makes. Fails with what is found.
#[expect(clippy::print_stdout, reason = "the long form tells figures")]
pub(super) fn try_all(
    (name, extent): (&str, Extent),
    calls: usize,
    calls_of_next: &dyn Fn(Fault) -> usize,
    try_one: &mut dyn FnMut(Fault, Option<Fault>) -> Option<String>,
) {
    let (mut tried, mut findings) = (0, Vec::new());
    let mut judge = |first: Fault, second: Option<Fault>| {
        if findings.len() < ENOUGH {
            tried += 1;
            let found = try_one(first, second);
            found.iter().for_each(|found| println!("{found}"));
            findings.extend(found);
        }
    };
    for mode in extent.modes {
        for at in spread(calls, extent.singles, turn_of(name) + turn_of(mode)) {
            judge(Fault { mode, at }, None);
        }
    }
    let own = turn_of(name);
    for (turn, at) in (own..).zip(spread(calls, extent.doubles, own)) {
        let first = Fault { mode: ["kill", "enospc-on", "eio-on"][turn % 3], at };
        let calls = calls_of_next(first);
        for (turn, at) in (own..).zip(spread(calls, extent.doubles, turn)) {
            judge(first, Some(Fault { mode: MODES[turn % MODES.len()], at }));
        }
    }
    println!("faults: {name}: {calls} calls, {tried} tried, {} findings", findings.len());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// A number by which what bears this name differs from others.
pub(super) fn turn_of(name: &str) -> usize {
    name.bytes().map(usize::from).sum()
}

/// Some calls of 1 to `calls`, evenly spread; another `turn` takes others.
pub(super) fn spread(calls: usize, most: usize, turn: usize) -> Vec<usize> {
    if most >= calls {
        return (1..=calls).collect();
    }
    let shift = turn * 7919;
    (0..most).map(|part| ((part * calls + shift % calls) / most) % calls + 1).collect()
}

/// What is wrong after a fault (and another one in the next command).
fn try_one(
    world: &World,
    scenario: &Scenario,
    ends: &Ends,
    (first, second): (Fault, Option<Fault>),
) -> Option<String> {
    world.lay_out();
    let faulted = world.run(scenario.verb, first);
    let mut what =
        format!("{}: {} at {} of {}", scenario.name, first.mode, first.at, faulted.calls);
    what += &format!(" ({})", faulted.at.as_deref().unwrap_or("not reached"));
    if let Some(second) = second {
        let again = world.run(&NEXT, second);
        what += &format!(", then {} at {}", second.mode, second.at);
        what += &format!(" ({})", again.at.as_deref().unwrap_or("not reached"));
    }
    let said = faulted.ran.stderr.trim_end().replace('\n', " | ");
    what += &format!("; exit {} {said}", faulted.ran.code);
    let wrong = judge(world, scenario, ends, faulted.ran.code == 0);
    (!wrong.is_empty()).then(|| format!("{what}\n{}", wrong.join("\n")))
}

fn judge(world: &World, scenario: &Scenario, ends: &Ends, succeeded: bool) -> Vec<String> {
    let repo = world.repo();
    let mut wrong = Vec::new();
    let next = repo.offshoot(&NEXT);
    if next.code != 0 {
        wrong.push(format!("  the next command: {next}"));
    }
    let now = picture(world);
    let is_between = ends.between.as_ref() == Some(&now);
    let is_whole = now == ends.before || is_between || now == ends.after;
    if !is_whole && scenario.steps != Steps::Many {
        wrong.push(format!("  not as before:\n{}", difference(&ends.before, &now)));
        wrong.push(format!("  not as after:\n{}", difference(&ends.after, &now)));
    } else if succeeded && is_whole && now != ends.after {
        wrong.push("  it said that it succeeded, and nothing has changed".to_owned());
    }
    wrong.extend(left_about(world).into_iter().map(|path| format!("  left about: {path}")));
    let doctor = repo.offshoot(&["doctor"]);
    if doctor.code != 0 {
        wrong.push(format!("  doctor: {doctor}"));
    }
    let fsck = repo.git_ran(&["fsck", "--full", "--strict", "--no-dangling"]);
    if fsck.code != 0 {
        wrong.push(format!("  fsck: {fsck}"));
    }
    if now != ends.after {
        let again = repo.offshoot(match scenario.steps {
            Steps::Two { rest, .. } if is_between => rest,
            _ => scenario.verb,
        });
        let now = picture(world);
        if again.code != 0 || now != ends.after {
            wrong.push(format!("  again: {again}{}", difference(&ends.after, &now)));
        }
    }
    wrong
}
