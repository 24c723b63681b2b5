//! Three-way merges in the object database: `git merge-tree --write-tree`, and its answer as data.
//!
//! The executable and not libgit2, because only it merges as `git merge` would (renames of folders,
//! merge drivers, attributes), and it is faster. No checkout is read: attributes come from the target's
//! tree where git can do that (an uncommitted `.gitattributes` made a conflict look clean).
//!
//! Only what git promises to keep stable is parsed: the `-z` output, stages and the short names of
//! conflict types, never a message.

use super::command::{GitCommand, Output};
use super::repo::Repo;
use crate::error::{Error, Result};
use crate::landing::{Conflict, ConflictKind};
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What a merge came to.
#[derive(Debug)]
#[must_use]
pub(super) enum Merged {
    Clean(ObjectId),
    Conflicts(Vec<Conflict>),
}

/// Merges commits as the attributes of one commit have it.
pub(super) struct Merger<'a> {
    pub(super) repo: &'a Repo,
    attributes_of: CommitId,
    pub(super) version: (u32, u32),
    /// Where the objects go that merges make; among the others when not given.
    objects: Option<&'a Path>,
}

impl<'a> Merger<'a> {
    /// A merger that takes attributes from `attributes_of`.
    ///
    /// # Errors
    /// `unsupported` when the git executable is older than 2.38.
    pub(super) fn new(repo: &'a Repo, attributes_of: CommitId) -> Result<Self> {
        let version = repo.git.version()?;
        if version < (2, 38) {
            return Err(too_old("landing", "2.38"));
        }
        Ok(Self { repo, attributes_of, version, objects: None })
    }

    /// The same, keeping what merges make in a folder of its own.
    pub(super) fn writing_to(self, objects: &'a Path) -> Self {
        Self { objects: Some(objects), ..self }
    }

    /// Merges two commits that share history.
    pub(super) fn merge(&self, ours: CommitId, theirs: CommitId) -> Result<Merged> {
        self.run(&[ours.to_string(), theirs.to_string()])
    }

    /// Applies what changed from `base` to `theirs` onto `ours`, whatever their history.
    pub(super) fn merge_from(
        &self,
        base: CommitId,
        ours: CommitId,
        theirs: CommitId,
    ) -> Result<Merged> {
        if self.version < (2, 40) {
            return Err(too_old("replaying commits", "2.40"));
        }
        self.run(&[format!("--merge-base={base}"), ours.to_string(), theirs.to_string()])
    }

    pub(super) fn run(&self, arguments: &[String]) -> Result<Merged> {
        // The last two are the sides, as git names them.
        parse(&self.output(arguments)?, &arguments[arguments.len() - 2..])
    }

    /// What git answers, exit status 1 where there are conflicts.
    pub(super) fn output(&self, arguments: &[String]) -> Result<Output> {
        self.command().arg("-z").args(arguments).run_allowing(&[0, 1])
    }

    pub(super) fn command(&self) -> GitCommand {
        let (git, folder) = (&self.repo.git, self.repo.common_dir());
        let mut command = match self.objects {
            Some(_) => git.in_passing(folder, "merge-tree"),
            None => git.at(folder, "merge-tree"),
        };
        if self.version >= (2, 41) {
            command = command.env("GIT_ATTR_SOURCE", self.attributes_of.to_string());
        }
        if let Some(objects) = self.objects {
            command = command.env("GIT_OBJECT_DIRECTORY", objects);
            let own = self.repo.common_dir().join("objects");
            command = command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(&own));
            // As glibc has it (mallopt(3)), each object that is written gives memory back and takes it anew.
            command = command.env("MALLOC_TRIM_THRESHOLD_", "67108864");
        }
        command.arg("--write-tree")
    }
}

/// A path of a colon-separated list; one that git would take apart is in C quotes (git(1)).
pub(super) fn quoted(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_bytes();
    if !bytes.contains(&b':') && !bytes.starts_with(b"\"") {
        return path.into();
    }
    let mut quoted = vec![b'"'];
    for byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

fn too_old(what: &str, needed: &str) -> Error {
    Error::unsupported(format!("{what} needs git {needed} or newer"))
        .hint(format!("install git {needed} or newer; `git version` shows the present one"))
}

pub(super) fn parse(output: &Output, sides: &[String]) -> Result<Merged> {
    let mut fields = output.stdout.split(|byte| *byte == 0);
    one_merge(&mut fields, output.code == 0, sides)
}

pub(super) fn malformed() -> Error {
    Error::git("`git merge-tree` answered something unknown")
}

/// `<tree> NUL (<mode> <id> <stage> TAB <path> NUL)* NUL (<n> NUL <path>{n} NUL <type> NUL <text> NUL)*`,
/// of a clean merge only the tree; takes no more fields than that.
pub(super) fn one_merge<'a>(
    mut fields: impl Iterator<Item = &'a [u8]>,
    is_clean: bool,
    sides: &[String],
) -> Result<Merged> {
    let tree = fields.next().and_then(|field| std::str::from_utf8(field).ok());
    let tree: ObjectId = tree.ok_or_else(malformed)?.parse()?;
    if is_clean {
        return Ok(Merged::Clean(tree));
    }
    let mut versions: BTreeMap<RepoPath, [Option<ObjectId>; 3]> = BTreeMap::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        let (path, stage, id) = staged_entry(field).ok_or_else(malformed)?;
        versions.entry(place_of(path, sides)).or_default()[stage - 1] = Some(id);
    }
    let mut kinds: BTreeMap<RepoPath, ConflictKind> = BTreeMap::new();
    while let Some(count) = fields.next().filter(|field| !field.is_empty()) {
        let count = std::str::from_utf8(count).ok().and_then(|text| text.parse::<usize>().ok());
        let paths: Vec<_> = fields.by_ref().take(count.ok_or_else(malformed)?).collect();
        let kind = fields.next().ok_or_else(malformed)?;
        fields.next();
        if let Some(kind) = kind_named(kind) {
            for path in paths {
                kinds.entry(place_of(path, sides)).or_insert(kind);
            }
        }
    }
    Ok(Merged::Conflicts(conflicts(versions, &kinds)))
}

