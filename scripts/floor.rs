//! What a file system takes for files alone, with as many threads as there are processors: the floors of
//! `scripts/bench`, which compiles this with `rustc`.
//!
//! Usage: `floor write FROM TO` makes the files of FROM again in TO, of the same sizes, out of memory;
//! `floor stat FROM` asks for the state of each. Prints microseconds. Names are listed beforehand.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many files a thread takes at a time.
const AT_A_TIME: usize = 64;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["write", from, to] => write(Path::new(from), Path::new(to)),
        ["stat", from] => stat(Path::new(from)),
        _ => panic!("usage: floor write FROM TO | floor stat FROM"),
    }
}

/// The folders and files below `root`, files with their sizes; git's own aside.
fn listed(root: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, usize)>) {
    let (mut folders, mut files) = (vec![PathBuf::new()], Vec::new());
    let mut next = 0;
    while next < folders.len() {
        let folder = folders[next].clone();
        next += 1;
        for entry in fs::read_dir(root.join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            let found = entry.metadata().expect("is there");
            if path == Path::new(".git") {
                continue;
            }
            if found.is_dir() {
                folders.push(path);
            } else {
                files.push((path, usize::try_from(found.len()).expect("fits")));
            }
        }
    }
    files.sort();
    (folders, files)
}

fn for_each_at_once(files: &[(PathBuf, usize)], act: impl Fn(&Path, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let from = next.fetch_add(AT_A_TIME, Ordering::Relaxed).min(files.len());
                    let taken = &files[from..files.len().min(from + AT_A_TIME)];
                    if taken.is_empty() {
                        break;
                    }
                    taken.iter().for_each(|(path, size)| act(path, *size));
                }
            });
        }
    });
}

fn write(from: &Path, to: &Path) {
    let (folders, files) = listed(from);
    let bytes = vec![b'x'; files.iter().map(|(_, size)| *size).max().unwrap_or(0)];
    let start = Instant::now();
    for folder in &folders {
        fs::create_dir(to.join(folder)).expect("makes a folder");
    }
    for_each_at_once(&files, |path, size| {
        let mut file = fs::File::create_new(to.join(path)).expect("makes a file");
        file.write_all(&bytes[..size]).expect("writes");
    });
    println!("{}", start.elapsed().as_micros());
}

fn stat(from: &Path) {
    let (_, files) = listed(from);
    let start = Instant::now();
    for_each_at_once(&files, |path, _| drop(from.join(path).symlink_metadata().expect("is there")));
    println!("{}", start.elapsed().as_micros());
}
