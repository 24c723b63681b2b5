//! What has changed in a folder since its index was written, told by names and states of files alone.
//!
//! An index that was written when the folder was known to hold a tree is compared with what is there
//! now: a file is unchanged if it has the inode, size, mode and times that the index has of it, and was
//! not written within the moment in which the index was. No file is read and nothing is written. Names
//! that the index does not know are told, be they ignored or not: that is for git to say. Folders are
//! entered through the descriptor of the one they lie in, so no symbolic link is ever followed.

use super::index_file::{FileState, IndexEntry, IndexFile, forget_states};
use crate::names::ObjectId;
use crate::threads;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const KIND: u32 = 0o170_000;

/// The bit by which git tells programs from other files.
const EXECUTABLE: u32 = 0o100;

/// With fewer files than this, starting threads takes longer than it saves.
const FEW: usize = 1000;

/// The most threads that look.
const MOST_THREADS: usize = 8;

/// How many bytes of names are asked for at a time.
const NAMES: usize = 32 * 1024;

const AS_FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether the folder `root` is proven to hold `tree` by `index`, whose file has not been touched since
/// it was written.
pub(super) fn holds_just(root: &Path, index: &Path, tree: ObjectId) -> bool {
    let known = Known::read(index).filter(|known| known.index.root.id == tree);
    known.and_then(|known| known.compare(root, Look::UntilFirst)).is_some_and(|it| it.is_none())
}

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    AtAll,
    /// Until something has changed.
    UntilFirst,
}

/// What has changed, files of the index by their places there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Files that may have another content, kind or mode than the index says.
    pub(super) changed: Vec<usize>,
    /// Files where nothing is, or a folder.
    pub(super) gone: Vec<usize>,
    /// Names of files and folders that the index does not know, with the path to them.
    pub(super) unknown: Vec<Vec<u8>>,
}

impl Differences {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: Self) {
        self.changed.extend(other.changed);
        self.gone.extend(other.gone);
        self.unknown.extend(other.unknown);
    }

    fn sort(mut self) -> Self {
        self.changed.sort_unstable();
        self.gone.sort_unstable();
        self.unknown.sort_unstable();
        self
    }
}

/// What an index says, and when it was written.
pub(super) struct Known {
    pub(super) index: IndexFile,
    written: (i64, i64),
}

/// A name that belongs into a folder, and the entries that it stands for.
struct Wanted<'a> {
    name: &'a [u8],
    entries: Range<usize>,
    is_folder: bool,
    is_there: bool,
}

/// A folder to look into: these entries of the index are below it, and that many bytes of their paths
/// lead into it. Opened only then, so that few are open.
struct Job {
    parent: Arc<OwnedFd>,
    entries: Range<usize>,
    depth: usize,
    /// How long its own name is; the root has none.
    name: usize,
}

impl Known {
    pub(super) fn read(index: &Path) -> Option<Self> {
        let found = index.metadata().ok()?;
        let read = IndexFile::parse(&fs::read(index).ok()?)?;
        Some(Self { index: read, written: (found.mtime(), found.mtime_nsec()) })
    }

    /// What differs below `root`; `None` where that cannot be found out.
    pub(super) fn compare(&self, root: &Path, look: Look) -> Option<Differences> {
        let parent = Arc::new(rustix::fs::open(root, AS_FOLDER, Mode::empty()).ok()?);
        let entries = 0..self.index.entries.len();
        let mut jobs = vec![Job { parent, entries, depth: 0, name: 0 }];
        let mut found = Differences::default();
        let mut names = Vec::with_capacity(NAMES);
        let few = self.index.entries.len() < FEW;
        let threads = if few { 1 } else { threads::processors().clamp(2, MOST_THREADS) };
        // Enough for each to have its share, the largest split first.
        while !few && jobs.len() < threads * 16 {
            let largest = (0..jobs.len()).max_by_key(|job| jobs[*job].entries.len())?;
            if jobs[largest].entries.len() < FEW {
                break;
            }
            let job = jobs.swap_remove(largest);
            self.look_into(job, &mut names, &mut found, &mut jobs).ok()?;
        }
        let stop = AtomicBool::new(false);
        let jobs = Mutex::new(jobs);
        let work = || {
            let (mut found, mut names) = (Differences::default(), Vec::with_capacity(NAMES));
            let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
            while let Some(job) = next() {
                let mut stack = vec![job];
                while let Some(job) = stack.pop() {
                    let looked = self.look_into(job, &mut names, &mut found, &mut stack);
                    let enough = look == Look::UntilFirst && !found.is_none();
                    if looked.is_err() || enough {
                        stop.store(true, Ordering::Relaxed);
                    }
                    looked?;
                    if stop.load(Ordering::Relaxed) {
                        return Ok(found);
                    }
                }
            }
            Ok::<_, Errno>(found)
        };
        if look == Look::UntilFirst && !found.is_none() {
            return Some(found);
        }
        for seen in threads::all_at_once(threads, |_| work()) {
            found.add(seen.ok()?);
        }
        Some(found.sort())
    }

