//! Whoever waits when all that watched over a task dies, notices, though that changes no file.

use super::{cut_off_task, held};
use crate::sandbox::{Sandbox, finish};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

/// They look every second; the rest is for a machine that is busy.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn every_waiting_verb_notices_that_all_of_a_task_was_killed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let waiters: [(&[&str], i32); 3] =
        [(&["wait", "wait"], 4), (&["logs", "-f", "logs"], 0), (&["inbox", "--wait", "1m"], 0)];
    for (line, code) in waiters {
        let name = line[0];
        let (_, task) = held(&sandbox, &repo, name, &[]);
        let waiting = repo.offshoot_spawn(line);
        cut_off_task(&sandbox, &repo, &task);
        let cut = Instant::now();
        finish(waiting, name).exits(code);
        assert!(cut.elapsed() < SOON, "`{name}` took {:?}", cut.elapsed());
        assert_eq!(repo.task(name)["outcome"]["kind"], "interrupted", "`{name}`");
        repo.offshoot(&["inbox", "--ack"]).ok();
    }
}

#[test]
fn followed_events_tell_the_end_of_a_task_that_was_killed_with_all_that_watched_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (_, task) = held(&sandbox, &repo, "t", &[]);
    let mut following = repo.offshoot_spawn(&["events", "--follow"]);
    let mut lines = BufReader::new(following.stdout.take().expect("a pipe")).lines();
    cut_off_task(&sandbox, &repo, &task);
    let cut = Instant::now();
    let told = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("interrupted")));
    assert!(told.is_some() && cut.elapsed() < SOON, "{told:?} after {:?}", cut.elapsed());
    kill_process(Pid::from_child(&following), Signal::KILL).expect("it is there");
    finish(following, "offshoot events").exits(137);
}
