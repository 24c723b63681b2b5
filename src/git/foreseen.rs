//! What forecasts for one target came to, and what that depends on besides the commits.
//!
//! Commits never change, so an answer about them holds as long as git merges in the same way: the same
//! git, the same configuration (git itself says what that is, included files and all), the same
//! attributes besides those of the target's tree. [`merging`](Repo::merging) names that way. Where
//! something takes part that no name can stand for, such as a program that merges, nothing is kept.
//!
//! A merge of trees that hold the attributes, too, comes to the same for whichever target.

use super::command::{Git, Started};
use super::error::GitAttempt;
use super::merge_batch::Wanted;
use super::outlook::{Coming, Outlook};
use super::repo::Repo;
use crate::error::{Attempt, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// More merges of trees are not handed on to the next target.
const MOST_HANDED_ON: usize = 1000;

/// Answers that hold for one target's commit and one way of merging.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    outlooks: BTreeMap<String, Outlook>,
    /// Whether two results conflict.
    pairs: BTreeMap<String, bool>,
    /// Which of several results land one after another.
    trains: BTreeMap<String, Vec<bool>>,
    /// Whether merges conflict of nothing but what they read, which hold for other targets, too.
    merges: BTreeMap<String, bool>,
}

/// The way in which git merges somewhere.
#[derive(Debug)]
pub struct Merging {
    /// A name for it.
    pub name: String,
    /// Whether nothing besides the target's tree gives files attributes, whatever they are called.
    pub is_the_same_for_all: bool,
}

/// What git was asked about its way of merging.
#[derive(Debug)]
pub struct MergingAsked {
    version: Started,
    settings: Started,
}

impl Foreseen {
    /// Adds what another one knows.
    pub fn extend(&mut self, other: Self) {
        self.outlooks.extend(other.outlooks);
        self.pairs.extend(other.pairs);
        self.trains.extend(other.trains);
        self.merges.extend(other.merges);
    }

    /// What of this holds for another target.
    #[must_use]
    pub fn handed_on<'a>(known: impl Iterator<Item = &'a Self>) -> Self {
        let merges: BTreeMap<_, _> = known.flat_map(|known| known.merges.clone()).collect();
        match merges.len() {
            0..=MOST_HANDED_ON => Self { merges, ..Self::default() },
            _ => Self::default(),
        }
    }

    pub(super) fn outlook(&self, coming: &Coming) -> Option<Outlook> {
        self.outlooks.get(&name_of(coming)).cloned()
    }

    pub(super) fn note_outlook(&mut self, coming: &Coming, outlook: &Outlook) {
        self.outlooks.insert(name_of(coming), outlook.clone());
    }

    pub(super) fn pair(&self, (one, other): (&Outlook, &Outlook)) -> Option<bool> {
        self.pairs.get(&names_of(&[one, other])).copied()
    }

    pub(super) fn note_pair(&mut self, (one, other): (&Outlook, &Outlook), conflict: bool) {
        self.pairs.insert(names_of(&[one, other]), conflict);
    }

    pub(super) fn merge(&self, merge: &Wanted) -> Option<bool> {
        self.merges.get(&name_of_merge(merge)).copied()
    }

    pub(super) fn note_merge(&mut self, merge: &Wanted, conflict: bool) {
        self.merges.insert(name_of_merge(merge), conflict);
    }

    pub(super) fn train(&self, results: &[&Outlook]) -> Option<Vec<bool>> {
        self.trains.get(&names_of(results)).cloned()
    }

    pub(super) fn note_train(&mut self, results: &[&Outlook], lands: &[bool]) {
        self.trains.insert(names_of(results), lands.to_vec());
    }
}

fn name_of(coming: &Coming) -> String {
    match coming.snapshot {
        None => coming.tip.to_string(),
        Some(snapshot) => format!("{}-{snapshot}", coming.tip),
    }
}

