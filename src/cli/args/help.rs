//! The words of `--help` that clap cannot make itself: the verbs in groups, and examples for each.

use clap::Command;

/// The verbs as `offshoot --help` groups them.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Start work", &["dispatch", "run"]),
    ("Watch it", &["list", "status", "wait", "logs"]),
    ("Steer it", &["send", "pause", "resume", "cancel", "retry", "priority"]),
    ("Look at what it did", &["result", "diff"]),
    ("Decide", &["forecast", "merge", "rebase", "apply", "discard", "restore", "undo"]),
    ("Keep it in order", &["doctor", "gc"]),
    (
        "For scripts and agents",
        &["inbox", "lock", "events", "trust", "setup", "mcp", "hook", "completions"],
    ),
];

const EXITS: &str = "\
Exit status:
  0 done · 1 refused or failed · 2 wrong usage · 3 conflicts, nothing was changed
  4 the task did not complete · 5 busy · 6 the verify command failed
  124 the time limit of a waiting verb passed · 130 you left `run` with Ctrl-C

Examples:
  offshoot dispatch \"Fix the timeouts\"   give a prompt to an agent; returns at once
  offshoot dispatch -- make test         run a command in a worktree of its own
  offshoot list                          what goes on, what waits for a decision
  offshoot merge fix-the-timeouts        land it

`offshoot VERB --help` explains a verb.";

/// The declaration with its verbs listed in groups.
pub(super) fn grouped(command: Command) -> Command {
    let mut verbs = String::new();
    for (title, names) in GROUPS {
        verbs.push_str(&format!("{title}:\n"));
        for sub in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            verbs.push_str(&format!("  {:<12} {about}\n", sub.get_name()));
        }
        verbs.push('\n');
    }
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{verbs}Options:\n{{options}}{{after-help}}"
    );
    command.help_template(template).after_help(EXITS)
}

pub(super) const DISPATCH: &str = "\
Examples:
  offshoot dispatch \"Fix the timeouts\"
  offshoot dispatch --name fix --base v1.2 --target release \"Fix the timeouts\"
  offshoot dispatch --timeout 30m --retries 2 -- make test
  offshoot dispatch --after fix,tests --priority 5 -- make release
  offshoot dispatch --on-done 'notify-me' -- make test
  offshoot dispatch --verify 'make test' \"Fix the timeouts\"
  offshoot dispatch --claim src/parser,docs \"Rename the parser\"
  offshoot dispatch - < task.md

Prints the task's name and id, and returns as soon as both are on disk.";
pub(super) const RUN: &str = "\
Examples:
  offshoot run -- cargo test
  offshoot run --agent codex \"Fix the timeouts\"

On a terminal Ctrl-C leaves the task running, a second one within 2 s cancels it. Elsewhere
INT, TERM and HUP cancel it.

Exit status 0: completed, 4: it ended otherwise, 130: you left it running with Ctrl-C.";
pub(super) const LIST: &str = "\
Examples:
  offshoot list
  offshoot list --all --state failed
  offshoot list --json | jq -r '.tasks[].name'";
pub(super) const STATUS: &str = "\
Examples:
  offshoot status fix
  offshoot status 3f2a --json";
pub(super) const WAIT: &str = "\
Examples:
  offshoot wait fix tests
  offshoot wait --any --timeout 10m fix tests

Exit status 0: completed, 4: one ended otherwise, 124: the time limit passed.";
pub(super) const LOGS: &str = "\
Examples:
  offshoot logs -f fix
  offshoot logs --stderr --tail 50 fix
  offshoot logs --setup fix     what the set-up command wrote

With --json it prints one document a line.";
pub(super) const RESULT: &str = "\
Examples:
  offshoot result fix
  offshoot result fix --json | jq -r .message

Exit status 0: completed, 4: it ended otherwise, 1: it has not ended.";
pub(super) const DIFF: &str = "\
Examples:
  offshoot diff fix
  offshoot diff --stat fix
  offshoot diff --against target fix -- src
  offshoot diff fix | git apply

On a pipe it is git's own patch; on a terminal it is coloured and paged as git pages.";
pub(super) const PAUSE: &str = "\
Examples:
  offshoot pause fix tests
  offshoot pause --keep-slot fix

