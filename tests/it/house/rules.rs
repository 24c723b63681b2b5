//! The rules on invented sources: a checker that passes everything must not pass this.

use super::*;

/// The findings in a file of that path with this code below a proper header.
fn found(path: &str, code: &str) -> Vec<String> {
    check(&Source { path: path.to_owned(), text: format!("//! Invented.\n{code}\n") })
}

/// Asserts that there is exactly one finding, on `line`, and that it says `words`.
#[track_caller]
fn fires(path: &str, code: &str, line: usize, words: &str) {
    let findings = found(path, code);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with(&format!("src/{path}:{line}: ")), "{findings:?}");
    assert!(findings[0].contains(words), "{findings:?}");
}

#[track_caller]
fn passes(path: &str, code: &str) {
    assert_eq!(found(path, code), Vec::<String>::new());
}

#[test]
fn upward_imports_are_found_in_every_spelling() {
    fires("names.rs", "\nuse crate::git::Repo;", 3, "`names` (words) must not import `git`");
    fires("task/mod.rs", "fn f() { crate::store::open() }", 2, "`store` (doors)");
    fires("store/a.rs", "use crate::ops::x;", 2, "`ops` (verbs)");
    fires("git/a.rs", "use crate::context::Context;", 2, "`context`");
    fires("context.rs", "use crate::supervisor::x;", 2, "`supervisor`");
    fires("supervisor/a.rs", "use crate::ops::x;", 2, "`ops`");
    fires("ops/list.rs", "use crate::cli::x;", 2, "`cli`");
    fires("cli/a.rs", "use crate::{names::A, git::{B, C}};", 2, "`git` (doors)");
    fires("cli/a.rs", "use crate::{\n    error,\n    store,\n};", 2, "`store` (doors)");
    fires("cli/a.rs", "use crate::supervisor::x;", 2, "`supervisor`");
    fires("cli/a.rs", "use crate::mcp::x;", 2, "`mcp`");
}

#[test]
fn doors_use_only_the_doors_that_the_table_lists() {
    fires("git/a.rs", "use crate::store::x;", 2, "`store` (doors)");
    fires("lock.rs", "use crate::store::x;", 2, "`store` (doors)");
    passes("store/a.rs", "use crate::lock::x;\nuse crate::clock::y;");
    passes("process/a.rs", "use crate::clock::x;");
}

#[test]
fn downward_imports_pass() {
    passes("names.rs", "use crate::error::{Error, Result};");
    passes("git/a.rs", "use crate::names::X;\nuse super::b;\nuse crate::git::c;");
    passes("ops/merge.rs", "use crate::{context::Context, git::Repo, supervisor::x, view::y};");
    passes("cli/a.rs", "use crate::{context::Context, ops::merge, view::y};");
    passes("lib.rs", "pub mod git;\npub use crate::git::Repo;");
}

#[test]
fn ways_around_the_import_rule_are_found() {
    fires("names.rs", "use super::git::Repo;", 2, "`super::`");
    fires("task/mod.rs", "use super::git::Repo;", 2, "`super::`");
    fires("task/a.rs", "use super::super::git::Repo;", 2, "`super::super::`");
    fires("task/a.rs", "use crate::*;", 2, "`crate::*` is no room");
    fires("task/a.rs", "use crate::Repo;", 2, "`crate::Repo` is no room");
    fires("task/a.rs", "use crate as house;", 2, "alias");
    fires("novel.rs", "fn f() {}", 1, "room `novel` has no level");
}

#[test]
fn packages_stay_in_their_rooms() {
    fires("ops/a.rs", "use git2::Repository;", 2, "package `git2` is named only in git");
    fires("ops/a.rs", "fn f() { ::git2::x() }", 2, "`git2`");
    fires("store/a.rs", "use rustix;", 2, "`rustix`");
    fires("store/a.rs", "use rustix as r;", 2, "`rustix`");
    fires("process/a.rs", "#[tokio::main]\nfn f() {}", 2, "`tokio`");
    fires("view.rs", "#[derive(clap::Args)]\nstruct A;", 2, "`clap`");
    fires("git/merge.rs", "use serde_json::Value;", 2, "`serde_json`");
    passes("git/landing_journal.rs", "use serde_json::Value;");
    passes("git/a.rs", "use git2::Repository;\nuse rustix::fs;");
    passes("ops/a.rs", "use serde::Serialize;\nuse crate::config::toml::x;");
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nserde = \"1\"\nnew-thing = \"1\"\n";
    let findings = packages_without_a_room(manifest);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("`new_thing` has no room"), "{findings:?}");
}

#[test]
fn only_faces_print() {
    for word in ["println!()", "eprintln!()", "print!()", "eprint!()"] {
        fires("ops/a.rs", &format!("fn f() {{ {word}; }}"), 2, "only faces print");
        passes("cli/a.rs", &format!("fn f() {{ {word}; }}"));
    }
    fires("git/a.rs", "fn f() { std::io::stdout; }", 2, "only faces print");
    fires("git/a.rs", "use std::io::{self};\nfn f() { io::stderr; }", 3, "only faces print");
    fires("git/a.rs", "fn f() { g(stdout()); }", 2, "only faces print");
    passes("process/a.rs", "fn f() { command.stdout(x); child.stdout(); }");
}

