//! `gc` frees what has expired of released tasks, and `restore` tells what is gone.

use super::{assert_in_order, findings, snapshot};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};

const AT_ONCE: &str = "[keep]\nrefs_days = 0\nfolders_days = 0\n";

/// What `gc` freed (or would), as sort and path.
fn freed(repo: &TestRepo<'_>, line: &[&str]) -> Vec<(String, String)> {
    let document = repo.offshoot_json(&[&["gc"], line].concat());
    assert_eq!(document["schema"], 1, "{document:#}");
    let freed = document["freed"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    let pair = |it: &Value| (text(&it["what"]).to_owned(), text(&it["path"]).to_owned());
    freed.iter().map(pair).collect()
}

fn sorts(freed: &[(String, String)]) -> Vec<&str> {
    freed.iter().map(|(what, _)| &**what).collect()
}

/// Lets a task have been released long ago; the clock is not a test's to set.
fn released_long_ago(repo: &TestRepo<'_>, task: &Value) {
    let mut record = repo.record(task, "state.json");
    record["landing"]["custody"]["released_at"] = json!("2020-01-01T00:00:00Z");
    let file = repo.record_folder(task).join("state.json");
    std::fs::write(file, record.to_string()).expect("the record");
}

#[test]
fn what_has_expired_is_freed_and_nothing_of_an_open_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let discarded = repo.dispatch_to_end("discarded", &[&sandbox.agent("commit"), "a"]);
    let landed = repo.dispatch_to_end("landed", &[&sandbox.agent("commit"), "b"]);
    let open = repo.dispatch_to_end("open", &[&sandbox.agent("commit"), "c"]);
    repo.dispatch_to_end("restored", &[&sandbox.agent("commit"), "d"]);
    repo.dispatch_to_end("kept", &[&sandbox.agent("commit"), "e"]);
    repo.offshoot(&["merge", "landed"]).ok();
    repo.offshoot(&["merge", "--keep", "kept"]).ok();
    repo.offshoot(&["discard", "discarded", "restored"]).ok();
    repo.offshoot(&["restore", "restored"]).ok();
    repo.offshoot(&["retry", "--fresh", "open"]).ok();
    repo.wait_for("open");
    let before = snapshot(&repo);
    assert_eq!(freed(&repo, &[]), [], "everything is young");
    assert_eq!(snapshot(&repo), before);

    sandbox.write_config(AT_ONCE);
    let planned = freed(&repo, &["--dry-run"]);
    assert_eq!(snapshot(&repo), before, "a dry run changes nothing");
    let ran = repo.offshoot(&["gc", "--dry-run"]).ok().says("would free ");
    assert!(ran.stdout.contains("KiB"), "{ran}");
    assert_eq!(freed(&repo, &[]), planned);
    for (id, count) in [(&landed["id"], 1), (&discarded["id"], 1), (&open["id"], 0)] {
        let of = |what| {
            let its = |(sort, path): &&(String, String)| sort == what && path.contains(text(id));
            planned.iter().filter(its).count()
        };
        assert_eq!((of("folder"), of("entry")), (count, count), "{planned:#?}");
        assert!(of("ref") >= count, "{planned:#?}");
        assert_eq!(of("ref") == 0, count == 0, "{planned:#?}");
    }
    for name in ["open", "restored", "kept"] {
        let worktree = repo.worktree_of(&repo.task(name));
        assert_eq!(worktree.status_porcelain(), "", "{name}");
        assert!(repo.branch_tip(&format!("offshoot/{name}")).is_some(), "{name}");
    }
    let put_aside = repo.offshoots().join(".trash").join(text(&open["id"]));
    assert!(put_aside.is_dir(), "what an open task had in an earlier attempt is its own");
    assert_eq!(freed(&repo, &[]), []);
    assert_eq!(repo.offshoot(&["logs", "landed"]).ok().code, 0);
    assert_in_order(&repo);
}

#[test]
fn restore_tells_what_was_collected_and_does_what_is_still_possible() {
    let sandbox = Sandbox::new();
    sandbox.write_config(AT_ONCE);
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.worktree_of(&task).write("ignored.log", "kept by nobody else\n");
    repo.offshoot(&["discard", "t"]).ok();
    assert_eq!(sorts(&freed(&repo, &[])), ["folder", "entry", "ref"]);
    let ran = repo.offshoot(&["restore", "t"]).ok().says("is a new one");
    assert!(ran.stdout.starts_with("restored `t`"), "{ran}");
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.head(), text(&task["head"]));
    assert!(!worktree.exists("ignored.log"));
    assert_in_order(&repo);

    repo.offshoot(&["discard", "t"]).ok();
    repo.offshoot(&["gc"]).ok().says("freed 3 things, ");
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now"]);
    let before = snapshot(&repo);
    let ran = repo.offshoot(&["restore", "t"]).exits(1).says("was collected");
    ran.says("hint: offshoot dispatch --base ").says("hint: offshoot logs t");
    assert_eq!(snapshot(&repo), before);
    assert_in_order(&repo);
}

