//! Killed processes.

use super::{cut_off, cut_off_task, held, recorded, supervisor};
use crate::sandbox::{Sandbox, finish, program, text, wait_until};
use rustix::io::dup;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

#[test]
fn a_supervisor_that_is_killed_is_replaced_and_the_agents_status_is_learnt() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[&sandbox.agent("fail"), "7"]);
    let killed = supervisor(&sandbox, &task).expect("it is supervised");
    kill_process(killed, Signal::KILL).expect("it is there");
    let is_new = || supervisor(&sandbox, &task).is_some_and(|now| now != killed);
    wait_until("a new supervisor", is_new);
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!((&task["state"], &task["outcome"]["code"]), (&"failed".into(), &7.into()));
    assert_eq!((&task["attempt"], &task["diff"]["files"]), (&1.into(), &1.into()));
    assert_eq!(repo.told("t"), ["dispatched", "started", "finished"]);
}

#[test]
fn a_supervisor_that_is_a_copy_of_the_dispatching_process_looks_like_a_new_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // What a caller has open must not stay open: whoever reads its other end would wait.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let inherited = dup(&writer).expect("a descriptor");
    drop(writer);
    let looks = [None, Some("a session")].map(|session| {
        let name = if session.is_some() { "new" } else { "copy" };
        let gate = sandbox.gate(name);
        let (wait, argument) = (sandbox.agent("wait_for_gate"), gate.argument());
        let mut command =
            repo.command(&["dispatch", "--json", "--name", name, "--", &wait, &argument]);
        // It is no part of the task's environment, so that another process is needed.
        command.envs(session.map(|session| ("CODEX_THREAD_ID", session)));
        let task = sandbox.finish_command(&mut command).ok().stdout;
        let task: Value = serde_json::from_str(&task).expect("a document");
        gate.wait_for_arrival();
        let pid = supervisor(&sandbox, &task).expect("it is supervised").as_raw_nonzero();
        let look = Look::of(pid.get(), text(&task["id"]));
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("it is there");
        gate.open();
        repo.wait_for(name);
        (look, program.trim_end().to_owned())
    });
    drop(inherited);
    assert_eq!(std::io::read_to_string(reader).expect("it ends"), "");
    let [(copy, copied), (new, started)] = looks;
    // Started by way of `/proc/self/exe`, or not started.
    assert_eq!((&*copied, &*started), ("offshoot", "exe"));
    assert_eq!(copy, new);
}

/// libgit2 knows them by number, in a copy of its process too.
#[test]
fn a_copy_keeps_the_packs_open_that_its_original_read() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["gc", "--quiet"]);
    let (gate, task) = held(&sandbox, &repo, "t", &[]);
    let pid = supervisor(&sandbox, &task).expect("it is supervised").as_raw_nonzero();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it is there");
    let open = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let packs = open.filter(|file| file.extension().is_some_and(|ending| ending == "pack"));
    assert_eq!(packs.count(), 1);
    gate.open();
    repo.wait_for("t");
}

#[test]
fn signals_that_a_caller_blocks_reach_whatever_it_starts() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (name, session) in [("copy", None), ("new", Some("a session"))] {
        let mut command = repo.command(&["dispatch", "--name", name, "--", "true"]);
        command.envs(session.map(|session| ("CODEX_THREAD_ID", session)));
        #[expect(unsafe_code, reason = "there is no safe call for a thread's signal mask")]
        // SAFETY: sigfillset(3) and sigprocmask(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let mut all = std::mem::MaybeUninit::uninit();
                libc::sigfillset(all.as_mut_ptr());
                libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
                Ok(())
            });
        }
        sandbox.finish_command(&mut command).ok();
        repo.offshoot(&["wait", name, "--timeout", "20s"]).ok();
    }
}

/// What others see of a process, whichever task it is for.
#[derive(Debug, PartialEq)]
struct Look {
    command_line: String,
    folder: PathBuf,
    streams: Vec<PathBuf>,
    open: BTreeMap<String, usize>,
    leads_its_session: bool,
    signals: Vec<String>,
}