    /// Compares one folder; those in it are for later.
    fn look_into(
        &self,
        job: Job,
        names: &mut Vec<u8>,
        found: &mut Differences,
        later: &mut Vec<Job>,
    ) -> Result<(), Errno> {
        let Job { parent, entries, depth, name } = job;
        let folder = if name == 0 {
            parent
        } else {
            let path = &self.index.entries[entries.start].path;
            let name = OsStr::from_bytes(&path[depth - 1 - name..depth - 1]);
            Arc::new(rustix::fs::openat(&parent, name, AS_FOLDER, Mode::empty())?)
        };
        let mut wanted = self.wanted_in(entries.clone(), depth);
        let mut there = RawDir::new(&folder, names.spare_capacity_mut());
        while let Some(entry) = there.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (depth == 0 && name == b".git") {
                continue;
            }
            let stat = || rustix::fs::statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let path = || {
                let start = self.index.entries.get(entries.start).map_or(&[][..], |it| &it.path);
                [&start[..depth], name].concat()
            };
            let Ok(place) = wanted.binary_search_by(|wanted| wanted.name.cmp(name)) else {
                found.unknown.push(path());
                continue;
            };
            let wanted = &mut wanted[place];
            if wanted.is_folder {
                let kind = match entry.file_type() {
                    FileType::Unknown => FileType::from_raw_mode(stat()?.st_mode),
                    kind => kind,
                };
                wanted.is_there = kind == FileType::Directory;
                if wanted.is_there {
                    let (parent, entries) = (Arc::clone(&folder), wanted.entries.clone());
                    let (depth, name) = (depth + name.len() + 1, name.len());
                    later.push(Job { parent, entries, depth, name });
                }
            } else {
                let (stat, place) = (stat()?, wanted.entries.start);
                wanted.is_there = stat.st_mode & KIND != FileType::Directory.as_raw_mode();
                if wanted.is_there && !self.is_same(&self.index.entries[place], &stat) {
                    found.changed.push(place);
                }
            }
            if !wanted.is_there {
                found.unknown.push(path());
            }
        }
        for missing in wanted.into_iter().filter(|wanted| !wanted.is_there) {
            found.gone.extend(missing.entries);
        }
        Ok(())
    }

    /// What belongs into a folder, sorted by name.
    fn wanted_in(&self, entries: Range<usize>, depth: usize) -> Vec<Wanted<'_>> {
        let mut wanted = Vec::new();
        let mut next = entries.start;
        while next < entries.end {
            let path = &self.index.entries[next].path;
            let end = path[depth..].iter().position(|byte| *byte == b'/');
            let name = &path[depth..end.map_or(path.len(), |end| depth + end)];
            // Sorted by path, so what begins alike stands together.
            let count = end.map_or(1, |end| {
                let folder = &path[..=depth + end];
                let rest = &self.index.entries[next..entries.end];
                rest.partition_point(|entry| entry.path.starts_with(folder))
            });
            let (entries, is_folder) = (next..next + count, end.is_some());
            wanted.push(Wanted { name, entries, is_folder, is_there: false });
            next += count;
        }
        // A folder stands where its name with a slash does.
        wanted.sort_unstable_by_key(|wanted| wanted.name);
        wanted
    }

    /// Whether a file is as its entry says; not for one that may have changed within the moment in
    /// which the index was written.
    fn is_same(&self, entry: &IndexEntry, stat: &Stat) -> bool {
        let [seconds, nanoseconds] = entry.state.modified.map(i64::from);
        let executable = |mode: u32| mode & KIND == 0o100_000 && mode & EXECUTABLE != 0;
        (seconds, nanoseconds) < self.written
            && FileState::of(stat).is_as(&entry.state)
            && stat.st_mode & KIND == entry.mode & KIND
            && executable(stat.st_mode) == executable(entry.mode)
    }
}

/// Makes git read these files of `index`, a copy of a known one. By itself git compares whole seconds
/// only, so it takes a file for unchanged that was changed within the second of its making and dated
/// back.
///
/// # Errors
/// When the index cannot be written.
pub(super) fn distrust(index: &Path, known: &Known, changed: &[usize]) -> std::io::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let written = index.metadata()?.modified()?;
    let mut bytes = fs::read(index)?;
    forget_states(&mut bytes, &known.index.entries, changed);
    fs::write(index, bytes)?;
    fs::File::options().append(true).open(index)?.set_modified(written)
}