#[test]
fn the_oldest_folders_go_first_when_all_take_too_much() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut tasks = Vec::new();
    for name in ["young", "old"] {
        let script = format!("head -c 300000 /dev/zero > {name}; git add . && git commit -qm x");
        tasks.push(repo.dispatch_to_end(name, &["sh", "-c", &script]));
        repo.offshoot(&["discard", name]).ok();
    }
    released_long_ago(&repo, &tasks[1]);
    sandbox.write_config(
        "[keep]\nrefs_days = 100000\nfolders_days = 100000\nfolders_bytes = 500000\n",
    );
    let freed = freed(&repo, &[]);
    assert_eq!(sorts(&freed), ["folder", "entry"]);
    assert!(freed[0].1.contains(text(&tasks[1]["id"])), "{freed:?}");
    let ran = repo.offshoot(&["restore", "young"]).ok();
    assert!(!ran.stderr.contains("a new one"), "{ran}");
    repo.offshoot(&["restore", "old"]).ok().says("a new one");
}

#[test]
fn a_deletion_that_was_cut_off_is_finished_and_no_link_is_followed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let worktree = repo.worktree_of(&task);
    std::os::unix::fs::symlink(repo.root(), worktree.root().join("link")).expect("a link");
    repo.offshoot(&["discard", "t"]).ok();
    let trash = repo.offshoots().join(".trash");
    let id = text(&task["id"]);
    let half = trash.join(format!(".deleting-{id}"));
    std::fs::rename(trash.join(id), &half).expect("it was there");
    std::os::unix::fs::symlink(repo.root(), trash.join(format!("{id}-1"))).expect("a link");
    let head = repo.head();
    let gone = freed(&repo, &[]);
    assert_eq!(sorts(&gone), ["half_deleted", "entry"]);
    assert!(!half.exists());
    assert_eq!((repo.head(), repo.status_porcelain()), (head, String::new()));
    assert!(trash.join(format!("{id}-1")).is_symlink());
}

#[test]
fn a_forgotten_environment_is_freed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.offshoot(&["discard", "t"]).ok();
    let secrets = repo.record_folder(&task).join("secrets");
    std::fs::write(&secrets, "{}").expect("a file");
    assert_eq!(sorts(&freed(&repo, &[])), ["environment"]);
    assert!(!secrets.exists());
    repo.offshoot(&["gc"]).ok().says("nothing has expired");
}

#[test]
fn a_folder_with_the_only_copy_of_something_stays_until_it_is_recorded() {
    let sandbox = Sandbox::new();
    sandbox.write_config(AT_ONCE);
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.worktree_of(&task).write("later.txt", "by hand, after the end\n");
    // Neither can our index be locked, nor this taken for a lock that a killed git left.
    let in_the_way = repo.record_folder(&task).join("snapshot.lock");
    std::fs::create_dir(&in_the_way).expect("a folder");
    repo.offshoot(&["discard", "t"]).ok();
    assert_eq!(sorts(&freed(&repo, &[])), ["ref"], "only what the refs keep has expired");
    let (code, found) = findings(&repo, &[]);
    assert_eq!((code, &found[0]["kind"]), (1, &json!("only_copy")), "{found:#?}");
    assert_eq!((found.len(), &found[0]["fix"]), (1, &json!("offshoot restore t")));

    std::fs::remove_dir(&in_the_way).expect("it was there");
    repo.offshoot(&["restore", "t"]).ok();
    assert_eq!(repo.worktree_of(&task).read("later.txt"), "by hand, after the end\n");
    repo.offshoot(&["discard", "t"]).ok();
    assert_eq!(sorts(&freed(&repo, &[])), ["folder", "entry", "ref", "ref"]);
    assert_in_order(&repo);
}

#[test]
fn pins_and_journals_of_landings_expire_but_the_last_ones() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for name in ["one", "two", "three"] {
        repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
        repo.offshoot(&["merge", name]).ok();
    }
    let pins = || repo.git(&["for-each-ref", "--format=%(refname)", "refs/offshoot/landing/"]);
    assert_eq!((pins().lines().count(), freed(&repo, &[])), (6, vec![]));
    sandbox.write_config(AT_ONCE);
    let landings: Vec<_> =
        freed(&repo, &[]).into_iter().filter(|(what, _)| what == "landing").collect();
    let pin = |number| ("landing".to_owned(), format!("refs/offshoot/landing/{number}/"));
    assert_eq!(landings, [pin(1), pin(2)]);
    assert_eq!(pins(), "refs/offshoot/landing/3/after\nrefs/offshoot/landing/3/before");
    assert_in_order(&repo);
    let task = repo.dispatch_to_end("four", &[&sandbox.agent("commit"), "four"]);
    let landed = repo.offshoot_json(&["merge", text(&task["name"])]);
    assert_eq!(landed["landings"][0]["id"], 4, "no number is given twice");
}
