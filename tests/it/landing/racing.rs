//! The person goes on working while something lands: whoever was first wins, the other one waits,
//! plans again or is refused, and nothing of either is lost.

use super::{everything, landing};
use crate::sandbox::{Sandbox, TestRepo, finish, wait_until};
use std::path::Path;

/// A repository in which whatever lands in `*.slow` runs this script in the middle of the landing, after
/// the check and before the first file is touched. Once only.
fn meanwhile<'s>(sandbox: &'s Sandbox, script: &str) -> TestRepo<'s> {
    let repo = sandbox.repo("simple");
    repo.write(".gitattributes", "*.slow filter=meanwhile\n");
    repo.commit_all("a filter");
    repo.dispatch_to_end("t", &["sh", "-c", "echo task >x.slow; echo task >>notes.txt"]);
    let (file, done) = (sandbox.root().join("meanwhile"), sandbox.root().join("done"));
    let (root, done) = (repo.root().display(), done.display());
    let whole = format!(
        "unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE\n\
         if mkdir '{done}' 2>/dev/null; then cd '{root}'; {{ {script}\n}} >&2; fi\ncat\n"
    );
    std::fs::write(&file, whole).expect("the script");
    repo.git(&["config", "filter.meanwhile.smudge", &format!("sh '{}'", file.display())]);
    repo
}

fn ran_meanwhile(sandbox: &Sandbox) -> bool {
    sandbox.root().join("done").exists()
}

#[test]
fn a_target_that_is_amended_meanwhile_is_planned_on_again() {
    let sandbox = Sandbox::new();
    // As `git commit --amend` would, which has to wait for the index; other tools move the ref alone.
    let amend =
        "new=$(git commit-tree -m amended -p HEAD~1 HEAD^{tree}) && git update-ref HEAD $new";
    let repo = meanwhile(&sandbox, amend);
    let old = repo.head();
    let (code, landed) = landing(&repo, &["merge", "t"]);
    assert!(ran_meanwhile(&sandbox));
    assert_eq!((code, &landed["verdict"]), (0, &"landed".into()), "{landed:#}");
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "main^1"]), "amended");
    assert_eq!(landed["before"], repo.git(&["rev-parse", "main^1"]));
    assert_eq!(repo.git_ran(&["merge-base", "--is-ancestor", &old, "main^1"]).code, 1);
    assert_eq!((repo.status_porcelain(), repo.read("x.slow")), (String::new(), "task\n".into()));
}

#[test]
fn a_commit_meanwhile_is_landed_upon() {
    let sandbox = Sandbox::new();
    let commit = "new=$(git commit-tree -m mine -p HEAD HEAD^{tree}) && git update-ref HEAD $new";
    let repo = meanwhile(&sandbox, commit);
    repo.offshoot(&["rebase", "t"]).ok();
    assert!(ran_meanwhile(&sandbox));
    assert_eq!(repo.git(&["log", "--format=%s", "-2", "--skip=1"]), "mine\na filter");
    assert_eq!((repo.status_porcelain(), repo.read("x.slow")), (String::new(), "task\n".into()));
}

#[test]
fn a_collection_of_garbage_at_any_time_takes_nothing_away() {
    let sandbox = Sandbox::new();
    let gc = "git reflog expire --expire=now --all && git gc --quiet --prune=now";
    let repo = meanwhile(&sandbox, gc);
    let gc = || {
        repo.git(&["reflog", "expire", "--expire=now", "--all"]);
        repo.git(&["gc", "--quiet", "--prune=now"]);
        repo.git(&["fsck", "--full", "--strict"]);
    };
    let task = repo.dispatch_to_end("d", &[&sandbox.agent("mixed")]);
    gc();
    repo.offshoot(&["merge", "t"]).ok();
    assert!(ran_meanwhile(&sandbox));
    gc();
    let worktree = repo.worktree_of(&task);
    worktree.write("untracked", "kept\n");
    repo.offshoot(&["discard", "d"]).ok();
    gc();
    std::fs::remove_dir_all(repo.offshoots().join(".trash")).expect("it is there");
    repo.offshoot(&["restore", "d"]).ok();
    gc();
    repo.offshoot(&["merge", "d"]).ok();
    assert_eq!(repo.read("mixed.txt"), worktree_file(&repo, "mixed.txt"));
    gc();
}

