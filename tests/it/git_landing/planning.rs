//! What a plan makes, beside what git itself makes of the same branches.

use super::Sandbox;
use offshoot::error::ErrorKind;
use offshoot::git::{Coming, Forecast, Foreseen, Plan, PlanRequest};
use offshoot::landing::{ConflictKind, Strategy};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

#[test]
fn a_squash_is_one_commit_and_squashed_work_is_recognised() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "2\n"));
    sandbox.on_task(|s| s.write("b", "3\n"));
    let planned = sandbox.ready(Strategy::Squash);
    assert_eq!(planned.commits, 2);
    sandbox.land_planned(planned).expect("it lands");
    assert_eq!(sandbox.git(&["rev-list", "--count", "main"]), "2");
    assert_eq!(
        sandbox.git(&["rev-parse", "main^{tree}"]),
        sandbox.git(&["rev-parse", "task^{tree}"])
    );
    for strategy in [Strategy::Merge, Strategy::Squash, Strategy::Rebase] {
        assert_eq!(sandbox.plan_of(strategy), Plan::UpToDate, "{strategy:?}");
    }
}

#[test]
fn a_fast_forward_lands_the_tip_itself_or_says_that_it_cannot() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let tip = sandbox.on_task(|s| s.write("a", "2\n"));
    let planned = sandbox.ready(Strategy::FastForward);
    assert_eq!(planned.commit, tip);
    sandbox.write("b", "main\n");
    sandbox.commit("main moves on");
    assert_eq!(sandbox.plan_of(Strategy::FastForward), Plan::NotFastForward);
}

#[test]
fn a_rebase_makes_the_commits_that_git_rebase_makes() {
    let sandbox = Sandbox::with(&[("a", "1\n2\n3\n"), ("b", "b\n")]);
    sandbox.on_task(|s| s.write("a", "1\n2\ntask\n"));
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.write("c", "picked\n");
    let picked = sandbox.commit("picked");
    sandbox.write("d", "d\n");
    sandbox.git(&["add", "-A"]);
    let message = sandbox.folder.path().join("message");
    fs::write(&message, b"caf\xe9\n\nReviewed-by: Zo\xeb\n").expect("a message");
    let message = message.to_str().expect("UTF-8");
    sandbox.git(&[
        "-c",
        "i18n.commitEncoding=latin1",
        "commit",
        "-q",
        "--author=Eve <e@x>",
        "-F",
        message,
    ]);
    sandbox.git(&["commit", "-q", "--allow-empty", "-m", "empty from the start"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["cherry-pick", &picked.to_string()]);
    sandbox.write("a", "main\n2\n3\n");
    sandbox.commit("main moves on");
    let planned = sandbox.ready(Strategy::Rebase);
    sandbox.git(&["checkout", "-q", "-b", "twin", "task"]);
    sandbox.git(&["rebase", "-q", "main"]);
    let shown = |revision: &str| {
        sandbox.git(&["log", "--format=%T %an %ae %ad %s", &format!("main..{revision}")])
    };
    assert_eq!(shown(&planned.commit.to_string()), shown("twin"));
    assert_eq!(planned.commits, 3);
    let raw = |revision: &str| {
        let object = sandbox.try_git(&sandbox.root(), &["cat-file", "commit", revision]).stdout;
        let end = object.windows(2).position(|two| two == b"\n\n").expect("a message");
        object[end..].to_vec()
    };
    assert_eq!(raw(&format!("{}~1", planned.commit)), b"\n\ncaf\xe9\n\nReviewed-by: Zo\xeb\n");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.land_planned(planned).expect("it lands");
    sandbox.assert_clean();
}

#[test]
fn a_rebase_of_a_task_that_is_ahead_keeps_its_commits() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let tip = sandbox.on_task(|s| s.write("a", "2\n"));
    assert_eq!(sandbox.ready(Strategy::Rebase).commit, tip);
}

