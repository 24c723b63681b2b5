//! Whether git would write the files of a tree just as they are stored, so that we may do it ourselves.
//!
//! Filters, line endings, encodings, sparse checkouts, other forms of the index, partial clones,
//! submodules, replaced objects: where any of these may play a part, the answer is no and git itself is
//! asked. Whatever git might read counts, read or not: a condition of an `includeIf` is taken for met,
//! and files of the system are looked for wherever git may have been built to look for them.

use super::repo::Repo;
use crate::environment::Environment;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// More files than this that include each other are not followed.
const MOST_FILES: usize = 50;

impl Repo {
    /// Whether nothing outside of a tree makes git write other files than it holds.
    pub(super) fn writes_plainly(&self) -> bool {
        let places = Places::of(self.git.environment());
        let common = self.common_dir();
        let replaced = self.refs_below("refs/replace/").map_or(true, |refs| !refs.is_empty());
        let attributes = places.attributes().into_iter().chain([common.join("info/attributes")]);
        let mut files = places.configuration();
        files.push(common.join("config"));
        !replaced
            && attributes.into_iter().all(|file| match fs::read(file) {
                Ok(text) => attributes_are_plain(&text),
                Err(cause) => is_missing(&cause),
            })
            && configuration_is_plain(files, &places)
    }
}

