//! Refuses trees that would escape: path components that git's own `verify_path` refuses.
//!
//! A tree made by hand (`git mktree`) may hold `.git`, `..` or one of the spellings under which HFS+
//! and NTFS would take a name for `.git`; `git merge-tree` lets them pass. They are refused on every
//! platform, because a landed tree is checked out on other platforms too. A backslash is an ordinary
//! character of a name here, but what stands behind it is looked at as a component of its own.
//!
//! So is a tree in which one name stands twice, as a link and as a folder for instance.
//!
//! Only what changes is looked at: what the target already holds is not ours to judge.

use super::ground::parents;
use super::tree_diff::Change;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// Refuses `changes` when one of them would bring such a path in.
///
/// # Errors
/// `refused`, naming the first such path.
pub(super) fn refuse_unsafe_paths(changes: &[Change]) -> Result<()> {
    let bad = changes.iter().find(|change| {
        change.new.is_some_and(|new| !path_is_safe(change.path.as_bytes(), new.is_symlink()))
    });
    match bad.or_else(|| named_twice(changes)) {
        None => Ok(()),
        Some(change) => Err(Error::refused(format!(
            "the result holds the path `{}`, which git would refuse to check out",
            change.path
        ))
        .hint("a tree with such a path was made by hand; look at the task's commits before using them")),
    }
}

/// The first change whose name is taken by another one, be it as a folder: git would write the one
/// through the other.
fn named_twice(changes: &[Change]) -> Option<&Change> {
    let brought = || changes.iter().filter(|change| change.new.is_some());
    let mut names = HashSet::new();
    let twice = brought().find(|change| !names.insert(&change.path));
    twice.or_else(|| brought().find(|it| parents(&it.path).any(|parent| names.contains(&parent))))
}

/// Whether a name in a tree may become a name in a folder.
pub(super) fn name_is_safe(name: &[u8], is_symlink: bool) -> bool {
    !name.contains(&b'/') && component_is_safe(name, is_symlink)
}

fn path_is_safe(path: &[u8], is_symlink: bool) -> bool {
    path.split(|byte| *byte == b'/').all(|component| component_is_safe(component, is_symlink))
}

fn component_is_safe(component: &[u8], is_symlink: bool) -> bool {
    if matches!(component, b"" | b"." | b"..") || component.contains(&0) {
        return false;
    }
    component.split(|byte| *byte == b'\\').all(|part| {
        !is_hfs_name(part, b".git")
            && !is_ntfs_dot_git(part)
            && !(is_symlink && (is_hfs_name(part, b".gitmodules") || is_ntfs_dot_gitmodules(part)))
    })
}

/// Whether HFS+ takes `name` for `wanted`: case and certain invisible characters do not count there.
fn is_hfs_name(name: &[u8], wanted: &[u8]) -> bool {
    let text = std::str::from_utf8(name).ok().filter(|_| !name.is_ascii());
    let Some(text) = text else { return name.eq_ignore_ascii_case(wanted) };
    let seen: String = text.chars().filter(|c| !is_ignored_by_hfs(*c)).collect();
    seen.as_bytes().eq_ignore_ascii_case(wanted)
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Whether NTFS takes `name` for `.git`: by its short name, with trailing dots and spaces, or with an
/// alternate stream behind a colon.
fn is_ntfs_dot_git(name: &[u8]) -> bool {
    let name = ntfs_stem(name);
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

/// The same for `.gitmodules`, whose short name is `GITMOD~1` … `~4` or, after those, `GI7EBA~n`.
fn is_ntfs_dot_gitmodules(name: &[u8]) -> bool {
    let name = ntfs_stem(name).to_ascii_lowercase();
    let short = |prefix: &[u8]| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
    };
    name == b".gitmodules" || short(b"gitmod~") || short(b"gi7eba~")
}

fn ntfs_stem(name: &[u8]) -> &[u8] {
    let stem = name.split(|byte| *byte == b':').next().unwrap_or(name);
    let end = stem.iter().rposition(|byte| !matches!(byte, b' ' | b'.')).map_or(0, |last| last + 1);
    &stem[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_dot_git_are_refused_wherever_they_stand() {
        for bad in [
            ".git",
            ".GIT/config",
            "a/.Git/hooks/x",
            ".g\u{200c}it/x",
            "\u{feff}.git",
            "git~1/config",
            "GIT~1",
            ".git ",
            ".git. .",
            ".git::$INDEX_ALLOCATION/x",
            ".git:stream",
            "a\\.git\\config",
            "..",
            "a/../b",
            "./a",
            "a//b",
            "",
        ] {
            assert!(!path_is_safe(bad.as_bytes(), false), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for good in [
            ".gitignore",
            ".gitmodules",
            ".github/workflows/ci.yml",
            "git",
            "git~2",
            "...",
            "a.git/b",
            "back\\slash",
            "caf\u{e9}",
            ".git-hooks/x",
        ] {
            assert!(path_is_safe(good.as_bytes(), false), "{good:?}");
        }
        assert!(path_is_safe(b"caf\xe9", false));
    }

    #[test]
    fn gitmodules_may_not_be_a_symbolic_link() {
        for bad in [".gitmodules", "a/.GITMODULES ", "GITMOD~1", "gi7eba~12", ".gitmo\u{200d}dules"]
        {
            assert!(!path_is_safe(bad.as_bytes(), true), "{bad:?}");
            assert!(path_is_safe(bad.as_bytes(), false), "{bad:?}");
        }
    }
}