#[test]
fn conflicts_are_answers_and_change_nothing() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        s.write("gone", "task\n");
    });
    sandbox.write("a", "main\n");
    sandbox.write("new", "main\n");
    fs::remove_file(sandbox.root().join("gone")).expect("remove");
    sandbox.commit("main moves on");
    let index = fs::read(sandbox.root().join(".git/index")).expect("an index");
    let before = sandbox.picture();
    for strategy in [Strategy::Merge, Strategy::Squash, Strategy::Rebase] {
        let Plan::Conflicts(conflicts) = sandbox.plan_of(strategy) else { panic!("no conflicts") };
        let found: Vec<_> = conflicts.iter().map(|c| (c.path.shown(), c.kind)).collect();
        assert_eq!(
            found,
            [
                ("a".to_owned(), ConflictKind::Content),
                ("gone".to_owned(), ConflictKind::ModifyDelete),
                ("new".to_owned(), ConflictKind::AddAdd)
            ]
        );
        assert!(conflicts[1].ours.is_none() && conflicts[1].theirs.is_some());
        assert!(conflicts[2].base.is_none());
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let repo = sandbox.repo();
    let forecaster = repo
        .forecaster(sandbox.at("main"), scratch.path(), Some(Foreseen::default()))
        .expect("a forecaster");
    let coming = [Coming { tip: sandbox.at("task"), snapshot: None }];
    let outlook =
        forecaster.outlooks(&coming, None).expect("outlooks").remove(0).expect("a forecast");
    assert!(matches!(outlook.forecast, Forecast::Conflicts(list) if list.len() == 3));
    assert_eq!(sandbox.picture(), before);
    assert_eq!(fs::read(sandbox.root().join(".git/index")).expect("an index"), index);
}

#[test]
fn sorts_of_conflicts_are_told_apart() {
    let sandbox =
        Sandbox::with(&[("bin", "\0a"), ("moved", "1\n2\n3\n4\n5\n6\n7\n"), ("x/keep", "k\n")]);
    sandbox.on_task(|s| {
        s.write("bin", "\0b");
        s.git(&["mv", "moved", "task-name"]);
        s.write("place", "a file\n");
        symlink("target", s.root().join("sort")).expect("a link");
    });
    sandbox.write("bin", "\0c");
    sandbox.git(&["mv", "moved", "main-name"]);
    sandbox.write("place/inside", "a folder\n");
    sandbox.write("sort", "a file\n");
    sandbox.commit("main moves on");
    let Plan::Conflicts(conflicts) = sandbox.plan_of(Strategy::Merge) else { panic!("clean") };
    let kinds: Vec<_> = conflicts.iter().map(|c| c.kind).collect();
    for kind in [
        ConflictKind::Binary,
        ConflictKind::Rename,
        ConflictKind::FileDirectory,
        ConflictKind::Mode,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is not among {conflicts:?}");
    }
    assert!(!kinds.contains(&ConflictKind::Other), "{conflicts:?}");
}

#[test]
fn unrelated_histories_are_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.git(&["checkout", "-q", "--orphan", "lonely"]);
    let lonely = sandbox.commit("lonely");
    let request = PlanRequest {
        target: sandbox.at("main"),
        tip: lonely,
        snapshot: None,
        strategy: Strategy::Merge,
        message: "m",
    };
    let error = sandbox.repo().plan(&request).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Refused);
}

#[test]
fn a_task_with_the_callers_changes_lands_without_them() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n2\n3\n4\n5\n6\n")]);
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.write("b", "mine\n2\n3\n4\n5\n6\n");
    let snapshot = sandbox.commit("snapshot");
    sandbox.write("b", "mine\n2\n3\n4\n5\ntask\n");
    sandbox.commit("work");
    sandbox.git(&["checkout", "-q", "main"]);
    let mut request = PlanRequest {
        target: sandbox.at("main"),
        tip: sandbox.at("task"),
        snapshot: Some(snapshot),
        strategy: Strategy::Merge,
        message: "m",
    };
    let error = sandbox.repo().plan(&request).expect_err("a merge is refused");
    assert!(error.hints.iter().any(|hint| hint.contains("--squash")));
    for strategy in [Strategy::Squash, Strategy::Rebase] {
        request.strategy = strategy;
        let Plan::Ready(planned) = sandbox.repo().plan(&request).expect("a plan") else {
            panic!("not ready")
        };
        assert_eq!(planned.commits, 1);
        let text = sandbox.git(&["show", &format!("{}:b", planned.commit)]);
        assert_eq!(text, "1\n2\n3\n4\n5\ntask");
    }
}

