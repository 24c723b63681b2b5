//! What a session is seen to have been given: the words that it was just asked, or a line of what it keeps of its
//! conversation. Neither a socket nor a hook that ends is answered, so this is how a message is known to have come.
//!
//! Claude Code hands what comes while it is idle to its hooks as a prompt. What comes amid its work it only writes
//! down (2.1.197). Where nothing is found the session is told again.

use crate::event::Event;
use crate::notice;
use crate::timestamp::Timestamp;
use crate::view::InboxEntryView;
use serde::Deserialize;
use std::path::Path;

/// What a session was given last, and where it keeps its conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    prompt: Option<String>,
    transcript_path: Option<String>,
}

/// A line of a conversation as Claude Code keeps it.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Timestamp,
}

impl Given {
    /// Those of some entries that the session was given just now.
    pub(super) fn just_now(&self, entries: &[InboxEntryView]) -> Vec<InboxEntryView> {
        let Some(prompt) = &self.prompt else { return Vec::new() };
        let is_in = |entry: &&InboxEntryView| {
            let beginning = beginning(&entry.event);
            prompt.lines().any(|line| line.starts_with(&beginning))
        };
        entries.iter().filter(is_in).cloned().collect()
    }

    /// Those of some entries that the session has written down since they came.
    pub(super) fn before(&self, entries: &[InboxEntryView]) -> Vec<InboxEntryView> {
        let Some(path) = self.transcript_path.as_deref().filter(|_| !entries.is_empty()) else {
            return Vec::new();
        };
        let Ok(bytes) = std::fs::read(Path::new(path)) else { return Vec::new() };
        let text = String::from_utf8_lossy(&bytes);
        let is_in = |entry: &&InboxEntryView| {
            let beginning = beginning(&entry.event);
            let since = entry.event.draft.at;
            let tells = |line: &str| {
                line.contains(&beginning)
                    && serde_json::from_str::<Line>(line).is_ok_and(|line| {
                        // What it has put into its queue may still be lost with it.
                        line.kind != "queue-operation" && line.timestamp >= since
                    })
            };
            text.lines().rev().any(tells)
        };
        entries.iter().filter(is_in).cloned().collect()
    }
}

fn beginning(event: &Event) -> String {
    notice::beginning(event.draft.task.name.as_str())
}
