//! The fixtures themselves: each is stated in `fixtures/README.md`, is executable, and does what the
//! stories rely on, so that none can rot.

use crate::sandbox::{Ran, Sandbox, TestRepo, fixtures, wait_until};
use std::os::unix::fs::PermissionsExt;

/// The files of `fixtures/<folder>`, sorted.
fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(fixtures().join(folder)).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be listed").file_name().display().to_string())
        .collect();
    names.sort();
    assert!(names.len() > 10, "{folder} holds only {names:?}");
    names
}

#[test]
fn every_fixture_is_stated_in_the_readme_and_nothing_else_is() {
    let readme = std::fs::read_to_string(fixtures().join("README.md")).expect("it is there");
    let mut stated: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .map(|(path, purpose)| {
            assert!(purpose.len() > 10, "{path}: say what it is for");
            path
        })
        .collect();
    stated.sort_unstable();
    let below = |folder: &'static str| {
        names(folder).into_iter().map(move |name| format!("{folder}/{name}"))
    };
    let scripts = below("repos").chain(below("agents")).chain(below("streams"));
    let mut present: Vec<String> = scripts.chain(below("records/v1")).collect();
    present.extend(
        ["lib.sh", "model/server", "hostile/state.json", "hostile/trees.json"].map(str::to_owned),
    );
    present.sort();
    assert_eq!(stated, present);
}

#[test]
fn every_fixture_is_an_executable_shell_script() {
    for folder in ["repos", "agents"] {
        for name in names(folder) {
            let path = fixtures().join(folder).join(&name);
            let mode = path.metadata().expect("it is there").permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{} is not executable", path.display());
            let text = std::fs::read_to_string(&path).expect("it is text");
            assert!(text.starts_with("#!/bin/sh\n# "), "{name}: `#!/bin/sh`, then its purpose");
            assert!(text.contains("\nset -eu\n"), "{name}: `set -eu`");
        }
    }
}

#[test]
fn every_repository_script_makes_a_repository_that_git_accepts() {
    let sandbox = Sandbox::new();
    for script in names("repos") {
        let fixture = script.strip_suffix(".sh").expect("scripts end in .sh");
        let repo = sandbox.repo_named(fixture, fixture);
        repo.git_ran(&["fsck", "--full", "--strict"]).ok();
        let clean = match fixture {
            "bare" => continue,
            "dirty_target" | "unborn" => !repo.status_porcelain().is_empty(),
            _ => repo.status_porcelain().is_empty(),
        };
        assert!(clean, "{fixture}: {}", repo.status_porcelain());
    }
}

#[test]
fn a_repository_script_makes_the_same_commits_every_time() {
    let sandbox = Sandbox::new();
    for fixture in ["simple", "diverged", "non_utf8_names"] {
        let (one, two) = (sandbox.repo_named(fixture, "one"), sandbox.repo_named(fixture, "two"));
        assert_eq!(one.git(&["show-ref"]), two.git(&["show-ref"]), "{fixture}");
        for made in [one, two] {
            std::fs::remove_dir_all(made.root()).expect("it can be removed");
        }
    }
}