fn worktree_file(repo: &TestRepo<'_>, path: &str) -> String {
    repo.git_ran(&["show", &format!("main:{path}")]).ok().stdout
}

#[test]
fn an_open_commit_editor_keeps_its_index_and_the_landing_is_busy() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.write("notes.txt", "mine\n");
    let gate = sandbox.gate("editor");
    let editor = format!(
        "sh -c ': >{0}.arrived; while [ ! -e {0} ]; do sleep 0.02; done; echo mine >\"$1\"' --",
        gate.argument()
    );
    let mut command = sandbox.command("git");
    command.current_dir(repo.root()).args(["commit", "--quiet", "-a"]).env("GIT_EDITOR", editor);
    let child = command.spawn().expect("git starts");
    gate.wait_for_arrival();
    let held = repo.exists(".git/index.lock");
    assert!(held, "git holds it while its editor is open");
    let before = everything(&sandbox, &repo);
    let (code, document) = repo.offshoot_json_exit(&["merge", "t"]);
    assert_eq!((code, &document["error"]["kind"]), (5, &"busy".into()), "{document:#}");
    repo.offshoot(&["merge", "t"]).exits(5).says("index.lock").says("\nhint: ");
    assert!(repo.exists(".git/index.lock"));
    assert_eq!(everything(&sandbox, &repo), before);
    gate.open();
    finish(child, "git commit").ok();
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "main^1"]), "mine");
    assert_eq!((repo.status_porcelain(), repo.read("notes.txt")), (String::new(), "mine\n".into()));
}