impl Look {
    fn of(pid: i32, task: &str) -> Self {
        let read = |name: &str| {
            let text = std::fs::read(format!("/proc/{pid}/{name}")).expect("it is there");
            String::from_utf8_lossy(&text).replace(task, "TASK")
        };
        let leads_to = |name: &str| {
            let target = std::fs::read_link(format!("/proc/{pid}/{name}")).expect("it is there");
            PathBuf::from(target.display().to_string().replace(task, "TASK"))
        };
        let mut open = BTreeMap::new();
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it is there") {
            let name = entry.expect("listed").file_name();
            let target = leads_to(&format!("fd/{}", name.display()));
            let kind = target.display().to_string();
            *open.entry(kind.split(":[").next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let session: i32 = read("stat")
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split(' ').nth(4)?.parse().ok())
            .expect("a session");
        let status = read("status");
        let signals =
            status.lines().filter(|line| line.starts_with("Sig") || line.starts_with("Umask"));
        Self {
            // One that was renamed has nothing but ends behind its last word.
            command_line: read("cmdline").trim_end_matches('\0').to_owned(),
            folder: leads_to("cwd"),
            streams: ["fd/0", "fd/1", "fd/2"].map(leads_to).to_vec(),
            open,
            leads_its_session: session == pid,
            signals: signals.filter(|line| !line.starts_with("SigQ")).map(str::to_owned).collect(),
        }
    }
}

#[test]
fn every_successor_that_is_killed_is_replaced_while_the_agent_runs() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[&sandbox.agent("fail"), "7"]);
    // Nobody calls offshoot meanwhile.
    for _ in 0..3 {
        let killed = supervisor(&sandbox, &task).expect("it is supervised");
        kill_process(killed, Signal::KILL).expect("it is there");
        let is_new = || supervisor(&sandbox, &task).is_some_and(|now| now != killed);
        wait_until("a new supervisor", is_new);
    }
    gate.open();
    wait_until("the end", || repo.told("t").last().is_some_and(|event| event == "finished"));
    assert_eq!(repo.task("t")["outcome"], serde_json::json!({"kind": "exited", "code": 7}));
}

#[test]
fn a_supervisor_goes_on_with_the_next_task_in_its_name_and_is_replaced_there_as_well() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1");
    let repo = sandbox.repo("simple");
    let (first_gate, first) = held(&sandbox, &repo, "first", &["true"]);
    let next_gate = sandbox.gate("next");
    let waits = [&*sandbox.agent("wait_for_gate"), &next_gate.argument(), "sh", "-c", "exit 7"];
    let next = repo.dispatch("next", &waits);
    // Another environment needs another process.
    let mut other =
        repo.command(&["dispatch", "--name", "other", "--", "sh", "-c", "echo $FLAVOUR"]);
    sandbox.finish_command(other.env("FLAVOUR", "other")).ok();

    let heir = supervisor(&sandbox, &first).expect("it is supervised");
    first_gate.open();
    next_gate.wait_for_arrival();
    assert_eq!(supervisor(&sandbox, &next), Some(heir));
    assert_eq!(supervisor(&sandbox, &first), None);
    kill_process(heir, Signal::KILL).expect("it is there");
    wait_until("a new supervisor", || supervisor(&sandbox, &next).is_some_and(|now| now != heir));
    next_gate.open();
    assert_eq!(repo.wait_for("next")["outcome"]["code"], 7);
    repo.wait_for("other");
    assert_eq!(repo.offshoot(&["logs", "other"]).ok().stdout, "other\n");
    for name in ["first", "next", "other"] {
        assert_eq!(repo.told(name), ["dispatched", "started", "finished"], "{name}");
    }
}

#[test]
fn a_shim_that_is_killed_costs_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[&sandbox.agent("fail"), "7"]);
    kill_process(recorded(&repo, &task, "shim"), Signal::KILL).expect("it is there");
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!((&task["state"], &task["outcome"]["code"]), (&"failed".into(), &7.into()));
    assert_eq!(task["diff"]["files"], 1);
}

#[test]
fn when_both_are_killed_the_agent_goes_on_and_its_work_is_kept() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[&sandbox.agent("mixed")]);
    let supervisor = supervisor(&sandbox, &task).expect("it is supervised");
    cut_off(&[supervisor, recorded(&repo, &task, "shim")]);
    assert_eq!(repo.task("t")["state"], "running", "looking takes it up");
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!(
        (&task["state"], &task["outcome"]["kind"]),
        (&"failed".into(), &"interrupted".into())
    );
    assert_eq!((&task["diff"]["files"], &task["diff"]["commits"]), (&3.into(), &2.into()));
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("untracked_by_agent.txt"));
}

#[test]
fn after_a_power_cut_the_next_command_records_what_is_there() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (_, task) = held(&sandbox, &repo, "t", &[]);
    repo.worktree_of(&repo.task("t")).write("half.txt", "done\n");
    cut_off_task(&sandbox, &repo, &task);
    let task = repo.wait_for("t");
    assert_eq!(
        (&task["state"], &task["outcome"]["kind"]),
        (&"failed".into(), &"interrupted".into())
    );
    assert_eq!(task["diff"]["changes"][0]["path"], "half.txt");
    assert_eq!(repo.told("t"), ["dispatched", "started", "finished"]);
}

