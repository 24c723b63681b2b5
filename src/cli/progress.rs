//! A sign of life while something takes long: a spinner on standard error, only on a terminal, gone
//! when it is over.

use super::output::{Format, Output};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A spinner, or nothing where nobody looks. It goes away with its owner.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Says what is being waited for. A document on a terminal is read by a person too, but its
    /// reader may be a program that shares the terminal, so there is no spinner beside JSON.
    pub(super) fn start(output: &Output, message: &str) -> Self {
        let seen = output.format == Format::Text && output.has_onlooker();
        let bar = seen.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(message.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Says what is being waited for now.
    pub(super) fn say(&self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// It is over.
    pub(super) fn end(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
