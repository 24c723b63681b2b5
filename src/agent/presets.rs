//! The agents that are known, as data. What stands here was tried with the programs themselves, but for
//! amp (its options only: it wants to log in), cursor-agent and goose, whose documentation was read.
//!
//! A prompt stands behind `--` or in the word of its option, so that none is read as an option.

use crate::task::{Preset, StreamKind};

/// A known agent.
pub(super) struct Known {
    pub(super) name: &'static str,
    command: &'static str,
    go_on: &'static str,
    model: &'static str,
    stream: StreamKind,
    /// How to get it.
    pub(super) install: &'static str,
}

impl Known {
    pub(super) fn preset(&self) -> Preset {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Preset {
            command: words(self.command),
            go_on: words(self.go_on),
            model: words(self.model),
            stream: Some(self.stream),
            env: Default::default(),
        }
    }
}

/// The agent of that name.
pub(super) fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

pub(super) const KNOWN: &[Known] = &[
    Known {
        name: "opencode",
        command: "opencode run --format json {model} -- {prompt}",
        go_on: "opencode run --session {session} --format json {model} -- {prompt}",
        model: "--model={model}",
        stream: StreamKind::Opencode,
        install: "npm install -g opencode-ai",
    },
    Known {
        name: "claude",
        command: "claude --print --output-format stream-json --verbose --permission-mode acceptEdits \
                  --session-id {session} {model} -- {prompt}",
        go_on: "claude --print --output-format stream-json --verbose --permission-mode acceptEdits \
                --resume {session} {model} -- {prompt}",
        model: "--model={model}",
        stream: StreamKind::Claude,
        install: "npm install -g @anthropic-ai/claude-code",
    },
    Known {
        name: "codex",
        command: "codex exec --json --sandbox workspace-write {model} -- {prompt}",
        go_on: "codex exec --json --sandbox workspace-write {model} resume {session} -- {prompt}",
        model: "--model={model}",
        stream: StreamKind::Codex,
        install: "npm install -g @openai/codex",
    },
    Known {
        name: "gemini",
        command: "gemini --output-format stream-json --yolo --skip-trust --session-id {session} \
                  {model} --prompt={prompt}",
        go_on: "gemini --output-format stream-json --yolo --skip-trust --resume {session} {model} \
                --prompt={prompt}",
        model: "--model={model}",
        stream: StreamKind::Gemini,
        install: "npm install -g @google/gemini-cli",
    },
    Known {
        name: "copilot",
        command: "copilot --output-format json --allow-all-tools --session-id={session} {model} \
                  --prompt={prompt}",
        go_on: "copilot --output-format json --allow-all-tools --resume={session} {model} \
                --prompt={prompt}",
        model: "--model={model}",
        stream: StreamKind::Copilot,
        install: "npm install -g @github/copilot",
    },
    Known {
        name: "amp",
        command: "amp --dangerously-allow-all --execute={prompt}",
        go_on: "",
        model: "",
        stream: StreamKind::Text,
        install: "npm install -g @sourcegraph/amp",
    },
    Known {
        name: "cursor-agent",
        command: "cursor-agent --print --output-format text --force --trust {model} -- {prompt}",
        go_on: "",
        model: "--model={model}",
        stream: StreamKind::Text,
        install: "curl https://cursor.com/install -fsS | bash",
    },
    Known {
        name: "aider",
        command: "aider --yes-always --no-auto-commits --no-check-update {model} --message={prompt}",
        go_on: "",
        model: "--model={model}",
        stream: StreamKind::Text,
        install: "python -m pip install aider-install && aider-install",
    },
    Known {
        name: "goose",
        command: "goose run --name {session} {model} --text={prompt}",
        go_on: "goose run --name {session} --resume {model} --text={prompt}",
        model: "--model={model}",
        stream: StreamKind::Text,
        install: "https://block.github.io/goose/docs/getting-started/installation",
    },
];
