//! A small file system of our own, mounted where only the test's own processes see it: full, then free
//! again, then for reading only.

use super::skip;
use crate::sandbox::{Ran, Sandbox, fixtures, program};

/// Mounts a file system on `$1` that holds 8 MiB, makes a repository there, and tells how tasks fare.
const MOUNT: &str = r#"
mount -t tmpfs -o size=8m tmpfs "$1" 2>/dev/null || exit 99
offshoot=$2 place=$1
"$3/repos/simple.sh" "$place/repo" >/dev/null 2>&1 && cd "$place/repo" || exit 98
told() { printf '%s: ' "$1"; shift; "$@" 2>&1 | tr '\n' ' '; echo; }
state() { "$offshoot" list --all --json | tr '{' '\n' | grep -A1 "\"name\":\"$1\"" | grep -o '"kind":"[a-z_]*"' | head -n 1; }
"#;

/// Runs a story in a mount namespace of its own; none where that is not allowed.
fn on_a_small_disk(sandbox: &Sandbox, story: &str) -> Option<Ran> {
    sandbox.write_config("min_free_disk_mib = 0\n");
    let place = sandbox.root().join("small");
    std::fs::create_dir(&place).expect("a folder in the sandbox");
    let is_root = rustix::process::geteuid().is_root();
    let own_user: &[&str] = if is_root { &[] } else { &["--user", "--map-root-user"] };
    let mut command = sandbox.command("unshare");
    command.args(own_user).args(["--mount", "sh", "-c", &format!("{MOUNT}{story}"), "sh"]);
    command.arg(&place).arg(program()).arg(fixtures());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let Ok(child) = command.spawn() else {
        skip("unshare is not installed");
        return None;
    };
    let ran = crate::sandbox::finish(child, "the story");
    if ran.code == 99 || (ran.code == 1 && ran.stderr.starts_with("unshare:")) {
        skip("no file system can be mounted here");
        return None;
    }
    Some(ran.ok())
}

/// What a story told about something.
#[track_caller]
fn told<'a>(ran: &'a Ran, about: &str) -> &'a str {
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{about}: ")));
    line.unwrap_or_else(|| panic!("nothing was told about {about}: {ran}"))
}

#[test]
fn on_a_full_disk_nothing_is_lost_and_everything_goes_on_when_there_is_room() {
    let sandbox = Sandbox::new();
    let gate = sandbox.gate("go");
    let story = format!(
        r#"
"$offshoot" run --name before -- "$3/agents/commit" before >/dev/null 2>&1
"$offshoot" dispatch --name during -- "$3/agents/wait_for_gate" {gate} "$3/agents/fail" 7 >/dev/null
until [ -e {gate}.arrived ]; do sleep 0.02; done
dd if=/dev/zero of="$place/fill" bs=4k 2>/dev/null
told dispatch "$offshoot" dispatch --name never -- true
told list "$offshoot" list
told merge "$offshoot" merge before
told discard "$offshoot" discard before
told acknowledge "$offshoot" inbox --ack
told status "$offshoot" status during
: >{gate}
sleep 1.5
rm "$place/fill"
"$offshoot" wait during >/dev/null
told ended "$offshoot" logs during
told after "$offshoot" merge before
told doctor "$offshoot" doctor
git fsck --full --strict >/dev/null 2>&1 && echo "fsck: sound"
told failures sh -c 'cat .git/offshoot/tasks/*/supervisor.log | wc -l'
"#,
        gate = gate.argument()
    );
    let Some(ran) = on_a_small_disk(&sandbox, &story) else { return };
    for verb in ["dispatch", "merge", "discard", "acknowledge"] {
        let said = told(&ran, verb).to_lowercase();
        let cause = said.contains("no space left on device") || said.contains("out of diskspace");
        assert!(said.starts_with("error: ") && cause, "{verb}: {said}");
    }
    let list = told(&ran, "list");
    assert!(list.contains("before  completed") && list.contains("during  running"), "{list}");
    assert!(!list.contains("never"), "{list}");
    assert!(told(&ran, "status").contains("running"), "{ran}");
    assert!(told(&ran, "after").contains("merged into `main`"), "{ran}");
    assert_eq!(told(&ran, "doctor").trim(), "everything is in order");
    assert_eq!(told(&ran, "fsck"), "sound");
    let failures: usize = told(&ran, "failures").trim().parse().expect("a number");
    assert!(failures < 60, "a supervisor that fails is not started again at once: {failures}");
}