Returns when every process has stopped. Meanwhile another task may have the slot.";
pub(super) const RESUME: &str = "\
Example:
  offshoot resume fix tests

Without a free slot a task queues for one, and goes on as soon as it has it.";
pub(super) const PRIORITY: &str = "\
Examples:
  offshoot priority 10 urgent
  offshoot priority -5 nightly weekly";
pub(super) const RETRY: &str = "\
Examples:
  offshoot retry fix            in the same worktree, on top of what is there
  offshoot retry --fresh fix    in a new worktree at the base; the old one's work is kept
  offshoot retry --with-feedback fix    the agent is told how it failed

`offshoot logs --attempt 1 fix` shows the log of an earlier attempt.";
pub(super) const SEND: &str = "\
Examples:
  offshoot send fix 'Now add a test for it'
  git diff | offshoot send fix -

It runs as an attempt of its own, in the same worktree: in the agent's own conversation where the
preset can (opencode, claude, codex, gemini, copilot), else as a new run; a command is run once more
and finds the message in OFFSHOOT_PROMPT. While an attempt is under way it waits for the end of it,
several in their order; the task ends when nothing waits any more.";
pub(super) const CANCEL: &str = "\
Example:
  offshoot cancel fix tests

Returns when the tasks have ended. What they did so far is kept.";
pub(super) const FORECAST: &str = "\
Examples:
  offshoot forecast
  offshoot forecast fix tests
  offshoot merge $(offshoot forecast --json | jq -r '.order[]')

All is worked out against the targets as they are now; nothing is changed. Tasks are compared with
every other open task of the same target. The order names as many as can all land.";
pub(super) const MERGE: &str = "\
Examples:
  offshoot merge fix
  offshoot merge --squash --into release fix
  offshoot merge --dry-run fix tests
  offshoot merge --verify 'make test' fix tests docs
  offshoot merge --cherry-pick fix
  offshoot merge --take-leftovers fix   with what you changed in its worktree since
  offshoot merge fix --only src docs    a part, as one commit; the task goes on with the rest
  offshoot diff fix >p && $EDITOR p && offshoot merge fix --patch-file p    whole hunks of it
  offshoot merge --resolve fix          opens the conflicts in its worktree, never in yours
  offshoot merge --continue fix         lands it once they are resolved
  offshoot merge --hooks fix            asks your pre-merge-commit and commit-msg hooks first

Several tasks land one after another. A conflict stops only its own task; when a later one is
refused, the earlier ones stay landed and the rest is not tried.
Files of yours that are in the way refuse it, and are left as they are.

A verify command runs on exactly what would land, in a worktree of its own: --verify, else the
task's own, else the configured one. Several tasks are verified together; what makes them fail is
found by halving, left out and named, and the rest lands.

Exit status 1: refused, 3: conflicts, 6: the verify command failed; nothing of that task was landed.";
pub(super) const REBASE: &str = "\
Examples:
  offshoot rebase fix
  offshoot rebase --keep fix
  offshoot rebase --verify 'make test' fix
  offshoot rebase --no-land fix   only brings its branch and worktree up to date

Several tasks land one after another. A conflict stops only its own task; when a later one is
refused, the earlier ones stay landed and the rest is not tried.
Files of yours that are in the way refuse it, and are left as they are.

Exit status 1: refused, 3: conflicts, 6: the verify command failed; nothing of that task was landed.";
pub(super) const APPLY: &str = "\
Example:
  offshoot apply fix

Refuses where it would touch files that you changed yourself.";
pub(super) const DISCARD: &str = "\
Examples:
  offshoot discard fix
  offshoot discard fix && offshoot restore fix

Of a task that was landed with `--keep` it releases the worktree and the branch.";
pub(super) const RESTORE: &str = "\
Example:
  offshoot restore fix";
pub(super) const UNDO: &str = "\
Examples:
  offshoot undo                 the last landing
  offshoot undo fix             the last landing of a task
  offshoot undo --revert 3      by a commit, where others may have built on it

Moves the target back to where it was before the landing, with the same care for your files as the
landing took, and opens the task again: branch and worktree are there as before. A target that has
moved on, or whose landing is on a remote-tracking branch, stays as it is; --revert lands a commit
there that takes the change out, and the task's work goes on as one commit on top of it.
`offshoot list --all` and `offshoot events` tell the numbers of landings.

