//! Objects out of packs (gitformat-pack(5)), for whoever wants a whole tree's worth of them.
//!
//! Libgit2 computes each object's id again as it reads it and inflates by zlib: together three quarters
//! of the time that 60,000 files out of a pack took. Here git's own measure holds: a checksum of the
//! inflated bytes, and the sizes that a delta names. Packs and their indexes never change once they have
//! their names, so they are mapped, as git does it; one that is deleted meanwhile stays readable. What is
//! not found here, or does not look as it should, is told as `None`: libgit2 finds it, or says what is
//! wrong. Deliberately absent: loose objects, alternates, indexes over several packs.

use super::index_file::sum_of;
use crate::names::ObjectId;
use libdeflater::Decompressor;
use memmap2::Mmap;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What an index of version 2 begins with.
const SIGNATURE: &[u8; 8] = b"\xfftOc\0\0\0\x02";

/// Where the ids stand in an index, behind the table of how many begin with each byte.
const IDS: usize = 8 + 256 * 4;

/// The length of an id, and of the sum at the end of a pack.
const ID: usize = 20;

/// How many deltas may follow upon each other; git makes 50 and takes 4095.
const DEEPEST: usize = 4095;

/// How many bytes of inflated objects a reader keeps, since deltas may be made against them.
const KEPT: usize = 32 * 1024 * 1024;

/// How much smaller than itself an object may be stored; deflate reaches 1032.
const DENSEST: usize = 1100;

/// The packs of a repository, and the stock, which comes first.
pub(super) struct Packs {
    /// The shared directory of the repository.
    pub(super) common: PathBuf,
    all: Vec<Pack>,
    has_stock: bool,
}

pub(super) struct Pack {
    index: Mmap,
    content: Mmap,
    objects: usize,
}

/// Where an object lies; sorted by it, a delta often follows what it is made against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pack: usize,
    offset: usize,
}

/// What an object is; tags and commits are of no interest here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tree,
    Blob,
    Other,
}

impl Packs {
    /// The packs of the repository whose shared directory this is. Those that cannot be opened are left
    /// out.
    pub(super) fn open(common: &Path, stock: Option<Pack>) -> Self {
        let files = fs::read_dir(common.join("objects/pack")).into_iter().flatten().flatten();
        let indexes =
            files.map(|file| file.path()).filter(|path| path.extension() == Some("idx".as_ref()));
        let mut packs: Vec<Pack> =
            indexes.filter_map(|index| Pack::open(&index).ok().flatten()).collect();
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.objects));
        let has_stock = stock.is_some();
        let all = stock.into_iter().chain(packs).collect();
        Self { common: common.to_owned(), all, has_stock }
    }

    /// Where an object lies, if it is in one of them.
    pub(super) fn find(&self, id: ObjectId) -> Option<Place> {
        let mut all = self.all.iter().enumerate();
        all.find_map(|(pack, one)| Some(Place { pack, offset: one.find(id.as_bytes())? }))
    }

    /// Where an object lies in the stock, if it is there.
    pub(super) fn find_in_stock(&self, id: ObjectId) -> Option<Place> {
        let stock = self.all.first().filter(|_| self.has_stock)?;
        Some(Place { pack: 0, offset: stock.find(id.as_bytes())? })
    }
}

impl Pack {
    /// The pack that goes with an index; none if they do not belong together.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub(super) fn open(index: &Path) -> io::Result<Option<Self>> {
        let (index, content) = (map(index)?, map(&index.with_extension("pack"))?);
        if !index.starts_with(SIGNATURE) || !content.starts_with(b"PACK") {
            return Ok(None);
        }
        let objects = number(&index, IDS - 4).unwrap_or(0);
        let whole = index.len() >= IDS + objects * (ID + 8) + 2 * ID && content.len() > 12 + ID;
        // The index names the sum of the pack that it belongs to.
        let same =
            whole && index[index.len() - 2 * ID..index.len() - ID] == content[content.len() - ID..];
        Ok(same.then_some(Self { index, content, objects }))
    }

    /// Whether both files are as they were written: each ends with the sum of what is before.
    pub(super) fn is_whole(&self) -> bool {
        [&self.index, &self.content].into_iter().all(|file| {
            let (content, sum) = file.split_at(file.len() - ID);
            sum_of(content) == sum
        })
    }

    /// Where an object begins in it.
    pub(super) fn find(&self, id: &[u8]) -> Option<usize> {
        let first = usize::from(*id.first()?);
        let before = |byte: usize| number(&self.index, 8 + 4 * byte);
        let from = if first == 0 { 0 } else { before(first - 1)? };
        let ids = self.index.get(IDS + from * ID..IDS + before(first)?.min(self.objects) * ID)?;
        let (ids, _) = ids.as_chunks::<ID>();
        let place = from + ids.binary_search_by(|one| one[..].cmp(id)).ok()?;
        // Behind the ids stand sums, then offsets, then those that need 64 bits.
        let offsets = IDS + self.objects * (ID + 4);
        let offset = number(&self.index, offsets + place * 4)?;
        if offset & 0x8000_0000 == 0 {
            return Some(offset);
        }
        let long = offsets + self.objects * 4 + (offset & 0x7fff_ffff) * 8;
        let bytes = self.index.get(long..long + 8)?;
        usize::try_from(u64::from_be_bytes(bytes.try_into().ok()?)).ok()
    }

    /// What stands at an offset.
    fn stored(&self, offset: usize) -> Option<Stored<'_>> {
        let mut rest = self.content.get(offset..self.content.len() - ID)?;
        let first = byte(&mut rest)?;
        let mut size = usize::from(first & 0x0f);
        if first & 0x80 != 0 {
            size |= length(&mut rest)?.checked_mul(16)?;
        }
        let form = match first >> 4 & 7 {
            1 | 4 => Form::Whole(Kind::Other),
            2 => Form::Whole(Kind::Tree),
            3 => Form::Whole(Kind::Blob),
            6 => Form::Delta(offset.checked_sub(distance(&mut rest)?)?),
            7 => {
                let (id, behind) = rest.split_at_checked(ID)?;
                rest = behind;
                Form::Delta(self.find(id)?)
            }
            _ => return None,
        };
        // A size that cannot be must not have memory taken for it.
        (size / DENSEST <= rest.len()).then_some(Stored { form, size, deflated: rest })
    }
}

