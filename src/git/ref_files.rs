//! Refs as the files they are: one for each loose one, a line for each packed one. Libgit2 reads all that
//! are packed, and copies them, whoever asks for the few below a folder: with 10,000 of them a fifth of the
//! processor time of a task of `true`, together with keeping them as maps where two texts can be compared.
//!
//! Loose ones are read first: whoever packs refs writes the packed ones before the others go.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The full names and files of the loose refs below a folder as `refs/heads/`, but for those whose name,
/// or folder with its slash, is left out; and whether every folder could be read.
pub(super) fn loose(
    common: &Path,
    below: &str,
    is_left_out: &dyn Fn(&str) -> bool,
) -> (Vec<(String, PathBuf)>, io::Result<()>) {
    let (mut refs, mut whole) = (Vec::new(), Ok(()));
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut look = || {
            for entry in fs::read_dir(common.join(&folder))? {
                let entry = entry?;
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                let kind = match entry.file_type() {
                    // Some file systems have to be asked for it, and others are still listed.
                    Err(cause) if is_gone(&cause) => continue,
                    kind => kind?,
                };
                if kind.is_dir() {
                    folders.extend(Some(name + "/").filter(|below| !is_left_out(below)));
                } else if !is_left_out(&name) && !name.ends_with(".lock") {
                    refs.push((name, entry.path()));
                }
            }
            Ok(())
        };
        match look() {
            // There is none, or somebody has just removed it.
            Err(cause) if is_gone(&cause) => {}
            looked => whole = whole.and(looked),
        }
    }
    (refs, whole)
}

fn is_gone(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The text of git's file of packed refs; none where there is no file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn packed(common: &Path) -> io::Result<String> {
    match fs::read(common.join("packed-refs")) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(cause) if is_gone(&cause) => Ok(String::new()),
        Err(cause) => Err(cause),
    }
}

/// The values and names in such a text: `ID NAME` lines; what a tag leads to follows it behind `^`.
pub(super) fn lines(packed: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = packed.lines().filter(|line| !line.starts_with(['#', '^']));
    lines.filter_map(|line| line.split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_and_packed_ones_are_told() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let repo = git2::Repository::init_bare(folder.path()).expect("makes a repository");
        let common = folder.path();
        assert_eq!(packed(common).expect("reads"), "");
        let blob = repo.blob(b"x").expect("stores");
        for name in ["refs/a/b/c", "refs/a/d", "refs/a-e", "refs/left/out"] {
            repo.reference(name, blob, false, "test").expect("makes");
        }
        fs::write(common.join("refs/a/d.lock"), "").expect("writes");
        let all = |below| {
            let (refs, whole) = loose(common, below, &|name| name == "refs/left/");
            whole.expect("reads");
            assert!(refs.iter().all(|(name, file)| *file == common.join(name)));
            let mut names: Vec<_> = refs.into_iter().map(|(name, _)| name).collect();
            names.sort();
            names
        };
        assert_eq!(all("refs/a/"), ["refs/a/b/c", "refs/a/d"]);
        assert_eq!(all("refs/"), ["refs/a-e", "refs/a/b/c", "refs/a/d"]);
        assert!(all("refs/none/").is_empty() && all("refs/a-e/").is_empty());
        let text = format!("# pack-refs with: peeled\n{blob} refs/a\n^{blob}\n{blob} refs/b\n");
        fs::write(common.join("packed-refs"), text).expect("writes");
        let text = packed(common).expect("reads");
        let names: Vec<_> = lines(&text).map(|(_, name)| name).collect();
        assert_eq!(names, ["refs/a", "refs/b"]);
    }
}