Exit status 1: refused, 3: the revert conflicts. Nothing was changed then.";
pub(super) const INBOX: &str = "\
Examples:
  offshoot inbox
  offshoot inbox --wait 10m --json
  offshoot inbox --follow --json
  offshoot inbox --ack 42 43

Shows what this session dispatched, what closed sessions did, and what no session did. Ends of
siblings within a second come together. Whatever was told stays until it is acknowledged.";
pub(super) const SETUP: &str = "\
Examples:
  offshoot setup claude
  offshoot setup --dry-run opencode
  offshoot setup codex --remove
  offshoot setup --repo gemini

Writes into the agent's own files and says what it wrote; a second time changes nothing, comments
stay. --remove brings every file back to the byte, or, where you have changed it since, takes only
our entries out.";
pub(super) const HOOK: &str = "\
Example:
  echo '{\"hook_event_name\": \"Stop\", \"session_id\": \"s\"}' | offshoot hook claude

Reads the hook's JSON on standard input and answers with what has ended since, if anything has.
What it told counts as acknowledged. It never keeps an agent from going on.

With --wait it stays while a task of the session is under way, and wakes the session by ending with
exit status 2 and the words on standard error; in Claude Code's terminal interface only.";
pub(super) const LOCK: &str = "\
Examples:
  offshoot lock acquire --purpose 'rename the parser' src/parser
  offshoot lock list
  offshoot lock release

Locks are advice: they keep nobody from writing, but other lockers and tasks with claims on
the same paths (`offshoot dispatch --claim`) wait or are told.";
pub(super) const LOCK_ACQUIRE: &str = "\
Examples:
  offshoot lock acquire src/parser docs/*.md
  offshoot lock acquire --for 10m --purpose 'rename the parser' src
  offshoot lock acquire --wait 5m .

A lock falls when it is released, when its time is over, when the machine starts again, and when
its owner has ended: the task, session or process. One with --owner stands by its name alone.
What you hold already is extended.

Exit status 5: somebody else holds some of the paths; the message says who.";
pub(super) const LOCK_RELEASE: &str = "\
Examples:
  offshoot lock release
  offshoot lock release src/parser
  offshoot lock release --owner ada

Without arguments every lock of yours is released.";
pub(super) const EVENTS: &str = "\
Examples:
  offshoot events --since 42
  offshoot events --follow --json

With --follow --json it prints one document a line.";
pub(super) const DOCTOR: &str = "\
Examples:
  offshoot doctor
  offshoot doctor --fix
  offshoot doctor --json | jq -r '.findings[] | .kind + \": \" + .message'

Looks at records, refs, worktrees and landings, and changes nothing without --fix. What --fix
cannot mend is told with what you can do. Folders that are nobody's, and records that cannot be
read, are told and left alone.

Exit status 0: everything is in order (or was mended), 1: something is not.";
pub(super) const GC: &str = "\
Examples:
  offshoot gc --dry-run
  offshoot gc

Frees folders of landed and discarded tasks after 3 days, or the oldest when all take more than
2 GiB, and their refs and landings after 14 days; `[keep]` in the configuration changes this. What
`[pool]` keeps for the next worktrees goes when it is too much or has not served for 3 days. Open
tasks, logs, records and folders with work that could not be recorded stay. What the refs kept is freed by `git gc`, later.";
pub(super) const TRUST: &str = "\
Example:
  offshoot trust

Shows the set-up command and variables of `.offshoot.toml` in the main checkout. On a terminal it
asks first; elsewhere the call itself is the consent. A change of the file has to be accepted
again. What you accepted lies outside the repository; a task cannot accept anything.

Exit status 1: not accepted.";
pub(super) const MCP: &str = "\
Examples:
  claude mcp add offshoot -- offshoot mcp
  codex mcp add offshoot -- offshoot mcp

It speaks the Model Context Protocol on standard input and output, until its input ends. Tools
carry the verbs' names and take their long options, with `_` for `-`.";
pub(super) const COMPLETIONS: &str = "\
Examples:
  offshoot completions bash > ~/.local/share/bash-completion/completions/offshoot
  offshoot completions zsh > ~/.zfunc/_offshoot
  offshoot completions fish > ~/.config/fish/completions/offshoot.fish";
