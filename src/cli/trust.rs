//! `offshoot trust`: shows what would run, asks where a person sits at both ends, and accepts it.

use super::exit::Exit;
use super::output::{Format, Output, prompt};
use crate::context::Context;
use crate::error::{Attempt, Result};
use crate::escape;
use crate::ops;
use crate::view::TrustView;

/// `offshoot trust`.
pub(super) fn trust(context: &Context, output: &Output) -> Result<Exit> {
    let seen = ops::trust::look(context)?;
    if output.format == Format::Json {
        return output.document(&ops::trust::trust(context)?).map(|()| Exit::Done);
    }
    let Some(file) = &seen.file else {
        output
            .tell("`.offshoot.toml` of this repository runs nothing, so there is nothing to trust");
        return Ok(Exit::Done);
    };
    let file = escape::line(&context.relative(file));
    output.write(listed(&seen).as_bytes())?;
    if seen.trusted {
        output.tell(&format!("`{file}` is trusted as it is"));
        return Ok(Exit::Done);
    }
    if output.has_person() && !agrees(&file)? {
        output.tell("nothing was accepted");
        return Ok(Exit::Refused);
    }
    ops::trust::trust(context)?;
    output.tell(&format!("`{file}` is trusted until it changes"));
    Ok(Exit::Done)
}

fn listed(seen: &TrustView) -> String {
    seen.commands.iter().map(|line| escape::line(line) + "\n").collect()
}

fn agrees(file: &str) -> Result<bool> {
    prompt(&format!("run this for every task, as long as `{file}` stays as it is? (y/N) "));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).attempt(|| "read your answer")?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
