//! The arguments of a process as others see them: read, and replaced.

use super::identity::{self, stat_fields};
use crate::error::{Attempt, Error, Result};
use rustix::process::{PrctlMmMap, configure_virtual_memory_map};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

/// The arguments of a process, behind the program's name; `None` when there is no such process.
#[must_use]
pub fn arguments(pid: i32) -> Option<Vec<OsString>> {
    let line = identity::read(format!("/proc/{pid}/cmdline")).ok()?;
    // One that was renamed has nothing but ends behind its last word.
    let end = line.iter().rposition(|byte| *byte != 0)? + 1;
    let words = line[..end].split(|byte| *byte == 0).skip(1);
    Some(words.map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

/// Replaces the arguments of this process as others see them; the program's name is `offshoot` then.
/// Nobody in this process reads them there again: the standard library copied all of them when it started.
///
/// # Errors
/// `io` where the system does not let a process write to its own memory by name (proc_pid_mem(5)) or,
/// when they need more room than those that it was started with, say where they are instead
/// (`PR_SET_MM_MAP`, prctl(2)).
pub fn rename(words: &[&OsStr]) -> Result<()> {
    let mut shown = b"offshoot\0".to_vec();
    for word in words {
        shown.extend(word.as_bytes());
        shown.push(0);
    }
    let mut map = memory_map().ok_or_else(|| Error::internal("our own memory is not in /proc"))?;
    let room = usize::try_from(map.arg_end - map.arg_start).unwrap_or_default();
    let renamed = if shown.len() <= room {
        shown.resize(room, 0);
        let memory = OpenOptions::new().write(true).open("/proc/self/mem");
        memory.and_then(|memory| memory.write_all_at(&shown, map.arg_start))
    } else {
        // Read by the kernel from now on, and so never given back.
        let shown = shown.leak().as_ptr_range();
        (map.arg_start, map.arg_end) = (shown.start as u64, shown.end as u64);
        #[expect(unsafe_code, reason = "there is no safe call to say where the arguments are")]
        // SAFETY: all but the arguments stays as it is, and these are only read, at a place that is ours
        // for as long as the process lives. The kernel refuses what makes no sense.
        unsafe { configure_virtual_memory_map(&map) }.map_err(Into::into)
    };
    renamed.attempt(|| "rename a process")
}

/// Where what belongs to this process lies in its memory (proc_pid_stat(5)).
fn memory_map() -> Option<PrctlMmMap> {
    let text = identity::read("/proc/self/stat").ok()?;
    let fields = stat_fields(&text)?;
    let field = |number: usize| fields.get(number - 3)?.parse().ok();
    #[expect(unsafe_code, reason = "there is no safe call for where the heap ends")]
    // SAFETY: it asks and changes nothing.
    let brk = unsafe { libc::sbrk(0) } as u64;
    Some(PrctlMmMap {
        start_code: field(26)?,
        end_code: field(27)?,
        start_stack: field(28)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        brk,
        arg_start: field(48)?,
        arg_end: field(49)?,
        env_start: field(50)?,
        env_end: field(51)?,
        // None of these is to be changed.
        auxv: std::ptr::null_mut(),
        auxv_size: 0,
        exe_fd: -1,
    })
}
