//! What forecasts came to, in one file that anybody may delete.
//!
//! It is read only whole: its first line is a sum of the rest, so that a file that was cut off, mixed
//! by two writers or edited by hand counts as none. Nothing is fsynced, since nothing is lost with it.

use super::Store;
use super::files::{self, Durability};
use crate::error::Result;
use crate::names::TaskId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;

/// The most that is kept, in bytes. What 100 open tasks of 20 paths come to takes about a third.
const MOST: usize = 1 << 20;

impl Store {
    /// Whether there is nothing that could be relied on.
    #[must_use]
    pub fn foresees_nothing(&self) -> bool {
        !self.layout.foreseen().exists()
    }

    /// What was kept, if it can be relied on.
    #[must_use]
    pub fn foreseen<T: DeserializeOwned>(&self) -> Option<T> {
        let text = fs::read_to_string(self.layout.foreseen()).ok()?;
        let (sum, body) = text.split_once('\n')?;
        if sum != sum_of(body) {
            return None;
        }
        files::from_json(body.as_bytes()).ok()
    }

    /// Keeps it instead of what was kept before, unless it is too large. Says whether it did.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn note_foreseen(&self, foreseen: &impl Serialize) -> Result<bool> {
        let body = files::to_json(foreseen)?;
        if body.len() > MOST {
            return Ok(false);
        }
        let body = String::from_utf8_lossy(&body);
        let text = format!("{}\n{body}", sum_of(&body));
        files::replace(&self.layout.foreseen(), text.as_bytes(), Durability::Crash)?;
        Ok(true)
    }
}

/// A UUID made from it (version 5, RFC 9562), which is a SHA-1.
fn sum_of(body: &str) -> String {
    TaskId::named_by(body).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::layout::Layout;
    use serde_json::{Value, json};

    #[test]
    fn what_was_cut_off_edited_or_is_too_large_counts_as_none() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::new(Layout::of(folder.path()), Clock);
        fs::create_dir_all(store.layout.root()).expect("a folder");
        let kept = json!({"schema": 1, "answer": "clean"});
        assert_eq!(store.foreseen::<Value>(), None);
        assert!(store.foresees_nothing());
        assert!(store.note_foreseen(&kept).expect("writes"));
        assert!(!store.foresees_nothing());
        assert_eq!(store.foreseen(), Some(kept.clone()));
        let file = store.layout.foreseen();
        let whole = fs::read_to_string(&file).expect("a file");
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).expect("writes");
            assert_eq!(store.foreseen::<Value>(), None, "{length}");
        }
        fs::write(&file, whole.replace("clean", "other")).expect("writes");
        assert_eq!(store.foreseen::<Value>(), None);
        fs::write(&file, &whole).expect("writes");
        let large = json!({"schema": 1, "answer": "x".repeat(MOST)});
        assert!(!store.note_foreseen(&large).expect("no error"));
        assert_eq!(store.foreseen(), Some(kept));
    }
}