#[test]
fn a_tree_with_a_git_folder_in_it_is_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let blob = sandbox.git(&["rev-parse", "main:a"]);
    let list = sandbox.folder.path().join("list");
    fs::write(&list, format!("100644 blob {blob}\tconfig\n")).expect("write");
    let tree = |input: &Path| {
        let output = Command::new("git")
            .env_clear()
            .envs(sandbox.environment.iter())
            .current_dir(sandbox.root())
            .arg("mktree")
            .stdin(fs::File::open(input).expect("open"))
            .output()
            .expect("git runs");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let inner = tree(&list);
    fs::write(&list, format!("040000 tree {inner}\t.GIT\n100644 blob {blob}\ta\n")).expect("write");
    let outer = tree(&list);
    let tip = sandbox.git(&["commit-tree", &outer, "-p", "main", "-m", "evil"]);
    sandbox.git(&["update-ref", "refs/heads/task", &tip]);
    for strategy in [Strategy::Merge, Strategy::FastForward, Strategy::Rebase] {
        let request = PlanRequest {
            target: sandbox.at("main"),
            tip: sandbox.at("task"),
            snapshot: None,
            strategy,
            message: "m",
        };
        let error = sandbox.repo().plan(&request).expect_err("refused");
        assert!(error.message.contains(".GIT/config"), "{error}");
    }
}

#[test]
fn without_an_identity_the_commit_is_offshoots_and_unsigned() {
    let mut sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "2\n"));
    sandbox.git(&["config", "commit.gpgSign", "true"]);
    sandbox.git(&["config", "gpg.program", "/bin/false"]);
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
    {
        sandbox.environment.set(name, "");
    }
    let commit = sandbox.ready(Strategy::Merge).commit.to_string();
    let shown = sandbox.git(&["log", "-1", "--format=%an <%ae> %cn <%ce>", &commit]);
    assert_eq!(shown, "offshoot <offshoot@localhost> offshoot <offshoot@localhost>");
}

#[test]
fn commits_are_signed_where_that_is_configured() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.git(&[
        "commit",
        "-q",
        "--amend",
        "--author=J\u{f6}rg <j@x>",
        "--date=@1600000000 +0300",
        "--no-edit",
    ]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("b", "main\n");
    sandbox.commit("main moves on");
    let signer = sandbox.folder.path().join("signer");
    let script = "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n\
                  echo '-----BEGIN PGP SIGNATURE-----'\necho x\necho '-----END PGP SIGNATURE-----'\n";
    fs::write(&signer, script).expect("write");
    fs::set_permissions(&signer, fs::Permissions::from_mode(0o755)).expect("mode");
    sandbox.git(&["config", "commit.gpgSign", "true"]);
    sandbox.git(&["config", "gpg.program", signer.to_str().expect("UTF-8")]);
    for strategy in [Strategy::Merge, Strategy::Rebase] {
        let commit = sandbox.ready(strategy).commit.to_string();
        let object = sandbox.git(&["cat-file", "commit", &commit]);
        assert!(object.contains("\ngpgsig -----BEGIN PGP SIGNATURE-----"), "{object}");
        if strategy == Strategy::Rebase {
            assert!(object.contains("\nauthor J\u{f6}rg <j@x> 1600000000 +0300\n"), "{object}");
        }
    }
}

#[test]
fn only_the_targets_committed_attributes_count() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.write("a", "main\n");
    sandbox.commit("main moves on");
    sandbox.write(".gitattributes", "* merge=union\n");
    assert!(matches!(sandbox.plan_of(Strategy::Merge), Plan::Conflicts(_)));
    sandbox.commit("union");
    assert!(matches!(sandbox.plan_of(Strategy::Merge), Plan::Ready(_)));
}
