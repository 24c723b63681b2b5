//! The `offshoot` program: everything happens in the library's `cli`.

fn main() {}