#[test]
fn a_task_for_which_the_disk_has_too_little_room_is_refused_or_says_why_it_ended() {
    let sandbox = Sandbox::new();
    let story = r#"
for n in 1 3 5 7 12 18 24; do
    dd if=/dev/zero of="$place/fill" bs=4k 2>/dev/null
    truncate -s "-$((n * 4096))" "$place/fill"
    told "dispatch $n" "$offshoot" dispatch --name "n$n" -- "$3/agents/edit_only"
    sleep 0.3
    rm "$place/fill"
    told "wait $n" "$offshoot" wait "n$n"
    told "doctor $n" "$offshoot" doctor
done
git fsck --full --strict >/dev/null 2>&1 && echo "fsck: sound"
"#;
    let Some(ran) = on_a_small_disk(&sandbox, story) else { return };
    for n in [1, 3, 5, 7, 12, 18, 24] {
        let (dispatched, waited) =
            (told(&ran, &format!("dispatch {n}")), told(&ran, &format!("wait {n}")));
        let full = |said: &str| said.to_lowercase().contains("no space left on device");
        if waited.starts_with("error: no task") {
            assert!(dispatched.starts_with("error: ") && full(dispatched), "{dispatched}");
        } else if dispatched.starts_with("error: ") {
            assert!(full(dispatched) && dispatched.contains("is recorded"), "{dispatched}");
            assert!(waited.contains("completed"), "it runs when there is room: {waited}");
        } else if !waited.contains("completed: exited 0") {
            // The agent itself may have had no room, or its worktree.
            let own = waited.contains("failed: exited");
            assert!(own || full(waited), "{waited}");
        }
        assert_eq!(told(&ran, &format!("doctor {n}")).trim(), "everything is in order");
    }
    assert_eq!(told(&ran, "fsck"), "sound");
}

#[test]
fn on_a_file_system_for_reading_only_what_is_there_can_be_looked_at() {
    let sandbox = Sandbox::new();
    let story = r#"
"$offshoot" run --name t -- "$3/agents/commit" >/dev/null 2>&1
until [ -z "$(ls .git/offshoot/active)" ]; do sleep 0.02; done
mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" && cd / && cd "$place/repo" || exit 97
for verb in list 'status t' 'result t' 'logs t' 'diff t' 'wait t' inbox events 'lock list' 'gc --dry-run'; do
    "$offshoot" $verb >/dev/null 2>&1 && echo "$verb: ok" || echo "$verb: exit $?"
done
for verb in 'dispatch -- true' 'merge t' 'discard t' 'retry t' 'inbox --ack' gc 'lock acquire x'; do
    told "$verb" "$offshoot" $verb
done
mount -o remount,bind,rw "$place"
told doctor "$offshoot" doctor
told after "$offshoot" merge t
"#;
    let Some(ran) = on_a_small_disk(&sandbox, story) else { return };
    for verb in ["list", "status t", "result t", "logs t", "diff t", "wait t", "inbox", "events"] {
        assert_eq!(told(&ran, verb), "ok", "{verb}");
    }
    assert_eq!((told(&ran, "lock list"), told(&ran, "gc --dry-run")), ("ok", "ok"));
    let verbs = [
        "dispatch -- true",
        "merge t",
        "discard t",
        "retry t",
        "inbox --ack",
        "gc",
        "lock acquire x",
    ];
    for verb in verbs {
        let said = told(&ran, verb);
        assert!(said.starts_with("error: ") && said.contains("read-only file system"), "{said}");
    }
    assert_eq!(told(&ran, "doctor").trim(), "everything is in order");
    assert!(told(&ran, "after").contains("merged into `main`"), "{ran}");
}
