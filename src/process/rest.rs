//! Giving back what a process that only waits holds of memory.

/// Lets go of the pages of this program and its libraries: they are in the page cache, from which they
/// are mapped again as they are needed. Where that is not to be had, nothing changes.
///
/// Only machine code, which nobody has written to: it lies in the mappings that may be run and are of a
/// file. What the loader has relocated lies in others.
pub fn let_go_of_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (from, to) in maps.lines().filter_map(code) {
        let length = to.saturating_sub(from);
        #[expect(unsafe_code, reason = "there is no safe call to unmap pages")]
        // SAFETY: pages of a private mapping of a file that was never written to come back from the
        // file, byte by byte the same (madvise(2), MADV_DONTNEED), whoever uses them meanwhile.
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(from), length, libc::MADV_DONTNEED);
        }
    }
}

/// The range of a line of `/proc/PID/maps` (proc_pid_maps(5)), if it is code of a file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, mode, path) = (words.next()?, words.next()?, words.nth(3)?);
    let (from, to) = range.split_once('-')?;
    let at = |text| usize::from_str_radix(text, 16).ok();
    (mode == "r-xp" && path.starts_with('/')).then_some((at(from)?, at(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_let_go_of() {
        let of = |line| code(line).map(|(from, to)| to - from);
        let run = "55a30f3b4000-55a30fd8e000 r-xp 00268000 fe:00 5345103   /opt/my tools/offshoot";
        assert_eq!(of(run), Some(0x9d_a000));
        for other in [
            "55a30fd8e000-55a30fdbd000 r--p 00c41000 fe:00 5345103   /usr/bin/offshoot",
            "55a30fdbd000-55a30fdc2000 rwxp 00c6f000 fe:00 5345103   /usr/bin/offshoot",
            "7f914ed7e000-7f914ed80000 r-xp 00000000 00:00 0          [vdso]",
            "7f914ed76000-7f914ed78000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_runs_on_with_its_code_given_back() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").expect("a status");
            let line = status.lines().find(|line| line.starts_with("RssFile:"));
            let size = line.and_then(|line| line.split_ascii_whitespace().nth(1));
            size.and_then(|size| size.parse::<u64>().ok()).expect("a size")
        };
        let before = resident();
        let_go_of_code();
        assert!(resident() < before, "nothing was given back of {before} KiB");
    }
}