#[test]
fn of_two_landings_at_once_neither_tears_the_other() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let names: Vec<String> = (0..4).map(|number| format!("t{number}")).collect();
    for name in &names {
        // Every second pair contradicts each other.
        let script = format!("echo {name} >{name}; echo {name} >same-${{0%?}}");
        let pair = if name < &"t2".to_owned() { "ax" } else { name.as_str() };
        let pair = if pair.starts_with('t') { format!("{name}y") } else { pair.to_owned() };
        repo.dispatch(name, &["sh", "-c", &script, &pair]);
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    repo.offshoot(&[&["wait"][..], &all].concat()).ok();
    let children: Vec<_> =
        all.iter().map(|name| (name, repo.offshoot_spawn(&["merge", name]))).collect();
    let mut codes: Vec<(&str, i32)> = children
        .into_iter()
        .map(|(name, child)| (*name, finish(child, format!("offshoot merge {name}")).code))
        .collect();
    codes.sort_unstable();
    let first_pair = [codes[0].1, codes[1].1];
    assert!(
        first_pair == [0, 3] || first_pair == [3, 0],
        "one lands, the other conflicts: {codes:?}"
    );
    assert_eq!([codes[2].1, codes[3].1], [0, 0], "{codes:?}");
    for (name, code) in codes {
        let landed = repo.task(name)["landing"]["kind"] == "landed";
        assert_eq!((landed, repo.exists(name)), (code == 0, code == 0), "{name}");
    }
    assert_eq!(repo.status_porcelain(), "");
    assert_eq!(repo.git(&["rev-list", "--count", "--first-parent", "HEAD"]), "6");
    repo.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn while_a_person_commits_in_the_checkout_no_commit_is_lost() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let names: Vec<String> = (0..3).map(|number| format!("t{number}")).collect();
    for name in &names {
        repo.dispatch_to_end(name, &["sh", "-c", "echo \"$0\" >\"$0\"", name]);
    }
    let stop = sandbox.root().join("stop");
    let script = "n=0; while [ ! -e \"$0\" ]; do n=$((n + 1)); echo $n >mine; git add mine 2>/dev/null &&
        git commit --quiet -m \"mine $n\" 2>/dev/null; sleep 0.2; done; git add mine; git commit -qm last; :";
    let mut command = sandbox.command("sh");
    let child = command.current_dir(repo.root()).args(["-c", script]).arg(&stop).spawn();
    let child = child.expect("the person starts");
    let commits = || repo.git(&["rev-list", "--count", "--first-parent", "--grep=mine", "HEAD"]);
    wait_until("a commit of the person", || commits() != "0");
    for name in &names {
        wait_until("the landing", || {
            let ran = repo.offshoot(&["merge", name]);
            // A person who is always faster is a reason to refuse, not to tear.
            assert!(matches!(ran.code, 0 | 1 | 5), "{ran}");
            ran.code == 0
        });
    }
    std::fs::write(&stop, "").expect("a file");
    finish(child, "the person").ok();
    let log = repo.git(&["log", "--first-parent", "--format=%s", "--reverse"]);
    let mine: Vec<u32> =
        log.lines().filter_map(|line| line.strip_prefix("mine ")?.parse().ok()).collect();
    assert!(mine.is_sorted(), "{log}");
    for name in &names {
        assert_eq!(repo.read(name), format!("{name}\n"));
        assert!(log.contains(&format!("Merge task {name}")), "{log}");
    }
    assert_eq!(repo.status_porcelain(), "");
    // Every commit that the person's git said it had made is there: the reflog has them all.
    let made = repo.git(&["reflog", "--format=%H %gs"]);
    for line in made.lines().filter(|line| line.contains("mine")) {
        let commit = line.split(' ').next().expect("a commit");
        repo.git(&["merge-base", "--is-ancestor", commit, "HEAD"]);
    }
    assert!(!Path::new(&repo.root().join(".git/index.lock")).exists());
}

/// A repository with a task whose every plan runs this script, in the shell of a merge driver: it is
/// told how often by `$count`, and answers the merge afterwards as git would.
fn at_every_plan<'s>(sandbox: &'s Sandbox, script: &str) -> TestRepo<'s> {
    let repo = sandbox.repo("simple");
    repo.write(".gitattributes", "notes.txt merge=meanwhile\n");
    repo.commit_all("a driver");
    let (file, plans) = (sandbox.root().join("driver"), sandbox.root().join("plans"));
    let whole = format!(
        "unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_OBJECT_DIRECTORY GIT_ATTR_SOURCE\n\
         unset GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT\n\
         echo >>'{0}'; count=$(wc -l <'{0}')\n\
         (cd '{1}'; {script}) >&2\nexec git merge-file -q \"$1\" \"$2\" \"$3\"\n",
        plans.display(),
        repo.root().display()
    );
    std::fs::write(&file, whole).expect("the script");
    let driver = format!("sh '{}' %A %O %B", file.display());
    repo.git(&["config", "merge.meanwhile.driver", &driver]);
    let work = "sed -i 's/^line 3$/task/' notes.txt; echo more >more.txt";
    repo.dispatch_to_end("t", &["sh", "-c", work]);
    let notes = repo.read("notes.txt").replace("line 18\n", "main\n");
    repo.write("notes.txt", notes);
    repo.commit_all("both sides change it");
    drop(std::fs::remove_file(plans));
    repo
}

fn plans(sandbox: &Sandbox) -> usize {
    std::fs::read_to_string(sandbox.root().join("plans")).expect("it planned").lines().count()
}

