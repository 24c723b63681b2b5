//! The `offshoot` program: everything happens in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    offshoot::cli::main()
}
