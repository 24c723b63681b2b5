//! In the middle of an operation of git's the target is spoken for, wherever it is checked out.

use super::Sandbox;
use offshoot::error::ErrorKind;
use offshoot::landing::Strategy;
use std::path::Path;

/// What is begun in the target's worktree, the word that names it, and how it is ended.
const OPERATIONS: [(&[&str], &str, &[&str]); 10] = [
    (&["merge", "side"], "a merge", &["merge", "--abort"]),
    (&["merge", "--no-commit", "--no-ff", "clean"], "a merge", &["merge", "--abort"]),
    (&["cherry-pick", "side"], "a cherry-pick", &["cherry-pick", "--abort"]),
    (&["cherry-pick", "side", "clean"], "a cherry-pick", &["cherry-pick", "--abort"]),
    (&["revert", "--no-edit", "main~1"], "a revert", &["revert", "--abort"]),
    (&["rebase", "side"], "rebased", &["rebase", "--abort"]),
    (&["rebase", "--apply", "side"], "rebased", &["rebase", "--abort"]),
    (&["rebase", "--exec", "false", "main~1"], "rebased", &["rebase", "--abort"]),
    (&["bisect", "start"], "bisected", &["bisect", "reset"]),
    (&["am", "../patch"], "a series of patches", &["am", "--abort"]),
];

fn prepare() -> Sandbox {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("other", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["checkout", "-q", "-b", "clean"]);
    sandbox.write("clean", "1\n");
    sandbox.commit("clean");
    sandbox.git(&["checkout", "-q", "-b", "side", "main"]);
    sandbox.write("other", "side\n");
    sandbox.commit("side");
    let patch = sandbox.git(&["format-patch", "-1", "--stdout"]) + "\n";
    std::fs::write(sandbox.folder.path().join("patch"), patch).expect("write");
    sandbox.git(&["checkout", "-q", "main"]);
    for text in ["main\n", "main again\n"] {
        sandbox.write("other", text);
        sandbox.commit("main");
    }
    sandbox
}

fn is_refused_by_name(sandbox: &Sandbox, place: &Path) {
    let planned = sandbox.ready(Strategy::Merge);
    for (begin, word, end) in OPERATIONS {
        let _most_of_them_stop_at_a_conflict = sandbox.try_git(place, begin);
        let look = || {
            let status = sandbox.git_at(place, &["status", "--porcelain=v2", "--branch"]);
            status + &sandbox.git(&["for-each-ref"]) + &sandbox.git_at(place, &["ls-files", "-s"])
        };
        let before = look();
        let error = sandbox.land_planned(planned).expect_err(word);
        assert_eq!(error.kind, ErrorKind::Refused, "{begin:?}: {error}");
        assert!(error.message.contains(word), "{begin:?}: {error}");
        assert!(error.message.contains(place.to_str().expect("UTF-8")), "{begin:?}: {error}");
        let way_out = error.hints.iter().any(|hint| hint.contains(&end.join(" ")));
        assert!(way_out, "{begin:?}: {:?}", error.hints);
        assert_eq!(look(), before, "{begin:?}");
        sandbox.git_at(place, end);
    }
    sandbox.land_planned(planned).expect("it lands");
    assert_eq!(sandbox.git_at(place, &["status", "--porcelain"]), "");
}

#[test]
fn in_the_main_worktree_it_is_refused_by_name() {
    let sandbox = prepare();
    is_refused_by_name(&sandbox, &sandbox.root());
}

#[test]
fn in_a_linked_worktree_it_is_refused_by_name() {
    let sandbox = prepare();
    sandbox.git(&["checkout", "-q", "--detach"]);
    let linked = sandbox.folder.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().expect("UTF-8"), "main"]);
    is_refused_by_name(&sandbox, &linked);
}

#[test]
fn a_rebase_that_takes_the_branch_along_is_refused_too() {
    let sandbox = prepare();
    sandbox.git(&["checkout", "-q", "-b", "above"]);
    sandbox.write("above", "1\n");
    sandbox.commit("above");
    let planned = sandbox.ready(Strategy::Merge);
    sandbox.try_git(&sandbox.root(), &["rebase", "--update-refs", "side"]);
    let error = sandbox.land_planned(planned).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.message.contains("rebased"), "{error}");
    sandbox.git(&["rebase", "--abort"]);
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn a_series_of_picks_whose_first_is_done_is_in_progress_still() {
    let sandbox = prepare();
    let planned = sandbox.ready(Strategy::Merge);
    sandbox.try_git(&sandbox.root(), &["cherry-pick", "side", "clean"]);
    sandbox.write("other", "resolved\n");
    sandbox.git(&["add", "other"]);
    sandbox.git(&["commit", "-q", "-m", "resolved"]);
    let landing = sandbox.landing(planned);
    let error = sandbox.repo().land(&sandbox.journals(), &landing).expect_err("refused");
    assert!(error.message.contains("a cherry-pick"), "{error}");
}
