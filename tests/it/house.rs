//! The house test: reads the sources and fails, naming file and line, where they break the law of
//! the house: imports point down, every outside package lives in one room, only faces print, the
//! world is handed in.
//!
//! It is deliberately no parser. Comments and the insides of strings are blanked, test modules are
//! skipped, and what remains is searched for words. The tables come first because they are what a
//! change of the house edits; `house/rules.rs` proves on invented sources that each
//! rule fires.

mod rules;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The levels of the house: name, rooms, and the levels a room may import besides itself.
const LEVELS: &[(&str, &[&str], &[&str])] = &[
    (
        "words",
        &[
            "claim",
            "diff",
            "environment",
            "error",
            "escape",
            "event",
            "landing",
            "layout",
            "names",
            "notice",
            "outcome",
            "path",
            "path_lock",
            "task",
            "timestamp",
            "view",
        ],
        &["words"],
    ),
    (
        "doors",
        &[
            "agent", "clock", "config", "disk", "git", "lock", "notify", "process", "setup",
            "store", "threads", "watch",
        ],
        &["words"],
    ),
    ("context", &["context"], &["words", "doors"]),
    ("supervisor", &["supervisor"], &["words", "doors", "context"]),
    ("verbs", &["ops"], &["words", "doors", "context", "supervisor"]),
    ("faces", &["cli", "mcp", "tui"], &["words", "context", "verbs"]),
];

/// Doors that may use another door.
const DOOR_TO_DOOR: &[(&str, &[&str])] = &[
    ("config", &["threads"]),
    ("git", &["clock", "disk", "threads"]),
    ("lock", &["clock"]),
    ("notify", &["process"]),
    ("process", &["clock"]),
    ("store", &["lock", "clock", "disk", "threads"]),
    ("watch", &["clock"]),
];

/// Files that tie the rooms together and so may import anything.
const EXEMPT: &[&str] = &["main.rs", "lib.rs"];

/// In a package's list of rooms: everywhere.
const ANYWHERE: &str = "*";

/// Each package we depend on, and the rooms (`git`) or files (`git/land_journal`) that may name it.
const PACKAGES: &[(&str, &[&str])] = &[
    ("anstyle", &["cli"]),
    ("base64", &["path", "diff", "notify"]),
    ("clap", &["cli", "mcp"]),
    ("clap_complete", &["cli"]),
    ("fs4", &["lock"]),
    ("git2", &["git"]),
    ("indicatif", &["cli"]),
    ("notify_rust", &["notify"]),
    ("jiff", &["timestamp", "clock"]),
    ("jsonc_parser", &["setup"]),
    ("libc", &["process"]),
    ("libdeflater", &["git/loose", "git/pack", "git/parcel"]),
    ("libgit2_sys", &["git"]),
    // Named by nobody: by its feature libgit2 is linked with a zlib of its own.
    ("libz_sys", &[]),
    ("memmap2", &["git/pack"]),
    ("rmcp", &["mcp"]),
    ("rustix", &["process", "watch", "git", "clock", "lock", "disk", "notify"]),
    ("schemars", &[ANYWHERE]),
    ("serde", &[ANYWHERE]),
    (
        "serde_json",
        &[
            "store",
            "cli",
            "config",
            "supervisor",
            "agent",
            "view",
            "task",
            "notify",
            "ops/hook",
            "ops/tell",
            "setup",
            "git/landing_journal",
            "git/apply",
            "mcp",
        ],
    ),
    ("sha1", &["git/at_hand", "git/index_file", "git/loose", "git/parcel"]),
    ("signal_hook", &["cli", "process"]),
    ("similar", &["diff"]),
    ("terminal_size", &["cli"]),
    ("tokio", &["supervisor", "mcp", "process/verb"]),
    ("toml", &["config"]),
    ("toml_edit", &["setup"]),
    ("ureq", &["notify"]),
    ("uuid", &["names"]),
];