/// An object as it is stored, with all of the pack behind it.
struct Stored<'a> {
    form: Form,
    size: usize,
    deflated: &'a [u8],
}

enum Form {
    Whole(Kind),
    /// Made against what stands at that offset.
    Delta(usize),
}

/// Reads objects one after another, best in the order of their places.
pub(super) struct Unpacker<'a> {
    packs: &'a Packs,
    inflater: Decompressor,
    content: Vec<u8>,
    delta: Vec<u8>,
    bases: HashMap<Place, (Kind, Rc<Vec<u8>>)>,
    kept: usize,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(packs: &'a Packs) -> Self {
        let (content, delta) = (Vec::new(), Vec::new());
        let (inflater, bases) = (Decompressor::new(), HashMap::new());
        Self { packs, inflater, content, delta, bases, kept: 0 }
    }

    /// Unpacks the object at a place and tells what it is; `None` where it is not as it should be.
    pub(super) fn read(&mut self, place: Place) -> Option<Kind> {
        let packs = self.packs;
        let pack = packs.all.get(place.pack)?;
        let at = |offset| Place { offset, ..place };
        let mut deltas = Vec::new();
        let mut offset = place.offset;
        let (kind, mut base) = loop {
            let known = self.bases.get(&at(offset)).filter(|_| !deltas.is_empty());
            if let Some((kind, base)) = known {
                break (*kind, Rc::clone(base));
            }
            let stored = pack.stored(offset)?;
            match stored.form {
                Form::Whole(kind) => {
                    inflate(&mut self.inflater, &stored, &mut self.content)?;
                    if deltas.is_empty() {
                        return Some(kind);
                    }
                    let base = Rc::new(std::mem::take(&mut self.content));
                    self.keep(at(offset), kind, &base);
                    break (kind, base);
                }
                Form::Delta(base) if deltas.len() < DEEPEST => {
                    deltas.push((offset, stored));
                    offset = base;
                }
                Form::Delta(_) => return None,
            }
        };
        while let Some((offset, stored)) = deltas.pop() {
            inflate(&mut self.inflater, &stored, &mut self.delta)?;
            base = Rc::new(apply(&self.delta, &base)?);
            self.keep(at(offset), kind, &base);
        }
        self.content.clear();
        self.content.extend_from_slice(&base);
        Some(kind)
    }

    /// What was read last.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Objects are let go all at once, which costs nothing where they are read in order.
    fn keep(&mut self, place: Place, kind: Kind, content: &Rc<Vec<u8>>) {
        if self.kept + content.len() > KEPT {
            self.bases.clear();
            self.kept = 0;
        }
        if content.len() <= KEPT && self.bases.insert(place, (kind, Rc::clone(content))).is_none() {
            self.kept += content.len();
        }
    }
}

fn inflate(inflater: &mut Decompressor, stored: &Stored<'_>, into: &mut Vec<u8>) -> Option<()> {
    into.resize(stored.size, 0);
    let written = inflater.zlib_decompress(stored.deflated, into).ok()?;
    (written == stored.size).then_some(())
}

