//! Nothing that came from a task acts on a terminal: names, messages, prompts and logs are data.

use crate::sandbox::{Ran, Sandbox, TestRepo};

const PROMPT: &str = "Fix \u{1b}[31mred\u{7} and \u{202e}backwards\u{2066} \u{9b}31m";

/// Control characters other than newline and tab, and bidi controls.
fn acts(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn assert_harmless(ran: &Ran) {
    let text = format!("{}{}", ran.stdout, ran.stderr);
    // What the terminal adds itself: the ends of lines, and our own colours and progress.
    let text = text.replace("\r\n", "\n");
    let found: Vec<char> = text.chars().filter(|c| acts(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

/// A task whose prompt, note, file names, commit message and log hold what must not act.
fn hostile_task(sandbox: &Sandbox, repo: &TestRepo<'_>) {
    let script = r#"printf 'log \033]0;title\007 \342\200\256 \r over\n'
        name=$(printf 'red\033[31m\342\200\256.txt'); echo x > "$name"
        git add -A; git -c user.name="$(printf 'A\033[2J')" -c user.email=a commit -qm "$(printf 'm\033[2J')"
        printf '\342\200\256more' >> "$name""#;
    let line = ["dispatch", "--name", "t", "--context", PROMPT, PROMPT, "--", "sh", "-c", script];
    assert_harmless(&repo.offshoot(&line).ok());
    let task = repo.wait_for("t");
    assert_eq!(task["state"], "completed", "{}", repo.offshoot(&["logs", "t"]));
    assert_eq!(task["prompt"], PROMPT);
    let _ = sandbox;
}

const LOOKS: [&[&str]; 11] = [
    &["list", "--all"],
    &["status", "t"],
    &["result", "t"],
    &["wait", "t"],
    &["diff", "--stat", "t"],
    &["diff", "--name-only", "t"],
    &["inbox"],
    &["events"],
    &["merge", "--dry-run", "t"],
    &["apply", "t"],
    &["discard", "t"],
];

#[test]
fn on_a_pipe_what_a_task_wrote_is_shown_escaped() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    hostile_task(&sandbox, &repo);
    for line in LOOKS {
        assert_harmless(&repo.offshoot(line).ok());
        if !matches!(line[0], "apply" | "discard") {
            assert_harmless(&repo.offshoot(&[line, &["--json"]].concat()));
        }
    }
    // JSON holds the text itself, in JSON's own escapes at most.
    assert_eq!(repo.task("t")["diff"]["changes"][0]["path"], "red\u{1b}[31m\u{202e}.txt");
}

#[test]
fn on_a_terminal_what_a_task_wrote_is_shown_escaped() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    hostile_task(&sandbox, &repo);
    let looks = LOOKS.iter().copied().chain([&["logs", "t"][..], &["diff", "t"]]);
    for line in looks.filter(|line| line[0] != "discard") {
        let mut command = repo.command(line);
        command.env("NO_COLOR", "1").env("GIT_PAGER", "cat");
        let ran = sandbox.finish_on_terminal(&command, "");
        // A progress bar clears its line, begins with a braille pattern and goes back again.
        let text = ran.stdout.replace("\r\n", "\n").replace("\u{1b}[2K", "");
        let is_progress =
            |piece: &&str| piece.starts_with(|c| ('\u{2800}'..='\u{28ff}').contains(&c));
        let pieces: Vec<&str> = text.split('\r').filter(|piece| !is_progress(piece)).collect();
        let without_progress = Ran { stdout: pieces.join("\r"), ..ran };
        assert_harmless(&without_progress.ok());
    }
}

#[test]
fn an_error_shows_what_was_typed_escaped() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for line in [
        &["status", "\u{1b}[31m\u{202e}"][..],
        &["dispatch", "--name", "\u{1b}[31m", "--", "true"],
        &["dispatch", "--base", "\u{1b}[31m\u{202e}", "--", "true"],
        &["dispatch", "--target", "\u{1b}[31m", "--", "true"],
        &["dispatch", "--agent", "\u{1b}[31m", "x"],
        &["list", "--state", "\u{1b}[31m"],
        &["\u{1b}[31m\u{202e}"],
        &["list", "--\u{1b}[31m"],
    ] {
        let ran = repo.offshoot(line);
        assert_ne!(ran.code, 0, "{ran}");
        assert_harmless(&ran);
    }
}
