//! Pairs of branches that edit, rename, delete, add and change the kind of the same few files, by
//! chance with a fixed seed, written by `git fast-import`.

use super::super::Sandbox;
use offshoot::names::CommitId;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

const FILES: usize = 16;
const LINES: usize = 12;

/// A generator that is the same everywhere (Knuth's MMIX constants); the high bits are the good ones.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

#[derive(Clone)]
struct Entry {
    mode: &'static str,
    lines: Vec<String>,
}

type Tree = BTreeMap<String, Entry>;

/// Makes the pairs on one common commit.
pub(super) fn branches(sandbox: &Sandbox, pairs: usize) -> Vec<(CommitId, CommitId)> {
    let mut chance = Chance(20);
    let base: Tree = (0..FILES)
        .map(|number| {
            let lines = (0..LINES).map(|line| format!("file {number} line {line}")).collect();
            (format!("d{}/f{number}", number % 4), Entry { mode: "100644", lines })
        })
        .collect();
    let mut stream = String::new();
    commit(&mut stream, ("refs/heads/base", None), &base);
    for pair in 0..pairs {
        for side in ["one", "two"] {
            let mut tree = base.clone();
            let name = format!("refs/heads/{pair}-{side}");
            let mut from = Some("refs/heads/base".to_owned());
            for step in 0..=chance.below(3) {
                for _ in 0..=chance.below(3) {
                    change(&mut tree, &mut chance, &format!("{side} {step}"));
                }
                commit(&mut stream, (&name, from.take().as_deref()), &tree);
            }
        }
    }
    import(sandbox, &stream);
    let at = |name: String| sandbox.at(&name);
    (0..pairs).map(|pair| (at(format!("{pair}-one")), at(format!("{pair}-two")))).collect()
}

fn change(tree: &mut Tree, chance: &mut Chance, who: &str) {
    let paths: Vec<String> = tree.keys().cloned().collect();
    let path = paths[chance.below(paths.len())].clone();
    match chance.below(12) {
        0..=4 => {
            let entry = tree.get_mut(&path).expect("it is there");
            if entry.mode != "120000" {
                let at = chance.below(entry.lines.len());
                entry.lines[at] = format!("changed by {who}");
            }
        }
        5 => {
            let entry = tree.get_mut(&path).expect("it is there");
            entry.lines.push(format!("added by {who}"));
        }
        6 | 7 => {
            let entry = tree.remove(&path).expect("it is there");
            tree.insert(format!("d{}/moved-{}", chance.below(5), chance.below(6)), entry);
        }
        8 => {
            // A whole folder moves.
            let (from, to) = (format!("d{}/", chance.below(4)), format!("e{}/", chance.below(2)));
            let moved: Vec<String> =
                paths.into_iter().filter(|path| path.starts_with(&from)).collect();
            for path in moved {
                let entry = tree.remove(&path).expect("it is there");
                tree.insert(path.replacen(&from, &to, 1), entry);
            }
        }
        9 if tree.len() > 4 => drop(tree.remove(&path)),
        10 => {
            let entry = tree.get_mut(&path).expect("it is there");
            entry.mode = if entry.mode == "100644" { "100755" } else { "100644" };
        }
        _ => {
            let lines = vec![format!("new by {who}")];
            let mode = if chance.below(3) == 0 { "120000" } else { "100644" };
            tree.insert(
                format!("d{}/new-{}", chance.below(5), chance.below(4)),
                Entry { mode, lines },
            );
        }
    }
}

fn commit(stream: &mut String, (name, from): (&str, Option<&str>), tree: &Tree) {
    let out = "it is memory";
    write!(stream, "commit {name}\ncommitter Gen <gen@example.org> 1700000000 +0000\ndata 2\nc\n")
        .expect(out);
    if let Some(from) = from {
        write!(stream, "from {from}\n").expect(out);
    }
    stream.push_str("deleteall\n");
    for (path, Entry { mode, lines }) in tree {
        let mut text = lines.join("\n");
        if *mode != "120000" {
            text.push('\n');
        }
        write!(stream, "M {mode} inline {path}\ndata {}\n{text}\n", text.len()).expect(out);
    }
    stream.push('\n');
}

fn import(sandbox: &Sandbox, stream: &str) {
    let mut command = Command::new("git");
    command.env_clear().envs(sandbox.environment.iter()).current_dir(sandbox.root());
    let mut child =
        command.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
    let mut pipe = child.stdin.take().expect("it was asked for");
    pipe.write_all(stream.as_bytes()).expect("it reads");
    drop(pipe);
    assert!(child.wait().expect("it ends").success());
}