/// Words that only some rooms or files may use: the word, where it may stand, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("println!", FACES, PRINTING),
    ("eprintln!", FACES, PRINTING),
    ("print!", FACES, PRINTING),
    ("eprint!", FACES, PRINTING),
    ("dbg!", &[], PRINTING),
    ("io::stdout", FACES, PRINTING),
    ("io::stderr", FACES, PRINTING),
    ("stdout()", FACES, PRINTING),
    ("stderr()", FACES, PRINTING),
    (
        "Command::new",
        // In `cli/args` it is clap's.
        &["process", "git/command.rs", "cli/args"],
        "programs are started by `process` and `git/command.rs`",
    ),
    ("SystemTime::now", &["clock"], CLOCK),
    ("Timestamp::now", &["clock"], CLOCK),
    ("Zoned::now", &["clock"], CLOCK),
    // The supervisor has tokio's clock, which can be paused; the next line keeps std's out of it.
    ("Instant::now", &["clock", "supervisor"], CLOCK),
    ("std::time::Instant", &["clock"], CLOCK),
    ("set_current_dir", &[], "the current directory is an argument"),
    ("env::set_var", &[], "the environment is an argument"),
    ("env::remove_var", &[], "the environment is an argument"),
    ("env::var", ENVIRONMENT, "the environment is read at the edge and handed in"),
    ("env::current_dir", ENVIRONMENT, "the current directory is read at the edge and handed in"),
    (
        ".unwrap()",
        &[],
        "no `unwrap` outside tests: return an error, or `expect(\"invariant: …\")` where proven",
    ),
];
const FACES: &[&str] = &["cli", "mcp", "tui"];
const ENVIRONMENT: &[&str] = &["cli", "main.rs"];
const PRINTING: &str = "only faces print: return a value instead";
const CLOCK: &str = "the time comes from `clock.rs`";

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "types", "misc"];

/// Above this a file has a second noun in it.
const MOST_LINES: usize = 450;

#[test]
fn the_sources_keep_the_law_of_the_house() {
    let sources = sources_below(&root().join("src"));
    assert!(sources.iter().any(|s| s.path == "lib.rs"), "the sources were not found");
    let mut findings: Vec<String> = sources.iter().flat_map(check).collect();
    findings.extend(packages_without_a_room(&read(&root().join("Cargo.toml"))));
    report(&findings);
}

#[test]
fn every_file_of_the_integration_tests_is_compiled() {
    report(&forgotten(&sources_below(&root().join("tests/it"))));
}

/// One file, its path relative to `src`.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The top-level module it belongs to: `git` for `git/refs.rs` and `lock` for `lock.rs`.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether a place of a table (a room, a file, or how a file's path starts) means this file.
    fn stands_in(&self, place: &str) -> bool {
        place == ANYWHERE
            || place == self.room()
            || place == self.path
            || (place.contains('/') && self.path.starts_with(place))
    }

    /// A module of nothing but tests, declared behind `#[cfg(test)]`.
    fn is_tests(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    fn finding(&self, line: usize, message: &str) -> String {
        format!("src/{}:{line}: {message}", self.path)
    }
}

/// Everything that is wrong with one source file.
fn check(source: &Source) -> Vec<String> {
    let mut findings = shape(source);
    if !source.is_tests() {
        let (code, misplaced) = without_tests(&blank_comments_and_strings(&source.text));
        for line in misplaced {
            findings.push(source.finding(line, "`#[cfg(test)]` stands only before a test module"));
        }
        findings.extend(imports(source, &code));
        findings.extend(packages(source, &code));
        findings.extend(reserved_words(source, &code));
        findings.extend(glob_reexports(source, &code));
    }
    findings
}

/// Header, length and name of the file, and whether its room is known.
fn shape(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    if !source.text.starts_with("//!") {
        findings.push(source.finding(1, "a file opens with `//!`, saying what it is for"));
    }
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        let message = format!("{lines} lines, {MOST_LINES} are the most: find the second noun");
        findings.push(source.finding(lines, &message));
    }
    for part in source.path.trim_end_matches(".rs").split('/') {
        if EMPTY_NAMES.contains(&part) {
            let message = format!("`{part}` says nothing about what is inside: name the noun");
            findings.push(source.finding(1, &message));
        }
    }
    if !EXEMPT.contains(&source.path.as_str()) && level_of(source.room()).is_none() {
        let message =
            format!("room `{}` has no level: add it to LEVELS in tests/it/house.rs", source.room());
        findings.push(source.finding(1, &message));
    }
    findings
}