fn conflicts(
    mut versions: BTreeMap<RepoPath, [Option<ObjectId>; 3]>,
    kinds: &BTreeMap<RepoPath, ConflictKind>,
) -> Vec<Conflict> {
    if versions.is_empty() {
        // A conflict without stages, such as a suggested folder rename: name the paths at least.
        versions = kinds.keys().map(|path| (path.clone(), [None; 3])).collect();
    }
    let conflict = |(path, [base, ours, theirs]): (RepoPath, [Option<ObjectId>; 3])| {
        let named = kinds.get(&path).copied();
        let kind = match named {
            Some(ConflictKind::Content) | None
                if base.is_none() && ours.is_some() && theirs.is_some() =>
            {
                ConflictKind::AddAdd
            }
            Some(kind) => kind,
            None if base.is_some() && ours.is_some() != theirs.is_some() => {
                ConflictKind::ModifyDelete
            }
            None => ConflictKind::Other,
        };
        Conflict { path, kind, base, ours, theirs }
    };
    versions.into_iter().map(conflict).collect()
}

/// Where a path is that git put aside as `PATH~SIDE`, because the other side has something else there.
fn place_of(path: &[u8], sides: &[String]) -> RepoPath {
    let aside = sides.iter().find_map(|side| {
        let before = path.strip_suffix(side.as_bytes())?;
        before.strip_suffix(b"~")
    });
    RepoPath::new(aside.unwrap_or(path))
}

/// `<mode> <id> <stage> TAB <path>`
fn staged_entry(field: &[u8]) -> Option<(&[u8], usize, ObjectId)> {
    let tab = field.iter().position(|byte| *byte == b'\t')?;
    let mut words = std::str::from_utf8(&field[..tab]).ok()?.split(' ').skip(1);
    let id = words.next()?.parse().ok()?;
    let stage = words.next()?.parse().ok().filter(|stage| (1..=3).contains(stage))?;
    Some((&field[tab + 1..], stage, id))
}

/// The kind that a stable short name means; none for what is no conflict ("Auto-merging").
fn kind_named(name: &[u8]) -> Option<ConflictKind> {
    let name = std::str::from_utf8(name).ok()?.strip_prefix("CONFLICT (")?;
    Some(match name.trim_end_matches(')') {
        "contents" => ConflictKind::Content,
        "binary" => ConflictKind::Binary,
        "modify/delete" => ConflictKind::ModifyDelete,
        "file/directory" => ConflictKind::FileDirectory,
        "distinct modes" => ConflictKind::Mode,
        other if other.contains("rename") => ConflictKind::Rename,
        other if other.contains("submodule") => ConflictKind::Submodule,
        _ => ConflictKind::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn parsed(code: i32, text: &str) -> Vec<Conflict> {
        let output = Output { code, stdout: text.as_bytes().to_vec(), stderr: Vec::new() };
        match parse(&output, &["OURS".to_owned(), "THEIRS".to_owned()]).expect("well formed") {
            Merged::Clean(_) => Vec::new(),
            Merged::Conflicts(conflicts) => conflicts,
        }
    }

    #[test]
    fn a_clean_answer_is_the_tree_alone() {
        assert!(parsed(0, &format!("{A}\0")).is_empty());
    }

    #[test]
    fn stages_and_short_names_become_conflicts() {
        let found = parsed(
            1,
            &format!(
                "{A}\0100644 {A} 1\tx\ty\0100644 {B} 2\tx\ty\0100644 {A} 3\tx\ty\0\
                 100644 {A} 2\tnew\0100644 {B} 3\tnew\0100644 {A} 1\tgone\0100644 {B} 2\tgone\0\0\
                 1\0x\ty\0Auto-merging\0Auto-merging x\0\
                 1\0x\ty\0CONFLICT (contents)\0prose\01\0new\0CONFLICT (contents)\0prose\0\
                 1\0gone\0CONFLICT (modify/delete)\0prose\0"
            ),
        );
        let kinds: Vec<_> = found.iter().map(|c| (c.path.shown(), c.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("gone".to_owned(), ConflictKind::ModifyDelete),
                ("new".to_owned(), ConflictKind::AddAdd),
                ("x\\ty".to_owned(), ConflictKind::Content)
            ]
        );
        assert!(found[0].theirs.is_none() && found[0].ours.is_some());
    }

    #[test]
    fn a_path_that_was_put_aside_is_named_as_people_know_it() {
        let found = parsed(
            1,
            &format!(
                "{A}\0100644 {A} 3\tplace~THEIRS\0\0\
                 2\0place~THEIRS\0place\0CONFLICT (file/directory)\0prose\0"
            ),
        );
        let told: Vec<_> = found.iter().map(|c| (c.path.shown(), c.kind)).collect();
        assert_eq!(told, [("place".to_owned(), ConflictKind::FileDirectory)]);
    }

    #[test]
    fn a_conflict_without_stages_still_names_its_paths() {
        let found =
            parsed(1, &format!("{A}\0\02\0a\0b\0CONFLICT (directory rename suggested)\0prose\0"));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|conflict| conflict.kind == ConflictKind::Rename));
    }
}