/// Where git looks for what the person and the system set.
struct Places {
    home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/git`.
    personal: Option<PathBuf>,
    /// Folders of the system's files.
    system: BTreeSet<PathBuf>,
    /// Files that the environment names.
    named: Vec<PathBuf>,
}

impl Places {
    fn of(environment: &Environment) -> Self {
        let home = environment.get("HOME").map(PathBuf::from);
        let personal = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let personal = personal.or_else(|| home.as_ref().map(|home| home.join(".config")));
        let mut system: BTreeSet<PathBuf> =
            ["/etc", "/usr/local/etc", "/opt/homebrew/etc"].map(PathBuf::from).into();
        // Beside the program, wherever it lies.
        let path = environment.get("PATH").unwrap_or_default();
        for folder in path.as_bytes().split(|byte| *byte == b':').filter(|f| !f.is_empty()) {
            let program = Path::new(OsStr::from_bytes(folder)).join("git");
            if !program.exists() {
                continue;
            }
            let real = fs::canonicalize(&program).ok();
            for program in real.iter().chain(real.is_some().then_some(&program)) {
                let prefix = program.parent().and_then(Path::parent);
                system.extend(prefix.map(|prefix| prefix.join("etc")));
            }
        }
        let named = ["GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"];
        let named = named.iter().filter_map(|name| environment.get(name)).map(PathBuf::from);
        Self { home, personal: personal.map(|p| p.join("git")), system, named: named.collect() }
    }

    fn configuration(&self) -> Vec<PathBuf> {
        let system = self.system.iter().map(|folder| folder.join("gitconfig"));
        let personal = self.personal.iter().map(|folder| folder.join("config"));
        let home = self.home.iter().map(|home| home.join(".gitconfig"));
        system.chain(personal).chain(home).chain(self.named.iter().cloned()).collect()
    }

    fn attributes(&self) -> Vec<PathBuf> {
        let system = self.system.iter().map(|folder| folder.join("gitattributes"));
        system.chain(self.personal.iter().map(|folder| folder.join("attributes"))).collect()
    }

    /// The file that an include in `from` names.
    fn included(&self, path: &str, from: &Path) -> Option<PathBuf> {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.as_ref().map(|home| home.join(rest)),
            None if path.starts_with(['~', '%']) => None,
            None => from.parent().map(|folder| folder.join(path)),
        }
    }
}

fn is_missing(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Whether no key in these files, and in what they include, changes how files are written.
fn configuration_is_plain(mut files: Vec<PathBuf>, places: &Places) -> bool {
    let mut seen = BTreeSet::new();
    while let Some(file) = files.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        match file.metadata() {
            Err(cause) if is_missing(&cause) => continue,
            // How git is told that there is no such file.
            Ok(_) if file == Path::new("/dev/null") => continue,
            Ok(_) if seen.len() <= MOST_FILES => {}
            _ => return false,
        }
        let read = git2::Config::open(&file).and_then(|mut config| config.snapshot());
        let Ok(config) = read else { return false };
        let Ok(mut entries) = config.entries(None) else { return false };
        while let Some(entry) = entries.next() {
            let Ok(entry) = entry else { return false };
            let Ok(name) = entry.name() else { return false };
            let value = if entry.has_value() { entry.value() } else { Ok("true") };
            let Ok(value) = value else { return false };
            if name.starts_with("includeif.") || name == "include.path" {
                match places.included(value, &file) {
                    Some(included) => files.push(included),
                    None => return false,
                }
            } else if !is_harmless(name, value) {
                return false;
            }
        }
    }
    true
}

/// Whether a key leaves the files of a checkout as they are stored, and the index in its usual form.
fn is_harmless(name: &str, value: &str) -> bool {
    let is = |wanted: bool| git2::Config::parse_bool(value) == Ok(wanted);
    match name {
        "core.symlinks" | "core.filemode" => is(true),
        "core.logallrefupdates" => is(true) || value == "always",
        "core.autocrlf" => is(false) || value == "input",
        "core.eol" => value == "lf" || (value == "native" && cfg!(unix)),
        "index.version" => value == "2",
        "core.ignorecase"
        | "core.precomposeunicode"
        | "core.protecthfs"
        | "core.sparsecheckout"
        | "core.splitindex"
        | "core.sharedrepository"
        | "core.prefersymlinkrefs"
        | "feature.manyfiles"
        | "index.sparse"
        | "worktree.userelativepaths" => is(false),
        "core.attributesfile" | "core.worktree" => false,
        _ => {
            let is_partial = name.ends_with(".promisor") || name.ends_with(".partialclonefilter");
            !(name.starts_with("extensions.") || (name.starts_with("remote.") && is_partial))
        }
    }
}

/// Whether lines of attributes leave the content of files alone (gitattributes(5)). Only what is
/// given counts, not to whom: `text` changes nothing while lines end in LF.
pub(super) fn attributes_are_plain(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').all(|line| {
        let mut words = line.split(|byte| b" \t\r".contains(byte)).filter(|word| !word.is_empty());
        let pattern = words.next().unwrap_or_default();
        pattern.starts_with(b"#") || words.all(attribute_is_plain)
    })
}

fn attribute_is_plain(word: &[u8]) -> bool {
    if word.starts_with(b"-") || word.starts_with(b"!") {
        return true;
    }
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    match name {
        b"eol" => word == b"eol=lf",
        b"filter" | b"ident" | b"crlf" | b"working-tree-encoding" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_change_content_are_told_from_others() {
        for plain in [
            "",
            "# filter=lfs\n",
            "* text=auto\n*.sh text eol=lf\n",
            "*.bin binary\n*.rs diff=rust -text\n",
            "*.dat -filter !ident -crlf\n",
            "*.x linguist-generated\r\n",
        ] {
            assert!(attributes_are_plain(plain.as_bytes()), "{plain:?}");
        }
        for other in [
            "*.bin filter=lfs diff=lfs -text\n",
            "*.bat text eol=crlf",
            "*.c ident\n",
            "a crlf",
            "a crlf=input",
            "*.txt\tworking-tree-encoding=UTF-16\r\n",
            "[attr]big filter=lfs\n",
            "\"a b\" filter=x",
        ] {
            assert!(!attributes_are_plain(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn included_files_count_whatever_their_condition_says() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
        let pairs = [("HOME".into(), folder.path().into()), ("PATH".into(), "/none".into())];
        let places = Places::of(&Environment::new(pairs));
        let is_plain = || configuration_is_plain(vec![folder.path().join("config")], &places);
        write("config", "[user]\n\tname = x\n[core]\n\tautocrlf = false\n").expect("writes");
        assert!(is_plain());
        write("config", "[includeIf \"hasconfig:remote.*.url:x\"]\n\tpath = ~/other\n")
            .expect("writes");
        assert!(is_plain(), "what is included is not there");
        write("other", "[include]\n\tpath = third\n").expect("writes");
        assert!(is_plain());
        for odd in ["[core]\n\tautocrlf\n", "[core]\n\teol = crlf\n", "[core", "[index]\nsparse\n"]
        {
            write("third", odd).expect("writes");
            assert!(!is_plain(), "{odd}");
        }
        write("third", "[include]\n\tpath = ~other/file\n").expect("writes");
        assert!(!is_plain());
    }
}
