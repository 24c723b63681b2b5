//! Entries in JSON files that may have comments and trailing commas; all else stays byte for byte.

use super::Entry;
use crate::error::{Error, Result};
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

/// The text with these entries in it.
pub(super) fn put(text: &str, entries: &[Entry]) -> Result<String> {
    let root = parse(if text.trim().is_empty() { "{}\n" } else { text })?;
    let top = root.object_value().ok_or_else(|| Error::refused("it holds no object"))?;
    for entry in entries {
        match entry {
            Entry::Property(names, value) => {
                let (name, folders) = names.split_last().expect("invariant: a name");
                let object = inner(&top, folders)?;
                match object.get(name) {
                    Some(there) if there.to_serde_value().as_ref() == Some(value) => {}
                    Some(there) => there.set_value(input(value)),
                    None => drop(object.append(name, input(value))),
                }
            }
            Entry::Default(names, value) => {
                let (name, folders) = names.split_last().expect("invariant: a name");
                let object = inner(&top, folders)?;
                if object.get(name).is_none() {
                    drop(object.append(name, input(value)));
                }
            }
            Entry::Element { list, value, ours } => {
                let (name, folders) = list.split_last().expect("invariant: a name");
                let object = inner(&top, folders)?;
                let list = match object.get(name) {
                    None => object.array_value_or_set(name),
                    Some(there) => there.array_value().ok_or_else(|| not(name, "a list"))?,
                };
                let mut there = list.elements().into_iter().filter(|it| is_ours(it, ours));
                match there.next() {
                    Some(element) if element.to_serde_value().as_ref() == Some(value) => {}
                    Some(element) => {
                        let index = element.element_index().unwrap_or_default();
                        element.remove();
                        list.insert(index, input(value));
                    }
                    None => drop(list.append(input(value))),
                }
            }
        }
    }
    Ok(root.to_string())
}

/// The text without these entries, and without what was left empty around them. What was there `before`
/// stays, empty or not, and so does a setting that is not as we set it.
pub(super) fn take(text: &str, before: Option<&str>, entries: &[Entry]) -> Result<String> {
    let root = parse(text)?;
    let Some(top) = root.object_value() else { return Ok(text.to_owned()) };
    // What cannot be read was not changed by us.
    let before: Option<Value> = before.and_then(|before| parse(before).ok()?.to_serde_value());
    let was_there = |names: &[&str]| {
        let pointer: String = names.iter().map(|name| format!("/{name}")).collect();
        before.as_ref().is_some_and(|before| before.pointer(&pointer).is_some())
    };
    for entry in entries {
        let names = match entry {
            Entry::Default(names, value) => {
                if was_there(names) || value_at(&top, names).as_ref() != Some(value) {
                    continue;
                }
                names
            }
            Entry::Property(names, _) | Entry::Element { list: names, .. } => names,
        };
        let (name, folders) = names.split_last().expect("invariant: a name");
        let Some(object) = folders.iter().try_fold(top.clone(), |it, name| it.object_value(name))
        else {
            continue;
        };
        let Some(property) = object.get(name) else { continue };
        match entry {
            Entry::Property(..) | Entry::Default(..) => property.remove(),
            Entry::Element { ours, .. } => {
                let Some(list) = property.array_value() else { continue };
                let elements = list.elements();
                let (gone, kept): (Vec<_>, Vec<_>) =
                    elements.into_iter().partition(|element| is_ours(element, ours));
                if kept.is_empty() && !gone.is_empty() && !was_there(names) {
                    property.remove();
                } else {
                    gone.into_iter().for_each(CstNode::remove);
                }
            }
        }
        drop_empty(&top, folders, &was_there);
    }
    Ok(root.to_string())
}

fn value_at(top: &CstObject, names: &[&str]) -> Option<Value> {
    let (name, folders) = names.split_last()?;
    let object = folders.iter().try_fold(top.clone(), |it, name| it.object_value(name))?;
    object.get(name)?.to_serde_value()
}

fn drop_empty(top: &CstObject, folders: &[&str], was_there: &impl Fn(&[&str]) -> bool) {
    for depth in (1..=folders.len()).rev() {
        let (name, above) = folders[..depth].split_last().expect("invariant: a name");
        let Some(object) = above.iter().try_fold(top.clone(), |it, name| it.object_value(name))
        else {
            return;
        };
        if let Some(property) = object.get(name)
            && property.object_value().is_some_and(|inner| inner.properties().is_empty())
            && !was_there(&folders[..depth])
        {
            property.remove();
        }
    }
}