fn names_of(results: &[&Outlook]) -> String {
    let names: Vec<_> = results.iter().map(|result| name_of(&result.coming)).collect();
    names.join(" ")
}

fn name_of_merge(Wanted { base, ours, theirs }: &Wanted) -> String {
    let base = base.map(|base| base.to_string()).unwrap_or_default();
    format!("{base} {ours} {theirs}")
}

impl Repo {
    /// Has git say what [`merging`](Self::merging) goes by, while something else is done.
    ///
    /// # Errors
    /// `unsupported` when there is no git.
    pub fn ask_merging(&self) -> Result<MergingAsked> {
        let version = self.git.ask_version()?;
        Ok(MergingAsked {
            version,
            settings: self.git.at(self.common_dir(), "var").arg("-l").start()?,
        })
    }

    /// The way in which git merges here now, besides what lies in the target's tree. None
    /// where what a merge comes to may change under the same name.
    ///
    /// # Errors
    /// When git or one of the files cannot be read.
    pub fn merging(&self, asked: MergingAsked) -> Result<Option<Merging>> {
        self.git.note_version(asked.version)?;
        // Before that, attributes come from wherever git happens to stand.
        if self.git.version()? < (2, 41) || self.has_other_histories()? {
            return Ok(None);
        }
        let listed = asked.settings.finish(&[0])?.stdout;
        let settings = || listed.split(|byte| *byte == b'\n');
        if settings().any(is_a_program_or_a_place) {
            return Ok(None);
        }
        // The others are about who asks (a name with the time, an editor) and change no merge.
        let counts = |line: &&[u8]| !line.starts_with(b"GIT_") || line.starts_with(b"GIT_ATTR_");
        let mut named = parts([Git::version_text(&self.git)?.as_bytes()]);
        named.extend(parts([env!("CARGO_PKG_VERSION").as_bytes()]));
        named.extend(parts(settings().filter(counts)));
        let outside = settings().filter_map(|line| {
            let path = line.strip_prefix(b"GIT_ATTR_SYSTEM=");
            path.or_else(|| line.strip_prefix(b"GIT_ATTR_GLOBAL="))
        });
        let mut is_the_same_for_all = true;
        for path in outside.chain([&b"info/attributes"[..]]) {
            // Where git stands when it merges.
            let path = self.common_dir().join(OsStr::from_bytes(path));
            let content = content(&path)?;
            is_the_same_for_all &= content.is_empty();
            named.extend(parts([&*content]));
        }
        let name = git2::Oid::hash_object(git2::ObjectType::Blob, &named);
        let name = name.git_attempt(|| "name the way of merging")?.to_string();
        Ok(Some(Merging { name, is_the_same_for_all }))
    }

    /// Whether commits may have other parents, or submodules other commits, than the objects say.
    fn has_other_histories(&self) -> Result<bool> {
        let places = ["modules", "shallow", "info/grafts"];
        if places.iter().any(|place| self.common_dir().join(place).exists()) {
            return Ok(true);
        }
        let replaced = self.inner.references_glob("refs/replace/*");
        Ok(replaced.git_attempt(|| "look for replaced objects")?.next().is_some())
    }
}

/// A setting by which a program of somebody's merges or changes what is merged, or by which git stands
/// elsewhere than where we put it.
fn is_a_program_or_a_place(setting: &[u8]) -> bool {
    let end = setting.iter().position(|byte| *byte == b'=').unwrap_or(setting.len());
    let key = &setting[..end];
    (key.starts_with(b"merge.") && key.ends_with(b".driver"))
        || key == b"merge.renormalize"
        || key == b"core.worktree"
}

/// The pieces one after another, each with its length, so that no two lists read the same.
fn parts<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let pieces = pieces.into_iter();
    pieces.flat_map(|piece| [&piece.len().to_le_bytes()[..], piece].concat()).collect()
}

fn content(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        read => read.attempt(|| format!("read `{}`", path.display())),
    }
}
