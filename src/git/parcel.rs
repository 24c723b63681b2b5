//! What many merges read, in one pack (gitformat-pack(5)): the trees that were made for them, and the files
//! that more than one of them reads.
//!
//! For each merge git opens, maps and inflates its objects anew. In a pack that it has mapped already, and
//! with nothing deflated, that takes it half of the time. Nobody keeps what is in here, so nothing is
//! fsynced. Deliberately absent: what is large, which git finds where it lies.

use super::error::GitAttempt;
use super::repo::{object_id, oid};
use super::tree_diff::Entry;
use crate::error::{Attempt, Result};
use crate::names::ObjectId;
use libdeflater::{CompressionLvl, Compressor, crc32};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Larger files are left where they are, in bytes.
pub(super) const LARGEST: usize = 1024 * 1024;

/// No more is put in once there are so many bytes.
pub(super) const MOST: usize = 32 * 1024 * 1024;

/// What a pack calls its kinds of objects.
pub(super) const TREE: u8 = 2;
pub(super) const BLOB: u8 = 3;

/// Objects that are to be packed.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    trees: BTreeMap<ObjectId, Vec<u8>>,
    /// How often each file is wanted.
    files: BTreeMap<ObjectId, usize>,
}

impl Parcel {
    /// Adds a tree of these files, which are sorted by path, and the trees of their folders.
    pub(super) fn add_tree(&mut self, mut files: &[(&[u8], Entry)]) -> Result<ObjectId> {
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        while let Some((path, entry)) = files.first() {
            let name = path.split(|byte| *byte == b'/').next().unwrap_or_default();
            let is_inside = |(path, _): &&(&[u8], Entry)| {
                path.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"/"))
            };
            let inside = files.iter().take_while(is_inside).count();
            let (mode, id, end) = if inside == 0 {
                *self.files.entry(entry.id).or_default() += 1;
                (entry.mode, entry.id, &b""[..])
            } else {
                let below = files[..inside].iter();
                let below: Vec<_> =
                    below.map(|(path, it)| (&path[name.len() + 1..], *it)).collect();
                (0o040_000, self.add_tree(&below)?, &b"/"[..])
            };
            files = &files[inside.max(1)..];
            let line = [format!("{mode:o} ").as_bytes(), name, b"\0", id.as_bytes()].concat();
            entries.push(([name, end].concat(), line));
        }
        // Git sorts folders as if their names ended with a slash.
        entries.sort();
        let tree: Vec<u8> = entries.into_iter().flat_map(|(_, line)| line).collect();
        let id = git2::Oid::hash_object(git2::ObjectType::Tree, &tree);
        let id = object_id(id.git_attempt(|| "name a tree")?);
        self.trees.insert(id, tree);
        Ok(id)
    }

    /// Adds what is in another one.
    pub(super) fn add(&mut self, other: Self) {
        self.trees.extend(other.trees);
        for (file, wanted) in other.files {
            *self.files.entry(file).or_default() += wanted;
        }
    }

    /// Adds only the trees of another one.
    pub(super) fn add_trees(&mut self, other: Self) {
        self.trees.extend(other.trees);
    }

    /// Writes it into a folder of objects; the files are taken out of a repository. What cannot be read is
    /// left for git to complain of, in the merges that need it.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub(super) fn write(self, folder: &Path, from: &git2::Repository) -> Result<()> {
        let mut objects: BTreeMap<_, _> =
            self.trees.into_iter().map(|(id, tree)| (id, (TREE, tree))).collect();
        let stored = from.odb().git_attempt(|| "look for objects")?;
        let mut size = 0;
        for (file, _) in self.files.into_iter().filter(|(_, wanted)| *wanted > 1) {
            let Ok((length, _)) = stored.read_header(oid(file)) else { continue };
            if length <= LARGEST && size + length <= MOST {
                let Ok(content) = stored.read(oid(file)) else { continue };
                objects.insert(file, (BLOB, content.data().to_vec()));
                size += length;
            }
        }
        let (name, pack, index) = packed(&objects, 0);
        let folder = folder.join("pack");
        let attempt = || format!("write into `{}`", folder.display());
        fs::create_dir_all(&folder).attempt(attempt)?;
        // Git looks for the index first.
        fs::write(folder.join(format!("pack-{name}.pack")), pack).attempt(attempt)?;
        fs::write(folder.join(format!("pack-{name}.idx")), index).attempt(attempt)
    }
}

