//! What real agents wrote says the same however it arrives, and nothing that is written breaks it.

use crate::sandbox::fixtures;
use offshoot::agent::{Line, Reader, Report};
use offshoot::task::StreamKind;

fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("streams").join(format!("{name}.jsonl"))).expect("it is there")
}

fn kind(name: &str) -> StreamKind {
    let agent = name.split('_').next().expect("a name");
    serde_json::from_value(agent.into()).expect("it is a kind")
}

/// What a stream says and shows, read in pieces of this size.
fn read(kind: StreamKind, stream: &[u8], size: usize) -> (Report, String) {
    let (mut reader, mut report, mut lines) = (Reader::new(kind), Report::default(), Vec::new());
    stream.chunks(size).for_each(|piece| reader.push(piece, &mut |line| lines.push(line)));
    reader.end(&mut |line| lines.push(line));
    let mut shown = String::new();
    for line in &lines {
        report.take(line);
        shown.push_str(&reader.shown(line));
    }
    shown.push_str(reader.close());
    (report, shown)
}

#[test]
fn what_real_agents_wrote_is_understood() {
    /// The stream; then message, failure, question (their beginnings), tokens read and written.
    type Row = (&'static str, [Option<&'static str>; 3], Option<(u64, u64)>);
    let table: [Row; 18] = [
        ("opencode_work", [Some("Done. I saw: 1 new.txt"), None, None], Some((300, 60))),
        ("opencode_follow_up", [Some("Second answer."), None, None], Some((100, 20))),
        ("opencode_refused_key", [None, Some("invalid x-api-key"), None], None),
        ("opencode_denied", [None, None, Some("may it use bash: ls")], Some((100, 20))),
        ("claude_work", [Some("Done. I saw: 1 new.txt"), None, None], Some((300, 60))),
        ("claude_follow_up", [Some("Second answer."), None, None], Some((100, 20))),
        (
            "claude_refused_key",
            [Some("Invalid API key"), Some("Invalid API key"), None],
            Some((0, 0)),
        ),
        (
            "claude_denied",
            [Some("I need permission"), None, Some("may it use Bash: curl -s")],
            Some((200, 40)),
        ),
        ("codex_work", [Some("Done. I saw: Chunk ID"), None, None], Some((300, 60))),
        ("codex_follow_up", [Some("Second answer."), None, None], Some((400, 80))),
        ("codex_refused_key", [None, Some("unexpected status 401"), None], None),
        ("gemini_work", [Some("Done. I saw: "), None, None], Some((300, 60))),
        ("gemini_follow_up", [Some("Second answer."), None, None], Some((100, 20))),
        ("gemini_refused_key", [None, Some("[API Error: "), None], Some((0, 0))),
        ("copilot_work", [Some("Done. I saw: 1 new.txt"), None, None], None),
        ("copilot_follow_up", [Some("Second answer."), None, None], None),
        ("copilot_refused_key", [None, Some("Authentication failed with provider"), None], None),
        ("copilot_denied", [Some("I was not allowed"), None, Some("Permission denied")], None),
    ];
    for (name, expected, tokens) in table {
        let (report, _) = read(kind(name), &recorded(name), usize::MAX);
        let told = [&report.message, &report.failure, &report.asks];
        for (told, expected) in told.into_iter().zip(expected) {
            let begins =
                expected.map(|words| told.as_ref().is_some_and(|it| it.starts_with(words)));
            assert!(begins.unwrap_or(told.is_none()), "{name}: {told:?}, not {expected:?}");
        }
        let usage = report.usage.map(|usage| (usage.input_tokens, usage.output_tokens));
        assert_eq!(usage, tokens, "{name}");
        assert!(report.session.is_some(), "{name}");
    }
}

#[test]
fn a_stream_says_the_same_in_pieces_of_any_size() {
    for name in ["opencode_work", "claude_denied", "codex_refused_key", "gemini_work"] {
        let stream = recorded(name);
        let whole = read(kind(name), &stream, usize::MAX);
        for size in [1, 7, 100, 4096] {
            assert_eq!(read(kind(name), &stream, size), whole, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_anywhere_keeps_what_it_said_before() {
    for name in ["opencode_work", "claude_work", "codex_work", "gemini_work", "copilot_follow_up"] {
        let stream = recorded(name);
        for end in (0..stream.len()).step_by(37) {
            let (report, _) = read(kind(name), &stream[..end], 512);
            assert_eq!(report.failure, None, "{name} up to {end}");
        }
    }
}

#[test]
fn what_is_no_document_or_too_long_changes_nothing_else() {
    let stream = recorded("claude_work");
    let (report, _) = read(StreamKind::Claude, &stream, usize::MAX);
    let mut mixed =
        b"warning: \xff\x00\n{\"type\":\n{}\n[1]\n{\"type\":7,\"message\":[]}\n".to_vec();
    let giant = format!("{{\"type\":\"user\",\"text\":\"{}\"}}\n", "x".repeat(10 * 1024 * 1024));
    mixed.extend_from_slice(giant.as_bytes());
    mixed.extend_from_slice(&stream);
    mixed.extend(std::iter::repeat_n(b'x', 17 * 1024 * 1024));
    mixed.extend_from_slice(b"\n\n");
    let (read_again, shown) = read(StreamKind::Claude, &mixed, 64 * 1024);
    assert_eq!(read_again, report);
    assert!(shown.starts_with("warning: \u{fffd}\0\n{\"type\":\n[1]\n"), "{shown}");
    assert!(shown.ends_with("Done. I saw: 1 new.txt\n[a line that is too long to show]\n\n"));

    let mut reader = Reader::new(StreamKind::Claude);
    let mut lines = Vec::new();
    reader.push(giant.as_bytes(), &mut |line| lines.push(line));
    assert_eq!(lines, [Line::Said(Vec::new())], "ten megabytes can be read");
}

#[test]
fn people_see_what_is_said_and_done_a_line_each_and_nothing_that_acts_on_a_terminal() {
    let shown = |name: &str| read(kind(name), &recorded(name), usize::MAX).1;
    insta::assert_snapshot!(shown("copilot_work"), @"
    I will write it.
    > create /home/ada/greetings/new.txt
    > bash wc -l new.txt
    Done. I saw: 1 new.txt
    <shellId: 0 completed with exit code 0>
    ");
    insta::assert_snapshot!(shown("claude_refused_key"), @"
    ! authentication_failed (try 1 of 1)
    Invalid API key · Fix external API key
    error: Invalid API key · Fix external API key
    ");
    insta::assert_snapshot!(shown("opencode_denied"), @"
    > bash ls
    ? may it use bash: ls
    ");
    let hostile = r#"{"type":"item.completed","item":{"type":"agent_message","text":"a\u001b[2Jb\u202ec"}}
{"type":"item.started","item":{"type":"command_execution","command":"x\ny\u001b]0;t\u0007"}}"#;
    let (_, shown) = read(StreamKind::Codex, hostile.as_bytes(), 10);
    assert_eq!(shown, "a\\u{1b}[2Jb\\u{202e}c\n> shell x y\\u{1b}]0;t\\u{7}\n");
}