/// Imports that do not point down.
fn imports(source: &Source, code: &str) -> Vec<String> {
    if EXEMPT.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for at in words_in(code, "crate::") {
        for target in first_names(&code[at + "crate::".len()..]) {
            if let Err(why) = may_import(source.room(), &target) {
                findings.push(source.finding(line_of(code, at), &why));
            }
        }
    }
    // `super` of a room's own front file is the crate, where it would hide an import from us.
    let is_front = !source.path.contains('/') || source.path == format!("{}/mod.rs", source.room());
    let hidden = if is_front { "super::" } else { "super::super::" };
    for at in words_in(code, hidden) {
        let message = format!("`{hidden}` hides what is imported: write `crate::…`");
        findings.push(source.finding(line_of(code, at), &message));
    }
    for at in words_in(code, "use crate as ") {
        findings.push(source.finding(line_of(code, at), "an alias of the crate hides imports"));
    }
    findings
}

fn may_import(from: &str, to: &str) -> Result<(), String> {
    if from == to {
        return Ok(());
    }
    let Some((from_level, _, below)) = level_of(from) else { return Ok(()) };
    let Some((to_level, _, _)) = level_of(to) else {
        return Err(format!("`crate::{to}` is no room: import from the room itself"));
    };
    let between_doors =
        DOOR_TO_DOOR.iter().any(|(door, others)| *door == from && others.contains(&to));
    if below.contains(to_level) || between_doors {
        return Ok(());
    }
    Err(format!(
        "`{from}` ({from_level}) must not import `{to}` ({to_level}); {from_level} import {}",
        below.join(", ")
    ))
}

fn level_of(
    room: &str,
) -> Option<&'static (&'static str, &'static [&'static str], &'static [&'static str])> {
    LEVELS.iter().find(|(_, rooms, _)| rooms.contains(&room))
}

/// The first names of what follows `crate::`: one, or those of a group in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        let text = text.strip_prefix("r#").unwrap_or(text);
        let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
        if end == 0 { text.chars().take(1).collect() } else { text[..end].to_owned() }
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut start) = (1, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (c == ',' && depth == 1) {
            if !group[start..at].trim().is_empty() {
                names.push(name(&group[start..at]));
            }
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Packages named outside their rooms.
fn packages(source: &Source, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (package, rooms) in PACKAGES {
        if rooms.iter().any(|room| source.stands_in(room)) {
            continue;
        }
        let as_path = words_in(code, &format!("{package}::")).into_iter().filter(|at| {
            // `task::toml::x` is a module of ours; `::toml::x` is the package.
            code[..*at].strip_suffix("::").is_none_or(|before| !before.ends_with(is_word))
        });
        let imported = words_in(code, &format!("use {package}"))
            .into_iter()
            .filter(|at| code[at + "use ".len() + package.len()..].starts_with([';', ' ']));
        for at in as_path.chain(imported) {
            let message = format!("package `{package}` is named only in {}", rooms.join(", "));
            findings.push(source.finding(line_of(code, at), &message));
        }
    }
    findings
}

/// Dependencies in the manifest that have no line in [`PACKAGES`].
fn packages_without_a_room(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    names
        .map(|name| name.trim().split('.').next().unwrap_or_default().replace('-', "_"))
        .filter(|name| !name.starts_with('#'))
        .filter(|name| !PACKAGES.iter().any(|(package, _)| package == name))
        .map(|name| {
            format!("Cargo.toml:1: `{name}` has no room: add it to PACKAGES in tests/it/house.rs")
        })
        .collect()
}

/// Words used where they must not be.
fn reserved_words(source: &Source, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (word, places, why) in RESERVED {
        if places.iter().any(|place| source.stands_in(place)) {
            continue;
        }
        for at in words_in(code, word) {
            // `.stdout()` is somebody's method and `fn stdout()` defines one.
            let before = &code[..at];
            if word.ends_with("()") && (before.ends_with('.') || before.ends_with("fn ")) {
                continue;
            }
            let message = format!("`{}`: {why}", word.trim_matches('.'));
            findings.push(source.finding(line_of(code, at), &message));
        }
    }
    findings
}

/// `pub use …::*`, which hides what a room offers.
fn glob_reexports(source: &Source, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut at = 0;
    for statement in code.split_inclusive(';') {
        let start = words_in(statement, "pub").into_iter().rev().find(|start| {
            let rest = &statement[start + "pub".len()..];
            let rest =
                if rest.starts_with('(') { rest.split_once(')').map_or("", |r| r.1) } else { rest };
            rest.trim_start().starts_with("use ")
        });
        if let Some(start) = start
            && statement[start..].contains("::*")
        {
            let message = "a glob re-export hides what the room offers: name each item";
            findings.push(source.finding(line_of(code, at + start), message));
        }
        at += statement.len();
    }
    findings
}

/// Files of the integration tests that no `mod` line leads to, so that they are never compiled.
fn forgotten(files: &[Source]) -> Vec<String> {
    let is_named = |file: &Source| {
        let module = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (parents, name) = match module.rsplit_once('/') {
            None => (["main.rs".to_owned(), String::new()], module),
            Some((folder, name)) => ([format!("{folder}.rs"), format!("{folder}/mod.rs")], name),
        };
        let line = format!("mod {name};");
        let parents = files.iter().filter(|parent| parents.contains(&parent.path));
        parents.flat_map(|parent| parent.text.lines()).any(|it| it.trim() == line)
    };
    let unnamed = files.iter().filter(|file| file.path != "main.rs" && !is_named(file));
    unnamed
        .map(|file| format!("tests/it/{}:1: no `mod` line names it, so it is never run", file.path))
        .collect()
}

/// The same text, line for line, without comments and without what strings and characters hold.
fn blank_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = if at(i) == '/' && at(i + 1) == '/' {
            (i..chars.len()).find(|j| at(*j) == '\n').unwrap_or(chars.len())
        } else if at(i) == '/' && at(i + 1) == '*' {
            end_of_block_comment(&chars, i)
        } else if at(i) == '"' {
            code.push('"');
            end_of_string(&chars, i)
        } else if at(i) == 'r' && !code.ends_with(is_raw_blocker) && raw_hashes(&chars, i).is_some()
        {
            code.push('"');
            end_of_raw_string(&chars, i)
        } else if at(i) == '\'' && at(i + 1) == '\\' {
            (i + 3..chars.len()).find(|j| at(*j) == '\'').map_or(chars.len(), |j| j + 1)
        } else if at(i) == '\'' && at(i + 2) == '\'' {
            i + 3
        } else {
            code.push(at(i));
            i += 1;
            continue;
        };
        code.extend(chars[i..end].iter().filter(|c| **c == '\n'));
        if matches!(at(i), '"' | 'r') {
            code.push('"');
        }
        i = end;
    }
    code
}

