//! A table in a TOML file; comments and everything else stay as they are.

use crate::error::{Error, Result};
use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, value};

/// The text with the table in it.
pub(super) fn put(text: &str, [outer, inner]: [&str; 2], values: &Value) -> Result<String> {
    let mut document = parse(text)?;
    let around = document.entry(outer).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let around = around
        .as_table_like_mut()
        .ok_or_else(|| Error::refused(format!("`{outer}` in it is no table")))?;
    let wanted = table(values);
    let there = around.get(inner).and_then(Item::as_table_like);
    // The person may have added keys of their own; only ours are set.
    if there.is_none() {
        around.insert(inner, Item::Table(Table::new()));
    }
    let target = around
        .get_mut(inner)
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| Error::refused(format!("`{outer}.{inner}` in it is no table")))?;
    for (name, item) in wanted.iter() {
        let same = target.get(name).is_some_and(|there| plain(there) == plain(item));
        if !same {
            target.insert(name, item.clone());
        }
    }
    Ok(with_line_ends_of(text, &document))
}

/// The text without the table.
pub(super) fn take(text: &str, [outer, inner]: [&str; 2]) -> Result<String> {
    let mut document = parse(text)?;
    let Some(around) = document.get_mut(outer).and_then(Item::as_table_like_mut) else {
        return Ok(text.to_owned());
    };
    around.remove(inner);
    if around.is_empty() {
        document.remove(outer);
    }
    Ok(with_line_ends_of(text, &document))
}

/// The document as text. `toml_edit` keeps everything but line ends, of which it knows one kind.
fn with_line_ends_of(text: &str, document: &DocumentMut) -> String {
    let written = document.to_string();
    let is_windows = text.find('\n').is_some_and(|end| text[..end].ends_with('\r'));
    if is_windows { written.replace('\n', "\r\n") } else { written }
}

fn parse(text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|cause| Error::refused(format!("it is no TOML: {cause}")))
}

fn plain(item: &Item) -> String {
    item.to_string().split_whitespace().collect()
}

/// The values that we write are texts and lists of texts.
fn table(values: &Value) -> Table {
    let mut table = Table::new();
    for (name, it) in values.as_object().into_iter().flatten() {
        let item = match it {
            Value::Array(list) => value(list.iter().filter_map(Value::as_str).collect::<Array>()),
            other => value(other.as_str().unwrap_or_default()),
        };
        table.insert(name, item);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn line_ends_stay_of_their_kind() {
        let values = json!({"command": "offshoot"});
        let text = "# mine\r\nmodel = \"x\"\r\n\r\n[mcp_servers.other]\r\ncommand = \"o\"\r\n";
        let with = put(text, ["mcp_servers", "offshoot"], &values).expect("fits");
        assert_eq!(with, format!("{text}\r\n[mcp_servers.offshoot]\r\ncommand = \"offshoot\"\r\n"));
        assert_eq!(put(&with, ["mcp_servers", "offshoot"], &values).expect("fits"), with);
        assert_eq!(take(&with, ["mcp_servers", "offshoot"]).expect("comes out"), text);
    }

    #[test]
    fn comments_survive_and_the_table_comes_out_again() {
        let values = json!({"command": "offshoot", "args": ["mcp"]});
        let texts = [
            "",
            "# mine\nmodel = \"x\" # behind\n\n[mcp_servers.other] # o\ncommand = \"o\"\n",
            "model = \"x\"\n[mcp_servers]\nother = { command = \"o\" }\n",
        ];
        for text in texts {
            let with = put(text, ["mcp_servers", "offshoot"], &values).expect("fits");
            assert!(
                with.contains("[mcp_servers.offshoot]\ncommand = \"offshoot\"\nargs = [\"mcp\"]"),
                "{with}"
            );
            assert_eq!(put(&with, ["mcp_servers", "offshoot"], &values).expect("fits"), with);
            assert_eq!(take(&with, ["mcp_servers", "offshoot"]).expect("comes out"), text);
        }
        assert!(put("mcp_servers = 3", ["mcp_servers", "offshoot"], &values).is_err());
        assert!(put("x =", ["mcp_servers", "offshoot"], &values).is_err());
    }
}
