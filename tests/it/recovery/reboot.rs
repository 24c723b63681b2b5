//! A reboot. The records are left as one leaves them: they name processes of an earlier boot, whose
//! numbers by now belong to others, and those others are neither signalled nor waited for.

use super::{cut_off_task, held};
use crate::sandbox::{Sandbox, TestRepo, finish, text};
use serde_json::{Value, json};
use std::process::Child;

const BEFORE: &str = "00000000-0000-4000-8000-000000000000";

/// A process that has nothing to do with any task.
struct Bystander(Option<Child>);

impl Bystander {
    fn new(sandbox: &Sandbox) -> Self {
        let child = sandbox.command("sleep").arg("600").spawn();
        Self(Some(child.expect("sleep is there")))
    }

    fn pid(&self) -> u32 {
        self.0.as_ref().expect("it is there").id()
    }

    /// Field 22 of `/proc/PID/stat`.
    fn start_time(&self) -> u64 {
        self.stat().split(' ').nth(19).and_then(|word| word.parse().ok()).expect("a start time")
    }

    fn stat(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it lives");
        stat.rsplit_once(") ").expect("a name in parentheses").1.to_owned()
    }

    /// Ends it, which must have lived undisturbed until now.
    fn lived(mut self) {
        assert!(self.stat().starts_with('S'), "it was stopped: {}", self.stat());
        let mut child = self.0.take().expect("it is there");
        child.kill().expect("it can be ended");
        assert_eq!(finish(child, "sleep").code, 137, "nobody else ended it");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ended_already = child.kill();
            let _nobody_asks = child.wait();
        }
    }
}

/// Cuts a running task off, and changes its record as `edit` says.
fn leave(sandbox: &Sandbox, repo: &TestRepo<'_>, task: &Value, edit: impl FnOnce(&mut Value)) {
    cut_off_task(sandbox, repo, task);
    let mut record = repo.record(task, "state.json");
    edit(&mut record["state"]);
    let file = repo.record_folder(task).join("state.json");
    std::fs::write(file, record.to_string()).expect("the record");
}

/// What a reboot makes of the state of a task: another boot, whose clock began long ago, and numbers
/// that `others` have now.
fn of_another_boot(state: &mut Value, others: &[Bystander; 2]) {
    state["boot_id"] = json!(BEFORE);
    state["started_tick_ms"] = json!(0);
    for (role, other) in ["shim", "agent"].into_iter().zip(others) {
        let process = &mut state["phase"][role];
        process["boot_id"] = json!(BEFORE);
        // Even the start time may be the same, counted from another boot.
        (process["pid"], process["start_time"]) = (json!(other.pid()), json!(other.start_time()));
    }
}

fn reboot(repo: &TestRepo<'_>) {
    std::fs::write(repo.state_folder().join("boot"), BEFORE).expect("the boot");
}

#[test]
fn after_a_reboot_reused_numbers_are_left_alone_and_the_queue_drains() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[&sandbox.agent("commit"), "again"]);
    repo.dispatch("b", &[&sandbox.agent("commit"), "b"]);
    repo.worktree_of(&repo.task("t")).write("half.txt", "done\n");
    let others = [Bystander::new(&sandbox), Bystander::new(&sandbox)];
    leave(&sandbox, &repo, &task, |state| of_another_boot(state, &others));
    reboot(&repo);

    let waited = repo.offshoot_json_exit(&["wait", "t", "b"]).1;
    let (t, b) = (&waited["tasks"][0], &waited["tasks"][1]);
    assert_eq!((&t["state"], &t["outcome"]["kind"]), (&"failed".into(), &"interrupted".into()));
    assert_eq!((&t["diff"]["files"], &t["duration_ms"]), (&1.into(), &json!(null)), "{t:#}");
    assert_eq!(b["state"], "completed");
    assert_eq!(repo.told("t"), ["dispatched", "started", "finished"]);

    gate.open();
    repo.offshoot(&["retry", "t"]).ok();
    let t = repo.wait_for("t");
    assert_eq!((&t["state"], &t["attempt"]), (&"completed".into(), &2.into()));
    assert_eq!(t["diff"]["files"], 2, "on top of what there was: {t:#}");
    repo.offshoot(&["doctor"]).ok();
    others.into_iter().for_each(Bystander::lived);
}

#[test]
fn a_number_that_another_process_of_this_boot_has_by_now_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 0\n");
    let repo = sandbox.repo("simple");
    let (_, task) = held(&sandbox, &repo, "t", &[]);
    let others = [Bystander::new(&sandbox), Bystander::new(&sandbox)];
    leave(&sandbox, &repo, &task, |state| {
        for (role, other) in ["shim", "agent"].into_iter().zip(&others) {
            let process = &mut state["phase"][role];
            process["pid"] = json!(other.pid());
            process["start_time"] = json!(other.start_time() - 1);
        }
        // Asked for before, so that the next supervisor ends the tree.
        state["stopping"] = json!("cancelled");
    });
    assert_eq!(repo.wait_for("t")["state"], "cancelled");
    others.into_iter().for_each(Bystander::lived);
}

#[test]
fn a_task_that_was_paused_at_a_reboot_is_interrupted_and_its_pause_is_not_counted() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (_, task) = held(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let others = [Bystander::new(&sandbox), Bystander::new(&sandbox)];
    leave(&sandbox, &repo, &task, |state| {
        of_another_boot(state, &others);
        state["pause"]["stage"]["since_tick_ms"] = json!(0);
    });
    reboot(&repo);
    let ended = repo.wait_for("t");
    assert_eq!(ended["outcome"]["kind"], "interrupted");
    assert_eq!((&ended["paused_ms"], &ended["duration_ms"]), (&0.into(), &json!(null)));
    others.into_iter().for_each(Bystander::lived);
}

#[test]
fn a_task_that_had_not_begun_at_a_reboot_begins_with_its_whole_time() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let agent = [sandbox.agent("wait_for_gate"), gate.argument(), sandbox.agent("commit")];
    let line = ["dispatch", "--name", "t", "--timeout", "20s", "--"];
    let task = repo.offshoot_json(&[&line[..], &[&agent[0], &agent[1], &agent[2]]].concat());
    gate.wait_for_arrival();
    leave(&sandbox, &repo, &task, |state| {
        (state["boot_id"], state["started_tick_ms"]) = (json!(BEFORE), json!(0));
        state["phase"] = json!({"phase": "preparing"});
    });
    reboot(&repo);
    gate.open();
    let ended = repo.wait_for("t");
    assert_eq!((text(&ended["state"]), &ended["attempt"]), ("completed", &1.into()), "{ended:#}");
}