#[test]
fn a_task_without_a_supervisor_can_be_cancelled() {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 0\n");
    let repo = sandbox.repo("simple");
    let (_, task) = held(&sandbox, &repo, "t", &[]);
    let supervisor = supervisor(&sandbox, &task).expect("it is supervised");
    cut_off(&[supervisor, recorded(&repo, &task, "shim")]);
    let cancelled = repo.offshoot_json(&["cancel", "t"]);
    assert_eq!(cancelled["tasks"][0]["state"], "cancelled");
    assert!(!sandbox.processes().iter().any(|(_, line)| line.contains("wait_for_gate")));
}

#[test]
fn a_queue_drains_though_the_supervisor_before_it_was_killed() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[]);
    for name in ["b", "c"] {
        assert_eq!(repo.dispatch(name, &[&sandbox.agent("commit"), name])["state"], "pending");
    }
    let killed = supervisor(&sandbox, &task).expect("it is supervised");
    kill_process(killed, Signal::KILL).expect("it is there");
    gate.open();
    // Nobody calls offshoot meanwhile: the journal's file alone is watched.
    wait_until("the queue to drain", || {
        ["t", "b", "c"].iter().all(|name| repo.told(name).last().is_some_and(|e| e == "finished"))
    });
    let list = repo.offshoot_json(&["list"]);
    let states: Vec<&str> =
        list["tasks"].as_array().expect("tasks").iter().map(|task| text(&task["state"])).collect();
    assert_eq!(states, ["completed"; 3]);
}

#[test]
fn after_a_power_cut_the_next_command_starts_the_queue_again() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let (_, task) = held(&sandbox, &repo, "t", &[]);
    repo.dispatch("b", &[&sandbox.agent("commit"), "b"]);
    cut_off_task(&sandbox, &repo, &task);
    let waited = repo.offshoot_json_exit(&["wait", "t", "b"]).1;
    assert_eq!(waited["tasks"][0]["outcome"]["kind"], "interrupted");
    assert_eq!(waited["tasks"][1]["state"], "completed");
}

#[test]
fn a_task_survives_its_dispatcher_and_whole_process_group() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let line = ["dispatch", "--name", "t", "--"];
    let agent = [sandbox.agent("wait_for_gate"), gate.argument(), sandbox.agent("commit")];
    let mut shell = sandbox.command("sh");
    shell.args(["-c", "\"$@\"; exec sleep 600", "sh", program()]);
    shell.args(line).args(agent).current_dir(repo.root()).process_group(0);
    let shell = shell.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    gate.wait_for_arrival();
    let group = Pid::from_child(&shell);
    for signal in [Signal::HUP, Signal::INT, Signal::KILL] {
        // Gone after the first; the group is what a closed terminal signals.
        let _gone = kill_process_group(group, signal);
    }
    finish(shell, "the shell");
    assert_eq!(repo.task("t")["state"], "running");
    gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
}

#[test]
fn a_task_survives_the_run_that_follows_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let agent = [sandbox.agent("wait_for_gate"), gate.argument(), sandbox.agent("commit")];
    let line = ["run", "--name", "t", "--", &agent[0], &agent[1], &agent[2]];
    let run = repo.offshoot_spawn(&line);
    gate.wait_for_arrival();
    kill_process(Pid::from_child(&run), Signal::KILL).expect("it is there");
    finish(run, "offshoot run").exits(137);
    gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
}

#[test]
fn a_repository_that_is_moved_while_a_task_runs_loses_nothing_and_says_so() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &[&sandbox.agent("edit_only")]);
    let worktree = repo.worktree_of(&repo.task("t"));
    let place = sandbox.root().join("elsewhere");
    std::fs::rename(repo.root(), &place).expect("it can be moved");
    let moved = sandbox.open(&place);
    gate.open();
    let ended = moved.wait_for("t");
    // Whoever watched could write nowhere how the agent ended.
    assert_eq!(ended["outcome"]["kind"], "interrupted");
    let kinds: Vec<&str> =
        ended["warnings"].as_array().expect("a list").iter().map(|it| text(&it["kind"])).collect();
    assert!(kinds.contains(&"repository_moved"), "{ended:#}");
    assert_eq!(ended["id"], task["id"]);
    assert_eq!((&ended["diff"]["files"], worktree.status_porcelain()), (&2.into(), String::new()));
    moved.offshoot(&["merge", "t"]).ok();
}