fn parse(text: &str) -> Result<CstRootNode> {
    CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|cause| Error::refused(format!("it is no JSON: {cause}")))
}

fn inner(top: &CstObject, names: &[&str]) -> Result<CstObject> {
    names.iter().try_fold(top.clone(), |object, name| match object.get(name) {
        None => Ok(object.object_value_or_set(name)),
        Some(there) => there.object_value().ok_or_else(|| not(name, "an object")),
    })
}

fn not(name: &str, what: &str) -> Error {
    Error::refused(format!("`{name}` in it is not {what}"))
}

/// Whether some string in an element holds all the words.
fn is_ours(element: &CstNode, words: &[String]) -> bool {
    fn any(value: &Value, words: &[String]) -> bool {
        match value {
            Value::String(text) => words.iter().all(|word| text.contains(word.as_str())),
            Value::Array(values) => values.iter().any(|value| any(value, words)),
            Value::Object(values) => values.values().any(|value| any(value, words)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    element.to_serde_value().is_some_and(|value| any(&value, words))
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(value) => CstInputValue::Number(value.to_string()),
        Value::String(value) => CstInputValue::String(value.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::Object(values) => CstInputValue::Object(
            values.iter().map(|(name, value)| (name.clone(), input(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries() -> Vec<Entry> {
        let hook = json!({"hooks": [{"type": "command", "command": "offshoot hook claude"}]});
        vec![
            Entry::Property(vec!["mcp", "offshoot"], json!({"command": ["offshoot", "mcp"]})),
            Entry::Element {
                list: vec!["hooks", "Stop"],
                value: hook,
                ours: ["offshoot".to_owned(), " hook claude".to_owned()],
            },
        ]
    }

    #[test]
    fn comments_commas_and_order_survive_both_ways() {
        let texts = [
            "// mine\n{\n  // a comment\n  \"b\": 1, // behind\n  \"a\": [1, 2,],\n}\n",
            "{\n\t\"mcp\": {\n\t\t\"other\": {} /* keep */\n\t},\n\t\"hooks\": {\"Stop\": [{\"hooks\": []}]}\n}",
            "{\"x\":1}",
            "{ }\n",
            "{\"mcp\": {}, \"hooks\": {\"Stop\": []}}",
        ];
        for text in texts {
            let with = put(text, &entries()).expect("fits");
            assert!(with.contains("offshoot hook claude"), "{with}");
            assert_eq!(
                put(&with, &entries()).expect("fits"),
                with,
                "a second time changes nothing"
            );
            for line in ["// mine", "// a comment", "// behind", "/* keep */", "[1, 2,]"] {
                assert_eq!(with.contains(line), text.contains(line), "{with}");
            }
            let without = take(&with, Some(text), &entries()).expect("comes out");
            let value = |text: &str| parse(text).expect("is JSON").to_serde_value();
            assert_eq!(value(&without), value(text), "{without}");
        }
    }

    #[test]
    fn a_setting_of_the_persons_stays_whatever_it_is() {
        let ours = [Entry::Default(vec!["tools", "shell", "told"], json!(true))];
        for (text, is_added) in [
            ("{}", true),
            ("{\"tools\": {\"a\": 1}}", true),
            ("{\"tools\": {\"shell\": {\"told\": false}}}", false),
            ("{\"tools\": {\"shell\": {\"told\": true}}}", false),
        ] {
            let value = |text: &str| parse(text).expect("is JSON").to_serde_value();
            let with = put(text, &ours).expect("fits");
            assert_eq!(value(&with) != value(text), is_added, "{with}");
            let without = take(&with, Some(text), &ours).expect("comes out");
            assert_eq!(value(&without), value(text), "{without}");
            let changed = with.replace("true", "\"mine\"");
            assert_eq!(take(&changed, Some(text), &ours).expect("comes out"), changed);
        }
    }

    #[test]
    fn an_older_entry_of_ours_is_replaced_and_a_wrong_shape_refused() {
        let old = r#"{"hooks":{"Stop":[{"hooks":[{"command":"/old/offshoot hook claude"}]}]}}"#;
        let new = put(old, &entries()).expect("fits");
        assert!(!new.contains("/old/") && new.matches("hook claude").count() == 1, "{new}");
        for wrong in ["{", "[]", "{\"mcp\": 3}", "{\"hooks\": {\"Stop\": {}}}"] {
            assert!(put(wrong, &entries()).is_err(), "{wrong}");
        }
    }
}
