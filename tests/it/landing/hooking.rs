//! `--hooks`, and signatures: what git would do for a commit, done on the result before it lands.

use super::{everything, landing, refused};
use crate::sandbox::{Sandbox, TestRepo};
use std::os::unix::fs::PermissionsExt;

/// Writes a hook of the repository.
fn hook(repo: &TestRepo<'_>, name: &str, script: &str) {
    let path = format!(".git/hooks/{name}");
    repo.write(&path, format!("#!/bin/sh\n{script}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(repo.root().join(path), mode).expect("executable");
}

#[test]
fn hooks_run_only_when_asked_for_and_see_exactly_the_result() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let log = sandbox.root().join("log");
    for name in ["pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-rebase"]
    {
        let tree = "$(git write-tree) $(git ls-files | wc -l) $(git status --porcelain | grep -v '^[AMDR] ')";
        hook(
            &repo,
            name,
            &format!("echo \"{name} $2 {tree} $(git rev-parse HEAD)\" >>{}", log.display()),
        );
    }
    repo.write("mine.txt", "untracked\n");
    let ran = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    for (number, (line, hooks)) in [
        (&["merge"][..], &["pre-merge-commit ", "prepare-commit-msg merge ", "commit-msg "][..]),
        (&["merge", "--squash"], &["pre-commit ", "prepare-commit-msg message ", "commit-msg "]),
        (&["rebase"], &["pre-rebase offshoot/t2 "]),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, before) = (format!("t{number}"), repo.head());
        repo.dispatch_to_end(&name, &[&sandbox.agent("commit"), &name]);
        repo.write(&format!("since{number}"), "meanwhile\n");
        let _ = std::fs::remove_file(&log);
        repo.offshoot(&[line, &["--dry-run", "--hooks", &name]].concat()).ok();
        assert_eq!(ran(), 0, "a dry run runs no hook");
        repo.offshoot(&[line, &["--hooks", &name]].concat()).ok();
        let text = std::fs::read_to_string(&log).expect("hooks ran");
        let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
        let files = repo.git(&["ls-tree", "-r", "HEAD"]).lines().count();
        let expected: Vec<String> =
            hooks.iter().map(|hook| format!("{hook}{tree} {files}  {before}")).collect();
        let said: Vec<String> = text
            .lines()
            .map(|line| line.replace("commit-msg  ", "commit-msg ").replace("commit  ", "commit "))
            .collect();
        assert_eq!(said, expected, "{line:?}");
        assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1, "{line:?}");
        repo.offshoot(&["undo"]).ok();
        assert_eq!(ran(), hooks.len(), "nothing else runs a hook");
    }
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_hook_that_fails_refuses_the_landing_and_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    hook(&repo, "commit-msg", "echo 'no ticket in the subject' >&2; exit 7");
    let before = everything(&sandbox, &repo);
    let words = "the hook `commit-msg` refused the result";
    let ran = refused(&sandbox, &repo, "refused", words, &["merge", "--hooks", "t"]);
    ran.says("no ticket in the subject").says("without `--hooks`");
    refused(&sandbox, &repo, "refused", words, &["merge", "--hooks", "t", "--only", "agent.txt"]);
    assert_eq!(everything(&sandbox, &repo), before);
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 2);
    repo.offshoot(&["merge", "t"]).ok();
}

#[test]
fn what_hooks_change_is_part_of_the_result() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    hook(&repo, "commit-msg", "echo 'Reviewed-by: a hook' >>\"$1\"");
    hook(&repo, "pre-merge-commit", "echo formatted >agent.txt; git add agent.txt");
    let (_, landed) = landing(&repo, &["merge", "--hooks", "t"]);
    assert_eq!(landed["after"], repo.head());
    assert!(repo.git(&["log", "-1", "--format=%B"]).contains("Reviewed-by: a hook"));
    assert_eq!(
        (repo.read("agent.txt"), repo.status_porcelain()),
        ("formatted\n".into(), String::new())
    );
    assert_eq!(repo.git(&["rev-list", "--parents", "-1", "HEAD"]).split(' ').count(), 3);
}

#[test]
fn a_folder_of_hooks_in_the_result_is_not_the_persons() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["config", "core.hooksPath", "hooks"]);
    let plant = "mkdir hooks && echo 'exit 1' >hooks/commit-msg && chmod +x hooks/commit-msg && git add hooks";
    repo.dispatch_to_end("t", &["sh", "-c", plant]);
    repo.offshoot(&["merge", "--hooks", "t"]).ok();
    assert!(repo.exists("hooks/commit-msg"));
}

#[test]
fn landed_commits_are_signed_where_that_is_configured() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (key, program) = (sandbox.root().join("key"), sandbox.root().join("signs"));
    // As a signing program does: the signature on its output, a status line for git.
    let script = "#!/bin/sh\ncat >/dev/null\necho '-----BEGIN PGP SIGNATURE-----'\necho fake\n\
                  echo '-----END PGP SIGNATURE-----'\necho '[GNUPG:] SIG_CREATED ' >&2\n";
    std::fs::write(&program, script).expect("a script");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    repo.git(&["config", "gpg.program", &program.display().to_string()]);
    repo.git(&["config", "user.signingKey", &key.display().to_string()]);
    let is_signed = || repo.git(&["cat-file", "commit", "HEAD"]).contains("\ngpgsig ");
    repo.git(&["config", "commit.gpgSign", "true"]);
    for (number, line) in
        [&["merge"][..], &["merge", "--squash"], &["merge", "--cherry-pick"], &["rebase"]]
            .iter()
            .enumerate()
    {
        let name = format!("t{number}");
        repo.dispatch_to_end(&name, &[&sandbox.agent("commit"), &name]);
        repo.git(&["commit", "--quiet", "--no-gpg-sign", "--allow-empty", "-m", "main moves on"]);
        repo.offshoot(&[line, &[&*name][..]].concat()).ok();
        assert!(is_signed(), "{line:?}");
    }
    repo.git(&["commit", "--quiet", "--no-gpg-sign", "--allow-empty", "-m", "main moves on"]);
    repo.offshoot(&["undo", "--revert", "t3"]).ok();
    assert!(is_signed(), "a revert");
}