#[test]
fn the_world_is_handed_in() {
    fires("ops/a.rs", "fn f() { Command::new(x); }", 2, "`process`");
    fires("git/repo.rs", "fn f() { Command::new(x); }", 2, "`git/command.rs`");
    passes("git/command.rs", "fn f() { Command::new(x); }");
    passes("process/a.rs", "fn f() { std::process::Command::new(x); }");
    fires("ops/a.rs", "fn f() { SystemTime::now(); }", 2, "`clock.rs`");
    fires("ops/a.rs", "fn f() { Instant::now(); }", 2, "`clock.rs`");
    fires("ops/a.rs", "fn f() { Timestamp::now(); }", 2, "`clock.rs`");
    fires("supervisor/a.rs", "fn f() { std::time::Instant::now(); }", 2, "`clock.rs`");
    passes("supervisor/a.rs", "fn f() { tokio::time::Instant::now(); }");
    passes("clock.rs", "fn f() { SystemTime::now(); Instant::now(); }");
    fires("cli/a.rs", "fn f() { std::env::set_current_dir(x); }", 2, "current directory");
    fires("ops/a.rs", "fn f() { std::env::var(x); }", 2, "environment");
    fires("ops/a.rs", "fn f() { std::env::vars_os(); }", 2, "environment");
    fires("ops/a.rs", "fn f() { std::env::current_dir(); }", 2, "current directory");
    passes("cli/a.rs", "fn f() { std::env::vars_os(); }");
    passes("main.rs", "fn f() { std::env::vars_os(); }");
}

#[test]
fn unwrap_and_glob_reexports_are_found() {
    fires("ops/a.rs", "fn f() {\n    x\n        .unwrap();\n}", 4, "`unwrap()`");
    passes("ops/a.rs", "fn f() { x.unwrap_or_default(); }");
    fires("git/mod.rs", "pub use refs::*;", 2, "glob re-export");
    fires("git/mod.rs", "mod a;\npub(crate) use a::{\n    b::*,\n    c,\n};", 3, "glob");
    passes("git/mod.rs", "pub use refs::{A, B};\nuse names::*;");
}

#[test]
fn a_files_shape_is_checked() {
    let bare = Source { path: "names.rs".to_owned(), text: "use std::fmt;\n".to_owned() };
    assert!(check(&bare)[0].contains("names.rs:1: a file opens with `//!`"));
    fires("git/util.rs", "", 1, "`util` says nothing");
    fires("ops/helpers/a.rs", "", 1, "`helpers` says nothing");
    fires("git/a.rs", &"fn f() {}\n".repeat(450), 452, "450 are the most");
    passes("git/a.rs", &"fn f() {}\n".repeat(440));
}

#[test]
fn comments_strings_and_tests_are_not_code() {
    passes("names.rs", "// use crate::git;\n/// crate::git::x\n/* println!() /* x */ .unwrap() */");
    passes("names.rs", "const A: &str = \"crate::git::x \\\" println!()\";");
    passes("names.rs", "const A: &str = r#\"crate::git::x \" println!()\"#;");
    passes("names.rs", "const A: &[u8] = br\"println!()\";\nconst Q: char = '\"';");
    passes("names.rs", "#[cfg(test)]\nmod tests {\n    use crate::git::x;\n    fn f() {}\n}");
    passes("git/tests.rs", "fn f() { x.unwrap(); }");
}

#[test]
fn code_behind_strings_and_tests_is_still_read() {
    fires("names.rs", "const Q: char = '\"';\nuse crate::git::x;", 3, "`git`");
    fires("names.rs", "fn f<'a>(x: &'a str) {}\nuse crate::git::x; // '", 3, "`git`");
    fires("names.rs", "const A: &str = \"a\nb\";\nuse crate::git::x;", 4, "`git`");
    fires("names.rs", "#[cfg(test)]\nmod tests;\nuse crate::git::x;", 4, "`git`");
    fires("names.rs", "#[cfg(test)]\nmod tests {\n}\nuse crate::git::x;", 5, "`git`");
    fires(
        "names.rs",
        "struct A {\n    #[cfg(test)]\n    b: u8,\n}",
        3,
        "only before a test module",
    );
}

#[test]
fn a_forgotten_test_file_is_found() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let findings = forgotten(&[
        file("main.rs", "mod house;\n// mod merge;\nmod tools;\n"),
        file("house.rs", "mod rules;\n"),
        file("house/rules.rs", ""),
        file("house/more.rs", ""),
        file("merge.rs", ""),
        file("tools/mod.rs", ""),
    ]);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].starts_with("tests/it/house/more.rs:1: no `mod` line"), "{findings:?}");
    assert!(findings[1].starts_with("tests/it/merge.rs:1: no `mod` line"), "{findings:?}");
}