/// What a delta makes of `base`.
fn apply(mut delta: &[u8], base: &[u8]) -> Option<Vec<u8>> {
    if length(&mut delta)? != base.len() {
        return None;
    }
    let size = length(&mut delta)?;
    let mut made = Vec::with_capacity(size.min(KEPT));
    while let Some((command, rest)) = delta.split_first() {
        delta = rest;
        if *command == 0 {
            // Kept by git for later use.
            return None;
        } else if *command & 0x80 == 0 {
            let (added, rest) = delta.split_at_checked(usize::from(*command))?;
            made.extend_from_slice(added);
            delta = rest;
        } else {
            let mut read = |bits: std::ops::Range<usize>| {
                let given = bits.clone().filter(|bit| command >> bit & 1 != 0);
                given
                    .map(|bit| Some(usize::from(byte(&mut delta)?) << (8 * (bit - bits.start))))
                    .sum()
            };
            let (from, count): (Option<usize>, Option<usize>) = (read(0..4), read(4..7));
            let (from, count) =
                (from?, count.map(|count| if count == 0 { 0x10000 } else { count })?);
            made.extend_from_slice(base.get(from..from + count)?);
        }
        if made.len() > size {
            return None;
        }
    }
    (made.len() == size).then_some(made)
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// A number in groups of seven bits, the lowest first.
fn length(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..usize::BITS - 7).step_by(7) {
        let next = byte(bytes)?;
        value |= usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// How far back what a delta is made against lies: groups of seven bits, the highest first, and one is
/// added for each that follows, so that there is one spelling only.
fn distance(bytes: &mut &[u8]) -> Option<usize> {
    let mut next = byte(bytes)?;
    let mut value = usize::from(next & 0x7f);
    while next & 0x80 != 0 {
        next = byte(bytes)?;
        value = value.checked_add(1)?.checked_mul(128)? | usize::from(next & 0x7f);
    }
    Some(value)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
}

fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    #[expect(
        unsafe_code,
        reason = "a mapped file may be cut short by others; there is no safe call"
    )]
    // SAFETY: git never writes into a file of this name again, and maps it itself.
    unsafe {
        Mmap::map(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Git;
    use super::super::repo::object_id;
    use super::*;
    use crate::environment::Environment;
    use std::fmt::Write as _;

    #[test]
    fn every_object_of_a_pack_is_as_libgit2_reads_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let repo = git2::Repository::init_bare(folder.path()).expect("makes a repository");
        let mut stream =
            String::from("commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 0\n");
        let mut text = "the same line again and again\n".repeat(500);
        for number in 0..300 {
            writeln!(text, "{number}").expect("writes");
            let length = text.len();
            write!(stream, "M 100644 inline d{}/{number}\ndata {length}\n{text}\n", number % 7)
                .expect("writes");
        }
        let path = std::env::var_os("PATH").expect("a PATH");
        let pairs = [("PATH".into(), path), ("HOME".into(), folder.path().into())];
        let git = Git::new(&Environment::new(pairs));
        git.at(folder.path(), "fast-import").arg("--quiet").input(stream).run().expect("imports");

        let packs = Packs::open(folder.path(), None);
        let mut unpacker = Unpacker::new(&packs);
        let objects = repo.odb().expect("an object database");
        let mut deltas = 0;
        let mut check = |id: &git2::Oid| {
            let place = packs.find(object_id(*id)).expect("is in the pack");
            let stored = packs.all[place.pack].stored(place.offset).expect("is stored");
            deltas += usize::from(matches!(stored.form, Form::Delta(_)));
            let object = objects.read(*id).expect("is there");
            let kind = match object.kind() {
                git2::ObjectType::Tree => Kind::Tree,
                git2::ObjectType::Blob => Kind::Blob,
                _ => Kind::Other,
            };
            assert_eq!(unpacker.read(place), Some(kind));
            assert!(unpacker.content() == object.data(), "{id}");
        };
        let mut all = Vec::new();
        objects
            .foreach(|id| {
                all.push(*id);
                true
            })
            .expect("walks");
        all.iter().for_each(&mut check);
        assert!(all.len() > 300 && deltas > 250, "{} {deltas}", all.len());
        assert_eq!(packs.find(object_id(git2::Oid::ZERO_SHA1)), None);
    }

    /// Sizes of eleven and twelve bytes; eleven of the base, then one more.
    const DELTA: [u8; 6] = [11, 12, 0x90, 11, 1, b'!'];

    #[test]
    fn a_delta_copies_and_adds() {
        assert_eq!(apply(&DELTA, b"hello world").expect("is whole"), b"hello world!");
        // From the sixth byte on, five of them.
        let part = [11, 6, 0x91, 6, 5, 1, b'?'];
        assert_eq!(apply(&part, b"hello world").expect("is whole"), b"world?");
    }

    #[test]
    fn a_delta_that_is_damaged_makes_nothing() {
        for end in 0..DELTA.len() {
            assert_eq!(apply(&DELTA[..end], b"hello world"), None, "cut at {end}");
        }
        assert_eq!(apply(&DELTA, b"hello worl"), None, "another base");
        for (place, value) in [(1, 13), (1, 11), (3, 12), (4, 0), (2, 0x91)] {
            let mut damaged = DELTA;
            damaged[place] = value;
            assert_eq!(apply(&damaged, b"hello world"), None, "{value} at {place}");
        }
    }

    #[test]
    fn numbers_that_never_end_are_none() {
        assert_eq!(length(&mut &[0x80; 20][..]), None);
        assert_eq!(distance(&mut &[0xff; 20][..]), None);
        assert_eq!(length(&mut &[0x91, 0x01][..]), Some(0x91));
        assert_eq!(distance(&mut &[0x80, 0x00][..]), Some(128));
    }
}
