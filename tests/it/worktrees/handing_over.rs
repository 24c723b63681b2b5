//! Repositories whose files git alone writes as they should be: git is asked by itself.

use super::*;

/// Asserts that git makes the worktree of a world that `prepare` has changed, and that it is right.
#[track_caller]
fn git_makes_it(prepare: impl FnOnce(&World)) {
    let world = World::new();
    prepare(&world);
    let made = world.make(TaskId::random());
    assert!(!is_ours(&made), "we made it");
    world.assert_as_git_makes_it(&made);
}

fn configured(world: &World, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        world.git(&["config", key, value]);
    }
}

fn attributes(world: &World, text: &str) {
    world.write("a/.gitattributes", text);
    world.git(&["add", "--renormalize", "."]);
    world.commit();
}

#[test]
fn filters_are_run() {
    git_makes_it(|world| {
        configured(world, &[("filter.up.smudge", "tr a-z A-Z"), ("filter.up.clean", "tr A-Z a-z")]);
        attributes(world, "*.txt filter=up\n");
    });
}

#[test]
fn line_endings_are_changed() {
    git_makes_it(|world| attributes(world, "*.txt text eol=crlf\n"));
    git_makes_it(|world| {
        attributes(world, "*.txt text\n");
        configured(world, &[("core.eol", "crlf")]);
    });
    git_makes_it(|world| configured(world, &[("core.autocrlf", "true")]));
}

#[test]
fn encodings_are_changed() {
    git_makes_it(|world| attributes(world, "*.txt working-tree-encoding=UTF-16LE\n"));
}

#[test]
fn ids_are_put_in() {
    git_makes_it(|world| {
        world.write("a/id.txt", "$Id$\n");
        attributes(world, "*.txt ident\n");
    });
}

#[test]
fn attributes_outside_of_the_tree_count() {
    git_makes_it(|world| {
        let info = world.root().join(".git/info");
        fs::create_dir_all(&info).expect("a folder");
        fs::write(info.join("attributes"), "a.txt text eol=crlf\n").expect("writes");
    });
    git_makes_it(|world| {
        let folder = world.home().join(".config/git");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("attributes"), "a.txt text eol=crlf\n").expect("writes");
    });
}

#[test]
fn settings_of_the_person_and_in_included_files_count() {
    git_makes_it(|world| {
        world.git(&["config", "--global", "core.autocrlf", "true"]);
    });
    git_makes_it(|world| {
        fs::write(world.home().join("more"), "[core]\n\tautocrlf = true\n").expect("writes");
        world.git(&["config", "--global", "includeIf.gitdir:**.path", "~/more"]);
    });
}

#[test]
fn sparse_checkouts_and_other_indexes_are_gits() {
    git_makes_it(|world| {
        world.git(&["sparse-checkout", "set", "--no-cone", "/a.txt"]);
    });
    git_makes_it(|world| configured(world, &[("core.splitIndex", "true")]));
    git_makes_it(|world| configured(world, &[("index.version", "4")]));
    git_makes_it(|world| configured(world, &[("feature.manyFiles", "true")]));
}

#[test]
fn partial_clones_and_replaced_objects_are_gits() {
    git_makes_it(|world| {
        configured(world, &[("remote.origin.url", "."), ("remote.origin.promisor", "true")]);
    });
    git_makes_it(|world| {
        world.write("other", "other\n");
        let other = world.git(&["hash-object", "-w", "other"]);
        fs::remove_file(world.root().join("other")).expect("removes");
        let blob = world.git(&["rev-parse", "HEAD:a.txt"]);
        world.git(&["replace", &blob, &other]);
    });
}

#[test]
fn submodules_and_file_systems_without_links_are_gits() {
    git_makes_it(|world| {
        let head = world.git(&["rev-parse", "HEAD"]);
        world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},sub")]);
        world.git(&["commit", "-q", "-m", "a submodule"]);
    });
    git_makes_it(|world| configured(world, &[("core.symlinks", "false")]));
    git_makes_it(|world| configured(world, &[("core.ignoreCase", "true")]));
}

#[test]
fn a_tree_that_escapes_is_refused_by_git() {
    let world = World::new();
    let blob = world.git(&["rev-parse", "HEAD:a.txt"]);
    let listing = world.folder.path().join("listing");
    fs::write(&listing, format!("100644 blob {blob}\t.git\n")).expect("writes");
    let mut command = Command::new("git");
    command.env_clear().envs(world.environment.iter()).current_dir(world.root());
    command.arg("mktree").stdin(fs::File::open(&listing).expect("opens"));
    let tree = command.output().expect("runs git").stdout;
    let tree = String::from_utf8(tree).expect("an id");
    let commit = world.git(&["commit-tree", "-m", "bad", tree.trim_end()]);
    world.git(&["update-ref", "refs/heads/main", &commit]);
    world.try_to_make(TaskId::random()).expect_err("git refuses");
    assert!(!world.worktree().join(".git").is_file() || world.git(&["status"]).is_empty());
}
