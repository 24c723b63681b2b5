//! Looking at tasks: waiting, lists, logs, results, news; for people and for programs.

mod bulk;
mod escaping;
mod following;
mod listing;
mod refusing;
mod waiting;

use crate::sandbox::{Gate, Sandbox, TestRepo};

/// Dispatches a task that waits at a gate of its own name and then runs `agent`.
fn held(sandbox: &Sandbox, repo: &TestRepo<'_>, name: &str, agent: &[&str]) -> Gate {
    let gate = sandbox.gate(name);
    repo.dispatch(name, &[&[&*sandbox.agent("wait_for_gate"), &gate.argument()], agent].concat());
    gate
}