/// The name, the pack and its index; deflated as hard as the level says, 0 not at all, 12 most.
pub(super) fn packed(
    objects: &BTreeMap<ObjectId, (u8, Vec<u8>)>,
    level: i32,
) -> (ObjectId, Vec<u8>, Vec<u8>) {
    let number =
        |number: usize| u32::try_from(number).expect("invariant: not so much").to_be_bytes();
    let mut deflater = Compressor::new(CompressionLvl::new(level).expect("invariant: a level"));
    let mut pack = [&b"PACK"[..], &number(2), &number(objects.len())].concat();
    let (mut sums, mut places) = (Vec::new(), Vec::new());
    for (kind, content) in objects.values() {
        let place = pack.len();
        places.extend(number(place));
        pack.extend(head(*kind, content.len()));
        let start = pack.len();
        pack.resize(start + deflater.zlib_compress_bound(content.len()), 0);
        let length = deflater.zlib_compress(content, &mut pack[start..]);
        pack.truncate(start + length.expect("invariant: the bound suffices"));
        sums.extend(crc32(&pack[place..]).to_be_bytes());
    }
    let name: [u8; 20] = Sha1::digest(&pack).into();
    pack.extend(name);
    let ids: Vec<&[u8]> = objects.keys().map(ObjectId::as_bytes).map(|id| &id[..]).collect();
    let up_to = |byte: u8| number(ids.partition_point(|id| id[0] <= byte));
    let mut index = b"\xfftOc\0\0\0\x02".to_vec();
    index.extend((0..=u8::MAX).flat_map(up_to));
    index.extend([&ids.concat()[..], &sums, &places, &name].concat());
    let sum: [u8; 20] = Sha1::digest(&index).into();
    index.extend(sum);
    (ObjectId::from_bytes(name), pack, index)
}

/// How an object begins: its kind and four bits of its size, then seven bits a byte; all but the last byte
/// have their highest bit set.
fn head(kind: u8, size: usize) -> Vec<u8> {
    let low = |bits: usize, mask: usize| u8::try_from(bits & mask).expect("invariant: masked");
    let mut head = vec![kind << 4 | low(size, 0x0f)];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(last) = head.last_mut() {
            *last |= 0x80;
        }
        head.push(low(rest, 0x7f));
        rest >>= 7;
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn run(folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let run = Command::new("git").arg("-C").arg(folder).args(arguments).output();
        let run = run.expect("git runs");
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    }

    #[test]
    fn git_finds_in_it_the_trees_and_the_files_that_are_wanted_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let mine = git2::Repository::init(folder.path().join("mine")).expect("a repository");
        let its = folder.path().join("its");
        git2::Repository::init(&its).expect("a repository");
        let sizes = [0, 1, 15, 16, 2047, 2048, 65_535, 65_536, 300_000, LARGEST, LARGEST + 1];
        let entry = |size: usize| {
            let id = mine.blob(&vec![b'x'; size]).expect("a file");
            Entry { mode: 0o100_644, id: object_id(id) }
        };
        let entries: Vec<_> =
            sizes.iter().map(|size| (format!("a/{size:07}"), entry(*size))).collect();
        let mut files: Vec<_> = entries.iter().map(|(path, it)| (path.as_bytes(), *it)).collect();
        let mut parcel = Parcel::default();
        let once = entry(7);
        parcel.add_tree(&files).expect("a tree");
        files.insert(0, (b"a.once", once));
        let tree = parcel.add_tree(&files).expect("a tree").to_string();
        parcel.write(&its.join(".git/objects"), &mine).expect("writes");
        let packs = its.join(".git/objects/pack").read_dir().expect("a folder");
        let index = packs.map(|file| file.expect("a file").path());
        let index: Vec<_> = index.filter(|file| file.extension() == Some("idx".as_ref())).collect();
        run(&its, &["verify-pack", index[0].to_str().expect("UTF-8")]);
        let listed = run(&its, &["ls-tree", "-r", "-z", "--name-only", &tree]);
        let paths: Vec<_> =
            files.iter().flat_map(|(path, _)| [path, &b"\0"[..]].concat()).collect();
        assert_eq!(listed.len(), paths.len());
        for ((path, entry), size) in entries.iter().zip(sizes).filter(|(_, size)| *size <= LARGEST)
        {
            let content = run(&its, &["cat-file", "blob", &entry.id.to_string()]);
            assert_eq!(content, vec![b'x'; size], "{path}");
        }
        for left in [entries[sizes.len() - 1].1, once] {
            let mut asked = Command::new("git");
            asked.arg("-C").arg(&its).args(["cat-file", "-e", &left.id.to_string()]);
            assert!(!asked.status().expect("git runs").success());
        }
    }
}
