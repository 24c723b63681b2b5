//! The same landing by us and by `git merge` in a copy of the repository: files, modes, index and
//! status come out equal, whatever git does to contents on their way.

use super::{Sandbox, collect};
use offshoot::landing::Strategy;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Lands in one copy of the repository, merges in the other, and compares.
#[track_caller]
fn lands_as_git_merges(sandbox: &Sandbox) {
    let twin = sandbox.folder.path().join("twin");
    let copied = Command::new("cp").arg("-a").arg(sandbox.root()).arg(&twin).status();
    assert!(copied.expect("cp runs").success());
    sandbox.git_at(&twin, &["merge", "-q", "--no-ff", "-m", "twin", "task"]);
    sandbox.land_planned(sandbox.ready(Strategy::Merge)).expect("it lands");
    sandbox.assert_nothing_left();
    let look = |root: &Path| {
        let mut files = BTreeMap::new();
        collect(root, root, &mut files);
        let below = |path: &Path| path.strip_prefix(root).expect("it is below").to_owned();
        let files: BTreeMap<_, _> =
            files.into_iter().map(|(path, it)| (below(&path), it)).collect();
        let index = sandbox.git_at(root, &["ls-files", "--stage", "-t"]);
        let status = sandbox.git_at(root, &["status", "--porcelain", "--ignored"]);
        (files, index, status)
    };
    assert_eq!(look(&sandbox.root()), look(&twin));
}

/// A repository in which `*.txt` has CRLF, `*.rot` a filter as LFS has one, `*.wide` an encoding and
/// `*.id` an expanded `$Id$`.
fn filtered() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "filter.rot.clean", "tr a-z n-za-m"]);
    sandbox.git(&["config", "filter.rot.smudge", "tr n-za-m a-z"]);
    sandbox.git(&["config", "filter.rot.required", "true"]);
    let attributes = "*.txt text eol=crlf\n*.rot filter=rot\n*.id ident\n\
        *.wide text working-tree-encoding=UTF-16LE-BOM\n*.bin -text\n* text=auto\n";
    sandbox.write(".gitattributes", attributes);
    for name in ["a.txt", "gone.txt", "a.bin", "plain"] {
        sandbox.write(name, "one\r\ntwo\r\n");
    }
    for name in ["a.rot", "gone.rot"] {
        sandbox.write(name, "secret\n");
    }
    sandbox.write("a.id", "$Id$\n");
    wide(&sandbox, "a.wide", "one\ntwo\n");
    sandbox.commit("base");
    sandbox.git(&["branch", "task"]);
    sandbox
}

fn wide(sandbox: &Sandbox, path: &str, text: &str) {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    fs::write(sandbox.root().join(path), bytes).expect("write");
}

#[test]
fn line_endings_filters_encodings_and_identities() {
    let sandbox = filtered();
    sandbox.on_task(|s| {
        s.write("a.txt", "one\r\ntwo\r\nthree\r\n");
        s.write("a.rot", "other\n");
        s.write("a.bin", "one\ntwo\n");
        s.write("a.id", "$Id$\nmore\n");
        wide(s, "a.wide", "one\ntwo\nthree: ä€\n");
        for gone in ["gone.txt", "gone.rot"] {
            fs::remove_file(s.root().join(gone)).expect("remove");
        }
        s.write("new.rot", "fresh\n");
        s.write("new.id", "$Id$\n");
        wide(s, "new.wide", "fresh\n");
        s.write("new.txt", "x\r\n");
    });
    lands_as_git_merges(&sandbox);
    assert_eq!(sandbox.read("a.rot"), "other\n");
    assert_eq!(sandbox.read("new.txt"), "x\r\n");
}

#[test]
fn attributes_that_change_with_the_files_that_they_are_about() {
    let sandbox = filtered();
    sandbox.on_task(|s| {
        s.write(".gitattributes", "*.txt -text\n*.rot -filter\n*.new filter=rot\n");
        s.write("sub/.gitattributes", "*.bat text eol=crlf\n");
        s.write("sub/run.bat", "x\r\n");
        s.write("a.txt", "one\ntwo\n");
        s.write("a.rot", "plain now\n");
        s.write("b.new", "filtered from now on\n");
    });
    lands_as_git_merges(&sandbox);
}

#[test]
fn line_endings_by_configuration() {
    for (key, value) in
        [("core.autocrlf", "true"), ("core.autocrlf", "input"), ("core.eol", "crlf")]
    {
        let sandbox =
            Sandbox::with(&[("a", "1\n2\n"), ("b", "1\n"), (".gitattributes", "b text\n")]);
        sandbox.on_task(|s| {
            s.write("a", "1\n2\n3\n");
            s.write("b", "task\n");
            s.write("new", "task\n");
        });
        sandbox.git(&["config", key, value]);
        fs::remove_file(sandbox.root().join("a")).expect("remove");
        sandbox.git(&["checkout", "-q", "a"]);
        lands_as_git_merges(&sandbox);
    }
}

