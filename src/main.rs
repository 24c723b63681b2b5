//! The `offshoot` program: everything happens in the library's `cli`, which hands `offshoot mcp` on.

use std::process::ExitCode;

fn main() -> ExitCode {
    offshoot::process::unblock_signals();
    offshoot::cli::main(offshoot::mcp::serve)
}
