//! What a whole stream comes to.

use super::{Line, Said};
use crate::task::Usage;

/// The longest message and reason that are kept, in bytes.
const LONGEST: usize = 64 * 1024;

/// What an agent's run came to, as the agent itself tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The id of its conversation.
    pub session: Option<String>,
    /// Its last message.
    pub message: Option<String>,
    /// Why it failed, if it says that it did.
    pub failure: Option<String>,
    /// What it asked, or was not allowed, with nobody there to answer.
    pub asks: Option<String>,
    /// What it took.
    pub usage: Option<Usage>,
    /// What went wrong last.
    trouble: Option<String>,
    /// The message in the making.
    current: String,
    /// Whether another piece belongs to the message in the making.
    in_pieces: bool,
}

impl Report {
    /// Takes a line into account.
    pub fn take(&mut self, line: &Line) {
        if let Line::Said(said) = line {
            said.iter().for_each(|said| self.hear(said));
        }
    }

    fn hear(&mut self, said: &Said) {
        match said {
            Said::Session(id) if !id.is_empty() => self.session = Some(kept(id)),
            Said::Session(_) => {}
            Said::Turn | Said::Uses { .. } => {
                self.current.clear();
                self.in_pieces = false;
            }
            Said::Words(words) => self.say(words, "\n\n"),
            Said::Piece(piece) => {
                self.say(piece, if self.in_pieces { "" } else { "\n\n" });
                self.in_pieces = true;
            }
            Said::Asks(question) => self.asks = Some(kept(question)),
            Said::Trouble(words) => self.trouble = Some(kept(words)),
            Said::Refused(_) => {}
            Said::Took(usage) => {
                let sum = self.usage.get_or_insert_default();
                sum.input_tokens = sum.input_tokens.saturating_add(usage.input_tokens);
                sum.output_tokens = sum.output_tokens.saturating_add(usage.output_tokens);
                sum.cost_usd = match (sum.cost_usd, usage.cost_usd) {
                    (Some(one), Some(other)) => Some(one + other),
                    (one, other) => one.or(other),
                };
            }
            Said::TookInAll(usage) => self.usage = Some(*usage),
            Said::Done(answer) => {
                self.failure = None;
                if let Some(answer) = answer.as_ref().filter(|answer| !answer.trim().is_empty()) {
                    self.message = Some(kept(answer));
                }
            }
            Said::Failed(why) => {
                let why = Some(why.as_str()).filter(|why| !why.trim().is_empty()).map(kept);
                let why = why.or_else(|| self.trouble.clone());
                self.failure = Some(why.unwrap_or_else(|| "it says that it failed".to_owned()));
            }
        }
    }

    fn say(&mut self, words: &str, between: &str) {
        if words.is_empty() || self.current.len() > LONGEST {
            return;
        }
        if !self.current.is_empty() {
            self.current.push_str(between);
        }
        self.current.push_str(words);
        if !self.current.trim().is_empty() {
            self.message = Some(kept(&self.current));
        }
    }
}

/// A text that is kept with the task, cut where it is longer than what is kept.
fn kept(text: &str) -> String {
    let text = text.trim();
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", &text[..end])
}