#[test]
fn whoever_commits_without_pause_is_landed_upon_in_the_end() {
    let sandbox = Sandbox::new();
    let refused = sandbox.root().join("refused");
    let commit = format!("git commit -q --allow-empty -m mine || echo >>'{}'", refused.display());
    let repo = at_every_plan(&sandbox, &commit);
    let (code, landed) = landing(&repo, &["merge", "t"]);
    assert_eq!((code, &landed["verdict"]), (0, &"landed".into()), "{landed:#}");
    // Five plans were void; under the sixth nobody could begin to commit.
    assert_eq!(plans(&sandbox), 6);
    assert_eq!(std::fs::read_to_string(refused).expect("one was refused"), "\n");
    assert_eq!(repo.git(&["log", "--format=%s", "main^1"]).matches("mine\n").count(), 5);
    assert_eq!(landed["before"], repo.git(&["rev-parse", "main^1"]));
    let notes = repo.read("notes.txt");
    assert!(notes.contains("task\n") && notes.contains("main\n"), "{notes}");
    assert_eq!((repo.status_porcelain(), repo.exists(".git/index.lock")), (String::new(), false));
}

/// Somebody who begins a commit at every plan, once this is armed; notes when one was refused.
fn commits_without_pause(sandbox: &Sandbox) -> (String, impl Fn() + '_) {
    let [armed, refused] = ["armed", "refused"].map(|name| sandbox.root().join(name));
    let script = format!(
        "[ ! -e '{}' ] || git commit -q --allow-empty -m mine || echo >>'{}'",
        armed.display(),
        refused.display()
    );
    (script, move || std::fs::write(&armed, "").expect("a file"))
}

/// The sixth plan was the first under which nobody could begin to commit, and it was the last.
fn landed_in_the_end(sandbox: &Sandbox, repo: &TestRepo<'_>, line: &[&str]) {
    drop(std::fs::remove_file(sandbox.root().join("plans")));
    repo.offshoot(line).ok();
    assert_eq!(plans(sandbox), 6, "{line:?}");
    let refused = std::fs::read_to_string(sandbox.root().join("refused"));
    assert_eq!(refused.expect("one was refused"), "\n", "{line:?}");
    assert_eq!((repo.status_porcelain(), repo.exists(".git/index.lock")), (String::new(), false));
    assert_eq!(repo.git(&["log", "--format=%s", "main"]).matches("mine\n").count(), 5);
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_part_lands_upon_whoever_commits_without_pause_too() {
    let sandbox = Sandbox::new();
    let (script, arm) = commits_without_pause(&sandbox);
    let repo = at_every_plan(&sandbox, &script);
    arm();
    landed_in_the_end(&sandbox, &repo, &["merge", "t", "--only", "notes.txt"]);
    assert!(repo.read("notes.txt").contains("task\n") && !repo.exists("more.txt"));
    assert_eq!(repo.git(&["rev-parse", "offshoot/t~1"]), repo.head());
    assert_eq!(repo.told("t").last().map(String::as_str), Some("landed"));
}

#[test]
fn a_train_lands_upon_whoever_commits_without_pause_too() {
    let sandbox = Sandbox::new();
    let (script, arm) = commits_without_pause(&sandbox);
    let repo = at_every_plan(&sandbox, &script);
    repo.dispatch_to_end("u", &["sh", "-c", "echo u >u"]);
    arm();
    landed_in_the_end(&sandbox, &repo, &["merge", "--verify", "test -e more.txt", "t", "u"]);
    assert!(repo.read("notes.txt").contains("task\n") && repo.exists("u"));
    for name in ["t", "u"] {
        assert_eq!(repo.task(name)["landing"]["kind"], "landed", "{name}");
    }
}

#[test]
fn a_revert_lands_upon_whoever_commits_without_pause_too() {
    let sandbox = Sandbox::new();
    let (script, arm) = commits_without_pause(&sandbox);
    let repo = at_every_plan(&sandbox, &script);
    repo.offshoot(&["merge", "t"]).ok();
    repo.write("notes.txt", repo.read("notes.txt").replace("line 10\n", "since\n"));
    repo.commit_all("both sides change it again");
    arm();
    landed_in_the_end(&sandbox, &repo, &["undo", "--revert", "t"]);
    let notes = repo.read("notes.txt");
    assert!(notes.contains("line 3\n") && notes.contains("since\n"), "{notes}");
    assert_eq!(repo.task("t")["landing"]["kind"], "open");
    assert_eq!(repo.told("t").last().map(String::as_str), Some("undone"));
}

#[test]
fn whoever_commits_while_a_landing_is_taken_back_keeps_the_commit() {
    let sandbox = Sandbox::new();
    let commit = "new=$(git commit-tree -m mine -p HEAD HEAD^{tree}) && git update-ref HEAD $new";
    let repo = meanwhile(&sandbox, commit);
    // What was there before is what taking back writes out.
    repo.write("x.slow", "before\n");
    repo.commit_all("there before");
    let done = sandbox.root().join("done");
    std::fs::create_dir_all(&done).expect("a folder");
    repo.dispatch_to_end("s", &["sh", "-c", "echo s >x.slow"]);
    repo.offshoot(&["merge", "s"]).ok();
    std::fs::remove_dir(&done).expect("it is there");
    let ran = repo.offshoot(&["undo", "s"]).exits(1).says("`main` has moved on since landing 1");
    ran.says("`offshoot undo 1 --revert`");
    assert!(ran_meanwhile(&sandbox));
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "main"]), "mine");
    assert_eq!((repo.status_porcelain(), repo.read("x.slow")), (String::new(), "s\n".into()));
    assert_eq!(repo.task("s")["landing"]["kind"], "landed");
    repo.offshoot(&["undo", "s", "--revert"]).ok();
    assert_eq!(repo.read("x.slow"), "before\n");
}

