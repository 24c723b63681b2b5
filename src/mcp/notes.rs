//! Completions that a session has not been told of yet, and what agents ask meanwhile, as lines that go
//! along with any answer.
//!
//! They come from the inbox and stay there until somebody acknowledges them, so none is lost when an
//! answer does not arrive. A server tells each once; so it does when an answer shows the ended task.

use super::answer::Answer;
use crate::environment::Environment;
use crate::ops::processes::{self, Orphaned};
use serde_json::Value;
use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

/// The most lines that go along with one answer.
const MOST_LINES: usize = 10;

/// What this server has told: each completion by its task's id and its place in the journal.
#[derive(Default)]
pub(super) struct Told(Mutex<HashSet<String>>);

impl Told {
    /// Adds what is new to an answer. Where there is nothing to read there is nothing to tell.
    pub(super) async fn add_news(
        &self,
        answer: &mut Answer,
        place: Option<OsString>,
        environment: &Environment,
    ) {
        let words = ["inbox", "--json"].map(OsString::from);
        let line: Vec<OsString> = words.into_iter().chain(place).collect();
        let Ok(spoken) = processes::verb(&line, environment, Orphaned::Ends).await else { return };
        let inbox: Value = serde_json::from_slice(&spoken.answer).unwrap_or_default();
        let shown = shown_by(answer);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news: Vec<String> = Vec::new();
        for event in inbox["events"].as_array().into_iter().flatten() {
            let [id, name] = ["id", "name"].map(|key| event["task"][key].as_str().unwrap_or(""));
            let is_new = told.insert(format!("{id}:{}", event["cursor"]));
            if is_new && !shown.contains(id) && !shown.contains(name) {
                news.push(line_of(name, event));
            }
        }
        for asked in inbox["questions"].as_array().into_iter().flatten() {
            let [id, name] = ["id", "name"].map(|key| asked["task"][key].as_str().unwrap_or(""));
            let is_new = told.insert(format!("{id} asks in {}", asked["attempt"]));
            if is_new && !shown.contains(id) {
                news.push(format!(
                    "by the way: the agent of `{name}` asks something, or was not allowed something; \
                     `status` shows it"
                ));
            }
        }
        let more = news.len().saturating_sub(MOST_LINES);
        news.truncate(MOST_LINES);
        if more > 0 {
            news.push(format!("by the way: there are {more} more; `inbox` lists them"));
        }
        answer.notes.extend(news);
    }
}

/// Ids or names of tasks whose end, or question, the answer itself tells.
fn shown_by(answer: &Answer) -> HashSet<String> {
    let list = |key: &str| answer.document.get(key).and_then(Value::as_array).into_iter().flatten();
    let is_told = |task: &&Value| {
        let has_ended =
            matches!(task["state"].as_str(), Some("completed" | "failed" | "cancelled"));
        has_ended || task["needs_input"].is_string()
    };
    let itself = Value::Object(answer.document.clone());
    let tasks = list("tasks").chain([&itself]).filter(is_told).map(|task| &task["id"]);
    let landed = list("landings").map(|landing| &landing["task"]);
    let events = list("events").map(|event| &event["task"]["id"]);
    tasks.chain(landed).chain(events).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn line_of(name: &str, event: &Value) -> String {
    let state = event["state"].as_str().unwrap_or("ended");
    let figures = ["files", "insertions", "deletions"].map(|key| event["diff"][key].as_u64());
    let figures = match figures {
        [Some(1), Some(plus), Some(minus)] => format!(": 1 file, +{plus} -{minus}"),
        [Some(files @ 1..), Some(plus), Some(minus)] => {
            format!(": {files} files, +{plus} -{minus}")
        }
        _ => String::new(),
    };
    format!("by the way: `{name}` just ended, {state}{figures}; `result` shows it")
}