#[test]
fn modes_and_links_also_where_the_file_system_is_said_to_have_none() {
    for (key, value) in
        [("core.fileMode", "true"), ("core.fileMode", "false"), ("core.symlinks", "false")]
    {
        let sandbox = Sandbox::with(&[("tool", "#!\n"), ("was-tool", "#!\n"), ("a", "1\n")]);
        sandbox.git(&["update-index", "--chmod=+x", "was-tool"]);
        sandbox.git(&["commit", "-q", "-m", "a tool"]);
        sandbox.git(&["checkout", "-q", "-f", "was-tool"]);
        sandbox.git(&["branch", "-f", "task"]);
        sandbox.on_task(|s| {
            let set = |path: &str, mode| {
                let mode = fs::Permissions::from_mode(mode);
                fs::set_permissions(s.root().join(path), mode).expect("mode");
            };
            set("tool", 0o755);
            set("was-tool", 0o644);
            s.write("new-tool", "#!\n");
            set("new-tool", 0o755);
            fs::remove_file(s.root().join("a")).expect("remove");
            symlink("tool", s.root().join("a")).expect("link");
            symlink("nowhere/at all", s.root().join("dangling")).expect("link");
        });
        sandbox.git(&["config", key, value]);
        lands_as_git_merges(&sandbox);
    }
}

#[test]
fn submodules_added_moved_removed_and_turned_into_files() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let one = sandbox.at("main").to_string();
    let two = sandbox.commit("another").to_string();
    let link = |commit: &str, path: &str| {
        sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
        fs::create_dir_all(sandbox.root().join(path)).expect("a folder");
    };
    for path in ["moved", "removed", "to-file", "deep/er"] {
        link(&one, path);
    }
    sandbox.git(&["commit", "-q", "-m", "submodules"]);
    sandbox.git(&["branch", "-f", "task"]);
    sandbox.git(&["checkout", "-q", "task"]);
    link(&two, "moved");
    link(&two, "added");
    sandbox.git(&["rm", "-q", "--cached", "removed", "to-file", "deep/er"]);
    fs::remove_dir(sandbox.root().join("to-file")).expect("remove");
    sandbox.write("to-file", "task\n");
    sandbox.git(&["add", "to-file"]);
    sandbox.git(&["commit", "-q", "-m", "work"]);
    sandbox.git(&["checkout", "-q", "-f", "main"]);
    for path in ["moved", "removed", "to-file", "deep/er"] {
        fs::create_dir_all(sandbox.root().join(path)).expect("a folder");
    }
    lands_as_git_merges(&sandbox);
}

#[test]
fn sparse_checkouts_with_and_without_cones_and_a_sparse_index() {
    for line in [
        &["sparse-checkout", "set", "--cone", "in"][..],
        &["sparse-checkout", "set", "--cone", "--sparse-index", "in"],
        &["sparse-checkout", "set", "--no-cone", "/in/", "!/in/not/", "*.keep"],
    ] {
        let sandbox = Sandbox::with(&[
            ("top", "1\n"),
            ("in/a", "1\n"),
            ("in/not/a", "1\n"),
            ("out/b", "1\n"),
            ("out/gone", "1\n"),
            ("out/c.keep", "1\n"),
            ("other/d", "1\n"),
        ]);
        sandbox.on_task(|s| {
            for path in ["top", "in/a", "in/new", "in/not/a", "out/b", "out/new", "out/c.keep"] {
                s.write(path, "task\n");
            }
            s.write("fresh/deep/new", "task\n");
            fs::remove_file(s.root().join("out/gone")).expect("remove");
        });
        sandbox.git(line);
        lands_as_git_merges(&sandbox);
    }
}

#[test]
fn names_of_every_sort_and_renames_that_differ_in_case_only() {
    let sandbox =
        Sandbox::with(&[("Name", "1\n2\n3\n"), ("dir/Old name", "1\n2\n3\n"), ("-dash", "1\n")]);
    sandbox.on_task(|s| {
        s.git(&["mv", "Name", "name"]);
        s.git(&["mv", "dir", "Dir"]);
        s.write("-dash", "task\n");
        s.write("two\nlines \"quoted\" \\ back", "task\n");
        s.write(":(top)pathspec*?[x]", "task\n");
        s.write("\u{202e}bidi\u{7}", "task\n");
    });
    lands_as_git_merges(&sandbox);
}
