//! What dies is taken up: supervisors, shims, dispatchers and half-written records. Processes are
//! killed by the ids that the sandbox and the records name, never by a name.

mod processes;
mod reboot;
mod records;
mod waiting;

use crate::sandbox::{Gate, Sandbox, TestRepo, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Dispatches task `t`, which waits at the gate and then runs `agent`, and waits until it is there.
pub(crate) fn held(
    sandbox: &Sandbox,
    repo: &TestRepo<'_>,
    name: &str,
    agent: &[&str],
) -> (Gate, Value) {
    let gate = sandbox.gate(name);
    let (wait, argument) = (sandbox.agent("wait_for_gate"), gate.argument());
    let task = repo.dispatch(name, &[&[&*wait, &argument], agent].concat());
    gate.wait_for_arrival();
    (gate, task)
}

/// The supervisor of a task, if there is one.
pub(crate) fn supervisor(sandbox: &Sandbox, task: &Value) -> Option<Pid> {
    let id = text(&task["id"]);
    let is_its = |line: &str| line.starts_with("offshoot supervise ") && line.ends_with(id);
    sandbox.processes().into_iter().find(|(_, line)| is_its(line)).map(|(pid, _)| pid)
}

/// A process that a running task's record names: `shim` or `agent`.
pub(crate) fn recorded(repo: &TestRepo<'_>, task: &Value, role: &str) -> Pid {
    let record = repo.record(task, "state.json");
    let pid = record["state"]["phase"][role]["pid"].as_i64().unwrap_or_default();
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.unwrap_or_else(|| panic!("the record names no {role}: {record:#}"))
}

/// Ends processes as a power cut does: all at once, none of them notices another's end.
pub(crate) fn cut_off(pids: &[Pid]) {
    for signal in [Signal::STOP, Signal::KILL] {
        for pid in pids {
            kill_process(*pid, signal).expect("it is there");
        }
    }
}

/// Cuts off everything that belongs to a running task.
fn cut_off_task(sandbox: &Sandbox, repo: &TestRepo<'_>, task: &Value) {
    let supervisor = supervisor(sandbox, task).expect("it is supervised");
    cut_off(&[supervisor, recorded(repo, task, "shim"), recorded(repo, task, "agent")]);
}