#[test]
fn whoever_moves_the_target_without_an_index_cannot_be_held() {
    let sandbox = Sandbox::new();
    let push = "new=$(git commit-tree -m mine -p HEAD HEAD^{tree}) && git update-ref HEAD $new";
    let repo = at_every_plan(&sandbox, push);
    let (code, document) = repo.offshoot_json_exit(&["merge", "t"]);
    assert_eq!((code, &document["error"]["kind"]), (5, &"busy".into()), "{document:#}");
    assert_eq!(plans(&sandbox), 8);
    let said = document["error"].to_string();
    assert!(said.contains("`main` keeps moving") && said.contains("git log -5 main"), "{said}");
    assert_eq!((repo.status_porcelain(), repo.exists(".git/index.lock")), (String::new(), false));
    assert_eq!(repo.git(&["log", "--format=%s", "main"]).matches("mine\n").count(), 8);
    assert_eq!(repo.task("t")["landing"]["kind"], "open");
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn who_is_killed_while_nobody_may_commit_leaves_no_lock_for_long() {
    let sandbox = Sandbox::new();
    let pid = sandbox.root().join("pid");
    let script = format!(
        "if [ $count -lt 6 ]; then git commit -q --allow-empty -m mine; else \
         while [ ! -s '{0}' ]; do sleep 0.02; done; kill -9 $(cat '{0}'); fi",
        pid.display()
    );
    let repo = at_every_plan(&sandbox, &script);
    let child = repo.offshoot_spawn(&["merge", "t"]);
    std::fs::write(&pid, child.id().to_string()).expect("writes");
    let ran = finish(child, "offshoot merge");
    assert_ne!(ran.code, 0);
    assert!(repo.exists(".git/index.lock"), "it held the index when it was killed");
    repo.offshoot(&["list"]).ok();
    assert_eq!((repo.status_porcelain(), repo.exists(".git/index.lock")), (String::new(), false));
    repo.git(&["config", "--unset", "merge.meanwhile.driver"]);
    repo.git(&["commit", "--quiet", "--allow-empty", "--message", "at last"]);
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.git(&["log", "--format=%s", "main^1"]).matches("mine\n").count(), 5);
}
