//! Who uses a folder: stands in it, has a file of it open or mapped, runs a program of it, watches it.

use super::tree::pids;
use rustix::process::getpid;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether another process uses `folder`, as far as it may be looked at.
/// The kernel follows a folder that is renamed, so processes that came under its old name are found.
#[must_use]
pub fn is_in_use(folder: &Path) -> bool {
    let Ok(folder) = &fs::canonicalize(folder) else { return false };
    let ourselves = getpid().as_raw_nonzero().get();
    let watched = fs::metadata(folder).map(|found| format!(" ino:{:x} ", found.ino()));
    let watched = watched.unwrap_or_default();
    pids().filter(|pid| *pid != ourselves).any(|pid| uses(pid, folder, &watched))
}

fn uses(pid: i32, folder: &Path, watched: &str) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let is_inside = |link: &Path| fs::read_link(link).is_ok_and(|path| path.starts_with(folder));
    if ["cwd", "root", "exe"].iter().any(|name| is_inside(&process.join(name))) {
        return true;
    }
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    for descriptor in descriptors {
        let Ok(path) = fs::read_link(descriptor.path()) else { continue };
        if path.starts_with(folder) {
            return true;
        }
        // proc(5): a line for each watch of an inotify descriptor, the inode in hexadecimal.
        if path.as_os_str() == "anon_inode:inotify" {
            let info = process.join("fdinfo").join(descriptor.file_name());
            if fs::read_to_string(info).is_ok_and(|lines| lines.contains(watched)) {
                return true;
            }
        }
    }
    let maps = fs::read(process.join("maps")).unwrap_or_default();
    let mut wanted = folder.as_os_str().as_bytes().to_vec();
    wanted.push(b'/');
    maps.windows(wanted.len()).any(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::process::Spawn;
    use std::process::Stdio;

    #[test]
    fn whoever_stands_in_a_folder_or_has_a_file_of_it_open_uses_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let root = fs::canonicalize(folder.path()).expect("is there");
        fs::create_dir(root.join("inner")).expect("a folder");
        fs::write(root.join("file"), "").expect("a file");
        assert!(!is_in_use(&root));
        let environment = Environment::default();
        let waiting = "read -r line";
        let standing = Spawn::shell(waiting, &environment).in_folder(&root.join("inner"));
        let file = root.join("file").display().to_string();
        let holding = Spawn::shell(&format!("exec 5<'{file}'; {waiting}"), &environment)
            .in_folder("/".as_ref());
        for user in [standing, holding] {
            let mut user = user.reading(Stdio::piped()).start().expect("starts");
            while !is_in_use(&root) {
                assert!(user.try_wait().expect("tells").is_none(), "it has ended");
            }
            drop(user.stdin.take());
            user.wait().expect("ends");
            assert!(!is_in_use(&root));
        }
    }
}
