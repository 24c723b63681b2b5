//! A folder for the objects of merges that are only tried, so that a forecast leaves no garbage and
//! nothing that was never fsynced can become part of a landing.

use super::error::GitAttempt;
use super::repo::object_id;
use super::tree_diff::Entry;
use crate::error::{Attempt, Error, Result};
use crate::names::ObjectId;
use libdeflater::{CompressionLvl, Compressor};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder for objects that nobody keeps, gone with its owner; after a kill with the next one.
#[derive(Debug)]
pub(super) struct Quarantine(PathBuf);

impl Quarantine {
    /// Removes what killed processes left below a folder.
    pub(super) fn sweep(scratch: &Path) {
        for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid =
                name.to_str().and_then(|name| name.strip_prefix("objects-")?.split('-').next());
            let is_stale = |pid: &str| !Path::new("/proc").join(pid).exists();
            if pid.is_some_and(is_stale) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }

    pub(super) fn below(scratch: &Path) -> Result<Self> {
        let attempt = || format!("make a folder in `{}`", scratch.display());
        fs::create_dir_all(scratch).attempt(attempt)?;
        for number in 0u32.. {
            let own = scratch.join(format!("objects-{}-{number}", std::process::id()));
            match fs::create_dir(&own) {
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return made.attempt(attempt).map(|()| Self(own)),
            }
        }
        Err(Error::internal("no number is free"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps a tree of these files, which are sorted by path, and the trees of their folders.
    pub(super) fn store_tree(&self, mut files: &[(&[u8], Entry)]) -> Result<ObjectId> {
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        while let Some((path, entry)) = files.first() {
            let name = path.split(|byte| *byte == b'/').next().unwrap_or_default();
            let is_inside = |(path, _): &&(&[u8], Entry)| {
                path.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"/"))
            };
            let inside = files.iter().take_while(is_inside).count();
            let (mode, id, end) = if inside == 0 {
                (entry.mode, entry.id, &b""[..])
            } else {
                let below = files[..inside].iter();
                let below: Vec<_> =
                    below.map(|(path, it)| (&path[name.len() + 1..], *it)).collect();
                (0o040_000, self.store_tree(&below)?, &b"/"[..])
            };
            files = &files[inside.max(1)..];
            let line = [format!("{mode:o} ").as_bytes(), name, b"\0", id.as_bytes()].concat();
            entries.push(([name, end].concat(), line));
        }
        // Git sorts folders as if their names ended with a slash.
        entries.sort();
        self.store(&entries.into_iter().flat_map(|(_, line)| line).collect::<Vec<_>>())
    }

    /// Keeps a tree as a loose object, deflated as far as zlib demands it.
    fn store(&self, tree: &[u8]) -> Result<ObjectId> {
        let attempt = || format!("write into `{}`", self.0.display());
        let id = git2::Oid::hash_object(git2::ObjectType::Tree, tree).git_attempt(attempt)?;
        let name = id.to_string();
        let folder = self.0.join(&name[..2]);
        let place = folder.join(&name[2..]);
        if !place.exists() {
            let whole = [format!("tree {}\0", tree.len()).as_bytes(), tree].concat();
            let mut deflater = Compressor::new(CompressionLvl::new(0).expect("invariant: a level"));
            let mut deflated = vec![0; deflater.zlib_compress_bound(whole.len())];
            let length = deflater.zlib_compress(&whole, &mut deflated);
            let length = length.expect("invariant: the bound suffices");
            fs::create_dir_all(folder).attempt(attempt)?;
            fs::write(place, &deflated[..length]).attempt(attempt)?;
        }
        Ok(object_id(id))
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // What stays is removed by the next forecast.
        drop(fs::remove_dir_all(&self.0));
    }
}
