//! What a change is called, which landing it tells of, and how it is refused.

use super::{Change, Landing, StopReason, Task, TaskState};
use crate::error::Error;
use crate::landing::LandingRef;

impl Change {
    /// The landing that it tells of.
    pub(super) fn landing(&self) -> Option<LandingRef> {
        match self {
            Self::Landed { landing, .. } => landing.reference(),
            Self::PartLanded(part) => Some(part.landing.clone()),
            Self::Undone(taken) => Some(taken.landing.clone()),
            _ => None,
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Dispatched => "dispatch",
            Self::Started { .. } => "start",
            Self::AgentReady { .. } | Self::AgentNeverStarted => "start the agent of",
            Self::StopAsked(StopReason::Cancelled) => "cancel",
            Self::StopAsked(StopReason::TimedOut) => "time out",
            Self::Held | Self::PauseAsked(_) | Self::Paused { .. } => "pause",
            Self::LetGo | Self::ResumeAsked | Self::Resumed { .. } => "resume",
            Self::Prioritised(_) => "reorder",
            Self::DependencyFailed { .. } | Self::AgentEnded(_) | Self::Finished(_) => "finish",
            Self::Retried(_) => "retry",
            Self::FollowedUp(..) => "send to",
            Self::NeedsInput(_) => "ask something for",
            Self::ReleaseAsked | Self::Released(_) => "release",
            Self::Acknowledged => "acknowledge",
            Self::Landed { .. } | Self::PartLanded(_) => "land",
            Self::Moved(_) => "move",
            Self::Undone(_) => "take back a landing of",
            Self::Discarded(_) => "discard",
            Self::Restored { .. } => "restore",
        }
    }
}

pub(super) fn senseless(task: &Task, verb: &str) -> Error {
    let name = &task.spec.name;
    let standing = match (&task.record.state, &task.record.landing) {
        (TaskState::Ended { .. }, Landing::Landed { target, .. }) => {
            format!("already landed on `{target}`")
        }
        (TaskState::Ended { .. }, Landing::Discarded { .. }) => "discarded".to_owned(),
        (state, _) => state.name().to_string(),
    };
    let is_discarded = matches!(task.record.landing, Landing::Discarded { .. });
    let way_on = if is_discarded { "restore" } else { "status" };
    Error::refused(format!("cannot {verb} `{name}`: it is {standing}"))
        .hint(format!("offshoot {way_on} {name}"))
}
