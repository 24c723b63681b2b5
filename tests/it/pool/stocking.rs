//! The stock of contents that new worktrees are written from.

use super::{assert_as_new, entry_of, place, pooled, settle, spares};
use crate::sandbox::{Sandbox, TestRepo};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A repository of many files, and a first task in it.
fn large<'s>(sandbox: &'s Sandbox, config: &str) -> (TestRepo<'s>, Value) {
    let repo = pooled(sandbox, config);
    for number in 0..1000 {
        repo.write(&format!("g{}/f{number}", number % 30), format!("{number}\n"));
    }
    repo.commit_all("many files");
    let first = repo.dispatch_to_end("first", &["true"]);
    // The next command has done what is to be done by now.
    repo.offshoot(&["list"]).ok();
    settle(&repo);
    (repo, first)
}

fn stock(repo: &TestRepo<'_>) -> PathBuf {
    repo.state_folder().join("stock/stock.pack")
}

#[test]
fn the_first_worktree_of_a_large_repository_makes_the_next_ones_faster() {
    let sandbox = Sandbox::new();
    let (repo, first) = large(&sandbox, "");
    assert!(stock(&repo).exists());
    let task = repo.dispatch_to_end("second", &["true"]);
    assert_as_new(&repo, &task, &entry_of(&place(&first)));
    assert!(!repo.state_folder().join("stock/wanted").exists());
    repo.offshoot(&["doctor"]).ok();
    repo.offshoot(&["gc"]).ok().says("nothing has expired");
    assert!(stock(&repo).exists());
}

#[test]
fn gc_frees_a_stock_that_is_of_no_use_any_more() {
    let sandbox = Sandbox::new();
    let (repo, _) = large(&sandbox, "");
    for config in ["[pool]\nstock_bytes = 0\n", "[keep]\nfolders_days = 0\n"] {
        sandbox.write_config("");
        repo.dispatch_to_end(&format!("more-{}", config.len()), &["true"]);
        repo.offshoot(&["list"]).ok();
        settle(&repo);
        assert!(stock(&repo).exists());
        sandbox.write_config(config);
        repo.offshoot(&["gc", "--dry-run"]).ok().says("would free ");
        assert!(stock(&repo).exists());
        let freed = repo.offshoot_json(&["gc"]);
        let freed = freed["freed"].as_array().expect("a list");
        let stocks: Vec<_> = freed.iter().filter(|it| it["what"] == "stock").collect();
        assert_eq!(stocks.len(), 1, "{freed:?}");
        assert!(stocks[0]["bytes"].as_u64() > Some(1000) && stocks[0].get("task").is_none());
        settle(&repo);
        assert!(!stock(&repo).exists());
    }
}

#[test]
fn what_is_noted_while_a_stock_is_made_is_done_too() {
    let sandbox = Sandbox::new();
    let (repo, _) = large(&sandbox, "size = 2\n");
    std::fs::remove_file(stock(&repo)).expect("a stock");
    let gate = sandbox.gate("making");
    let path = std::env::var("PATH").expect("a PATH");
    let folder = sandbox.root().join("slow");
    std::fs::create_dir(&folder).expect("a folder");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" pack-objects \"*)\n  : >'{0}.arrived'\n  \
         while [ ! -e '{0}' ]; do sleep 0.02; done;;\nesac\nPATH='{path}' exec git \"$@\"\n",
        gate.argument()
    );
    std::fs::write(folder.join("git"), script).expect("writes");
    std::fs::set_permissions(folder.join("git"), PermissionsExt::from_mode(0o755))
        .expect("an executable file");
    let run = |arguments: &[&str]| {
        let mut command = repo.command(arguments);
        let path = format!("{}:{path}", folder.display());
        sandbox.finish_command(command.env("PATH", path).current_dir(repo.root())).ok();
    };
    run(&["run", "--name", "second", "--", "true"]);
    run(&["list"]);
    gate.wait_for_arrival();
    run(&["discard", "second"]);
    gate.open();
    settle(&repo);
    assert_eq!(spares(&repo).len(), 1);
    assert!(stock(&repo).exists());
}

#[test]
fn none_is_kept_where_none_is_wanted() {
    let sandbox = Sandbox::new();
    let (repo, _) = large(&sandbox, "stock_bytes = 0\n");
    assert!(!repo.state_folder().join("stock").exists());
}
