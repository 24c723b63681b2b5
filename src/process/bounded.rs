//! Running a program that must not keep us: with a time limit, in a process group of its own, which is
//! ended as a whole when the limit passes.

use super::spawn::Spawn;
use super::tree::wait_until_ended;
use crate::clock::Clock;
use crate::error::{Attempt, Error, Result};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// How long a group may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a program to its end with `input` on its standard input. What it leaves running in its group
/// after a good end is left alone.
///
/// # Errors
/// `refused` when it fails or takes longer than `limit`, in words that go on from its name; `io` when
/// it cannot be started.
pub fn run_bounded(spawn: Spawn, input: &[u8], limit: Duration) -> Result<()> {
    let mut child = spawn.reading(in_memory(input)?).start()?;
    let pid = i32::try_from(child.id()).expect("invariant: a process number is an i32");
    if wait_until_ended(pid, Some(Clock.deadline(limit)))? {
        return match child.wait().attempt(|| "wait for a process")? {
            status if status.success() => Ok(()),
            status => Err(Error::refused(ending(status))),
        };
    }
    // Not reaped yet, so the number is still that of the group that we started.
    let group = Pid::from_raw(pid).expect("invariant: a process number is not 0");
    let _gone_already = kill_process_group(group, Signal::TERM);
    wait_until_ended(pid, Some(Clock.deadline(GRACE)))?;
    let _gone_already = kill_process_group(group, Signal::KILL);
    child.wait().attempt(|| "wait for a process")?;
    Err(Error::refused(format!("took longer than {} s and was ended", limit.as_secs())))
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

/// Bytes as a file, so that nobody has to keep writing to somebody who does not read.
fn in_memory(bytes: &[u8]) -> Result<File> {
    let attempt = || "hand over the input of a process";
    let descriptor = rustix::fs::memfd_create("offshoot", MemfdFlags::CLOEXEC);
    let mut file = File::from(descriptor.map_err(std::io::Error::from).attempt(attempt)?);
    file.write_all(bytes).and_then(|()| file.rewind()).attempt(attempt)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn run(script: &str, input: &[u8], limit: Duration) -> Result<()> {
        let path = std::env::var_os("PATH").expect("there is one");
        let environment = Environment::new([("PATH".into(), path)]);
        run_bounded(Spawn::shell(script, &environment), input, limit)
    }

    #[test]
    fn input_arrives_whole_and_an_ending_is_told() {
        let long = "x".repeat(300_000);
        let minute = Duration::from_secs(60);
        run("test \"$(wc -c)\" -eq 300000", long.as_bytes(), minute).expect("it is read");
        run("exit 0", long.as_bytes(), minute).expect("it need not be read");
        assert_eq!(run("exit 3", b"", minute).expect_err("fails").message, "exited 3");
    }

    #[test]
    fn what_takes_too_long_is_ended_with_its_group() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let error = run(&script, b"", Duration::from_millis(500)).expect_err("is ended");
        assert!(error.message.contains("took longer"), "{error}");
        // Under load the shell may have been ended before it had started anything.
        if let Ok(text) = std::fs::read_to_string(&file) {
            let pid = text.trim().parse().expect("a number");
            assert!(
                wait_until_ended(pid, Some(Clock.deadline(Duration::from_secs(20))))
                    .expect("waits")
            );
        }
    }
}
