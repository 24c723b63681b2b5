//! `offshoot setup`: what was written where, and how to try it.

use super::exit::Exit;
use super::output::{Format, Output};
use crate::environment::Environment;
use crate::error::Result;
use crate::escape;
use crate::ops::setup::SetupRequest;
use crate::view::{Done, SetupFileView};

/// `offshoot setup`.
pub(super) fn setup(
    request: SetupRequest,
    environment: &Environment,
    output: &Output,
) -> Result<Exit> {
    let view = crate::ops::setup::setup(&request, environment)?;
    if output.format == Format::Json {
        return output.document(&view).map(|()| Exit::Done);
    }
    for file in &view.files {
        output.line(&line(file, view.dry_run))?;
    }
    if view.dry_run {
        output.tell("nothing was changed");
    } else {
        view.next.iter().for_each(|step| output.tell(step));
    }
    Ok(Exit::Done)
}

fn line(file: &SetupFileView, dry_run: bool) -> String {
    let (done, would) = match file.done {
        Done::Written => ("wrote", "would write"),
        Done::Changed => ("changed", "would change"),
        Done::Unchanged => ("unchanged", "unchanged"),
        Done::Restored => ("restored", "would restore"),
        Done::Removed => ("removed", "would remove"),
        Done::TakenOut => ("took our entries out of", "would take our entries out of"),
        Done::LeftAlone => ("left alone", "would leave alone"),
    };
    let shown = |path: &std::path::Path| escape::line(&path.to_string_lossy());
    let mut line =
        format!("{} {}: {}", if dry_run { would } else { done }, shown(&file.path), file.what);
    if let Some(backup) = file.backup.as_ref().filter(|_| !dry_run) {
        line.push_str(&format!(" (as it was before: {})", shown(backup)));
    }
    line
}
