//! What tools answer, as JSON schemas, made from the very types of `--json`.
//!
//! Clients check an answer against them, one of an error too, and refuse what does not fit; so either document fits,
//! and `notes` beside them do. Descriptions are left out: the README has them, and a list of tools is read often.

use crate::view::{
    AppliedDocument, ErrorDocument, EventList, FindingList, ForecastReport, FreedList, InboxList,
    LandingList, LockList, LogLine, PatchList, TaskList, TaskView,
};
use rmcp::model::JsonObject;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// What `logs` prints line by line, in one.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted; `answer` makes the document of its parts")]
struct LogDocument {
    schema: u32,
    lines: Vec<LogLine>,
}

/// The schema of what a tool answers; none for a tool that has no document of its own.
pub(super) fn of_answer(tool: &str) -> Option<JsonObject> {
    Some(match tool {
        "dispatch" | "status" | "result" | "send" | "retry" => schema::<TaskView>(),
        "list" | "wait" | "cancel" | "pause" | "resume" | "priority" | "discard" | "restore" => {
            schema::<TaskList<'static>>()
        }
        "merge" | "rebase" | "undo" => schema::<LandingList<'static>>(),
        "apply" => schema::<AppliedDocument<'static>>(),
        "diff" => schema::<PatchList<'static>>(),
        "logs" => schema::<LogDocument>(),
        "forecast" => schema::<ForecastReport>(),
        "inbox" => schema::<InboxList<'static>>(),
        "events" => schema::<EventList<'static>>(),
        "lock_acquire" | "lock_release" | "lock_list" => schema::<LockList>(),
        "doctor" => schema::<FindingList<'static>>(),
        "gc" => schema::<FreedList<'static>>(),
        _ => return None,
    })
}

fn schema<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator: SchemaGenerator =
        settings.with_transform(RecursiveTransform(shorten)).into_generator();
    let either =
        [generator.subschema_for::<T>(), generator.subschema_for::<ErrorDocument<'static>>()];
    let definitions = generator.take_definitions(true);
    let mut whole = JsonObject::new();
    // The protocol wants an object at the root.
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("anyOf".to_owned(), json!(either));
    whole.insert("$defs".to_owned(), Value::Object(definitions));
    whole
}

/// Without words for people, and without formats of numbers, of which clients know nothing; words to choose from in
/// one list.
fn shorten(schema: &mut Schema) {
    for key in ["description", "title", "format"] {
        schema.remove(key);
    }
    let choices = schema.get("oneOf").and_then(Value::as_array);
    let words: Option<Vec<Value>> = choices.and_then(|choices| {
        let word = |choice: &Value| choice.get("const").filter(|word| word.is_string()).cloned();
        choices.iter().map(word).collect()
    });
    if let Some(words) = words {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), json!("string"));
        schema.insert("enum".to_owned(), Value::Array(words));
    }
}