#[test]
fn the_repositories_are_what_their_names_promise() {
    let sandbox = Sandbox::new();
    let repo = |fixture| sandbox.repo_named(fixture, fixture);

    let merges = |fixture| {
        let ran = repo(fixture).git_ran(&["merge-tree", "--write-tree", "main", "topic"]);
        ran.code == 0
    };
    assert!(merges("diverged"));
    assert!(!merges("conflicting"));

    assert_eq!(
        repo("dirty_target").status_porcelain(),
        "MM both.txt\n D deleted.txt\n M modified.txt\nR  renamed.txt -> moved.txt\nM  staged.txt\n\
         ?? folder/untracked.txt\n?? untracked.txt"
    );
    assert_eq!(repo("bare").git(&["rev-parse", "--is-bare-repository"]), "true");
    assert_eq!(repo("shallow").git(&["rev-list", "--count", "HEAD"]), "2");
    assert_eq!(repo("detached").git_ran(&["symbolic-ref", "--quiet", "HEAD"]).code, 1);
    assert_eq!(repo("unborn").git_ran(&["rev-parse", "--verify", "HEAD"]).code, 128);
    assert_eq!(repo("linked_worktree").git(&["worktree", "list"]).lines().count(), 2);
    assert_eq!(repo("nested_paths_many_files").git(&["ls-files"]).lines().count(), 300);
    assert!(repo("submodule").git(&["submodule", "status"]).contains(" lib "));
    let filtered = repo("lfs_like_filter");
    assert_eq!(filtered.git(&["cat-file", "-p", "HEAD:asset.big"]), "uryyb nf crbcyr frr vg");
    assert_eq!(filtered.read("asset.big"), "hello as people see it\n");
    let crlf = repo("crlf").git(&["ls-files", "--eol", "windows.txt", "raw.dat"]);
    assert!(crlf.contains("i/lf    w/crlf  attr/text eol=crlf"), "{crlf}");
    assert!(crlf.contains("i/crlf"), "{crlf}");
    let names = repo("non_utf8_names").git(&["ls-files"]);
    assert!(names.contains(r#""caf\351.txt""#) && names.contains(r"two\nlines.txt"), "{names}");
    let renames = repo("renames").git(&["diff", "--name-status", "-M", "main~1", "topic"]);
    assert!(renames.contains("R100\told_name.txt\tnew_name.txt"), "{renames}");
}

#[test]
fn the_agents_do_what_their_names_promise() {
    let sandbox = Sandbox::new();
    // What is run, its exit status, the commits it adds to main and the paths it leaves changed.
    for (agent, code, commits, changed) in [
        ("commit", 0, "1", ""),
        ("edit_only", 0, "0", "M notes.txt|?? new.txt"),
        ("mixed", 0, "1", "M mixed.txt|A  staged_by_agent.txt|?? untracked_by_agent.txt"),
        ("fail", 3, "0", "?? half_done.txt"),
        ("killed_by_signal", 137, "0", "?? half_done.txt"),
        ("flood", 0, "0", ""),
        ("switch_branch", 0, "1", ""),
        ("detached_commit", 0, "1", ""),
        ("reset_hard_to_base", 0, "0", ""),
        ("noop", 0, "0", ""),
        ("print_env", 0, "0", ""),
        ("stash", 0, "0", "?? kept.txt"),
        (
            "binary_and_rename",
            0,
            "0",
            "D notes.txt|?? link_to_notes|?? picture.bin|?? renamed_notes.txt|?? tool.sh",
        ),
        ("nested_repo", 0, "0", "?? beside.txt|?? nested/"),
    ] {
        let repo = sandbox.repo_named("simple", agent);
        let base = repo.head();
        let ran = run(&sandbox, &repo, agent, &[]).exits(code);
        assert_eq!(repo.git(&["rev-list", "--count", &format!("{base}..HEAD")]), commits, "{ran}");
        assert_eq!(repo.status_porcelain().trim_start().replace('\n', "|"), changed, "{agent}");
    }
}

/// Runs an agent in the checkout of `repo`.
fn run(sandbox: &Sandbox, repo: &TestRepo<'_>, agent: &str, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(&sandbox.agent(agent));
    sandbox.finish_command(command.args(arguments).current_dir(repo.root()))
}

#[test]
fn the_agents_that_leave_their_branch_do_so() {
    let sandbox = Sandbox::new();
    let ran = |agent: &str| {
        let repo = sandbox.repo_named("diverged", agent);
        repo.git(&["checkout", "--quiet", "topic"]);
        run(&sandbox, &repo, agent, &[]).ok();
        repo
    };
    let repo = ran("merge_target");
    assert_eq!(repo.git(&["rev-list", "--merges", "--count", "HEAD"]), "1");
    assert_eq!(repo.git(&["merge-base", "main", "HEAD"]), repo.git(&["rev-parse", "main"]));
    let repo = ran("orphan_checkout");
    assert_eq!(repo.git(&["rev-list", "--count", "HEAD"]), "1");
    let repo = ran("switch_branch");
    assert_eq!(repo.git(&["branch", "--show-current"]), "agents-own-branch");
    let repo = ran("detached_commit");
    assert_eq!(repo.git(&["branch", "--show-current"]), "");
    let repo = ran("stash");
    assert_eq!(repo.git(&["stash", "list"]).lines().count(), 1);
}

#[test]
fn the_agents_that_destroy_or_break_out_do_so() {
    let sandbox = Sandbox::new();
    let ran = |agent: &str| {
        let main = sandbox.repo_named("linked_worktree", agent);
        let linked = sandbox.open(sandbox.root().join(format!("{agent}-linked")));
        run(&sandbox, &linked, agent, &[]).ok();
        (main, linked)
    };
    let (_, linked) = ran("delete_worktree");
    assert!(!linked.root().exists());
    let (_, linked) = ran("delete_gitfile");
    assert!(!linked.exists(".git") && linked.exists("orphaned.txt"));
    let (main, linked) = ran("writes_main_checkout");
    assert!(main.exists("written_by_agent.txt") && linked.exists("own.txt"));
    let repo = sandbox.repo("crlf");
    run(&sandbox, &repo, "crlf_edit", &[]).ok();
    assert_eq!(repo.read("plain.txt"), "one\r\ntwo\r\nadded\r\n");
}

#[test]
fn the_agents_that_will_not_go_stay() {
    let sandbox = Sandbox::new();
    sandbox.allow_leftovers();
    let repo = sandbox.repo("simple");
    let stays = || sandbox.processes().iter().any(|(_, line)| line == "sleep 600");

    run(&sandbox, &repo, "daemon_setsid", &["daemon.pid"]).ok();
    wait_until("the daemon", stays);
    let pid = repo.read("daemon.pid");
    let session = session_of(pid.trim());
    assert_eq!(session, pid.trim(), "the daemon leads a session of its own");

    let mut command = sandbox.command(&sandbox.agent("ignore_term"));
    let mut child = command.arg("ready").current_dir(repo.root()).spawn().expect("it starts");
    wait_until("the agent to ignore signals", || repo.exists("ready"));
    let agent = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(agent, rustix::process::Signal::TERM).expect("it is ours");
    assert!(child.try_wait().expect("it can be asked").is_none());
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

/// The session of a process, from the sixth field of its `stat`.
fn session_of(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    let after_name = stat.rsplit_once(')').expect("the name is in brackets").1;
    after_name.split_whitespace().nth(3).expect("a session").to_owned()
}