/// `r` begins a raw string after `b` or `c`, and none at the end of any other word.
fn is_raw_blocker(c: char) -> bool {
    is_word(c) && c != 'b' && c != 'c'
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i.min(chars.len())
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

fn raw_hashes(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(start + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let hashes = raw_hashes(chars, start).unwrap_or_default();
    let closes = |i: usize| {
        chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    (start + hashes + 2..chars.len()).find(|i| closes(*i)).map_or(chars.len(), |i| i + 1 + hashes)
}

/// The code with its test modules blanked, and the lines where `#[cfg(test)]` stands elsewhere.
fn without_tests(code: &str) -> (String, Vec<usize>) {
    let (mut kept, mut misplaced) = (String::new(), Vec::new());
    let mut lines = code.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if !line.contains("#[cfg(test)]") && !line.contains("#![cfg(test)]") {
            writeln!(kept, "{line}").expect("a string takes text");
            continue;
        }
        kept.push('\n');
        // Attributes such as `#[expect(…)]` may stand between.
        while lines.next_if(|(_, next)| next.trim_start().starts_with("#[")).is_some() {
            kept.push('\n');
        }
        match lines.peek() {
            Some((_, next)) if begins_module(next) && next.ends_with(';') => {}
            Some((_, next)) if begins_module(next) && next.ends_with('{') => {
                for (_, inside) in lines.by_ref() {
                    kept.push('\n');
                    if inside == "}" {
                        break;
                    }
                }
            }
            _ => misplaced.push(index + 1),
        }
    }
    (kept, misplaced)
}

/// Whether a line declares a module, whoever may see it.
fn begins_module(line: &str) -> bool {
    line.starts_with("mod ") || (line.starts_with("pub(") && line.contains(") mod "))
}

/// Where `word` stands in `code`, not as the end of a longer word.
fn words_in(code: &str, word: &str) -> Vec<usize> {
    let starts_inside = |at: usize| word.starts_with(is_word) && code[..at].ends_with(is_word);
    code.match_indices(word).map(|(at, _)| at).filter(|at| !starts_inside(*at)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("read {}: {cause}", path.display()))
}

/// Every Rust file below `folder`, sorted, with its path relative to it.
fn sources_below(folder: &Path) -> Vec<Source> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the folder can be listed") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(folder).expect("it lies below");
                found.push(Source { path: relative.display().to_string(), text: read(&path) });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
