//! Verbs that are killed before one of their calls of git: after the next command everything is as it
//! was before, or as it is after them, and they can be called again.

use crate::sandbox::{Sandbox, TestRepo};
use std::os::unix::fs::PermissionsExt;

/// Kills the verb before its call number `KILL_AT` of git.
const SHIM: &str = r#"#!/bin/sh
count=$(($(cat "$KILL_COUNT" 2>/dev/null || echo 0) + 1))
echo $count >"$KILL_COUNT"
if [ "$count" = "$KILL_AT" ]; then kill -9 $PPID; exit 1; fi
PATH=${PATH#*:} exec git "$@"
"#;

/// Whether the verb was killed before its call number `at` of git; none when it has fewer.
fn killed(sandbox: &Sandbox, repo: &TestRepo<'_>, line: &[&str], at: usize) -> bool {
    let folder = sandbox.root().join("shim");
    let (git, count) = (folder.join("git"), folder.join("count"));
    if !git.exists() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&git, SHIM).expect("a script");
        std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    std::fs::write(&count, "0").expect("a counter");
    let mut command = repo.command(line);
    let path = std::env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{}:{path}", folder.display()));
    command.env("KILL_AT", at.to_string()).env("KILL_COUNT", count);
    let ran = sandbox.finish_command(&mut command);
    assert!(matches!(ran.code, 0 | 137), "{ran}");
    ran.code == 137
}

/// Kills a verb before every `step`th call of git. What `look` sees afterwards must be as before or as
/// after it; after it, `back` brings everything back to where it was.
pub(super) fn everywhere(
    sandbox: &Sandbox,
    repo: &TestRepo<'_>,
    (line, step): (&[&str], usize),
    look: &dyn Fn() -> String,
    back: &dyn Fn(),
) {
    let before = look();
    repo.offshoot(line).ok();
    let after = look();
    assert_ne!(before, after, "{line:?} does something");
    back();
    assert_eq!(look(), before, "{line:?} can be brought back");
    let (mut befores, mut afters) = (0, 0);
    for at in (1..).step_by(step) {
        let was_killed = killed(sandbox, repo, line, at);
        repo.offshoot(&["list"]).ok();
        let now = look();
        if now == before {
            befores += 1;
        } else {
            assert_eq!(now, after, "{line:?} was killed before call {at} of git");
            afters += 1;
            back();
        }
        let found = repo.offshoot(&["doctor"]);
        assert_eq!(found.code, 0, "{line:?}, killed before call {at} of git: {found}");
        if !was_killed {
            break;
        }
    }
    assert!(befores > 0 && afters > 0, "{line:?}: {befores} before, {afters} after");
}
