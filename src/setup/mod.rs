//! The door to coding agents' own files: what `setup` writes into them, and takes out again.
//!
//! Data first: [`pieces`] says for each agent which file gets what. A piece is a whole file of ours, or
//! entries in a file of the person's, whose every other byte, comments included, stays as it is
//! (`jsonc.rs`, `tables.rs`). `kept.rs` writes, keeps what was there, and brings it back. Plugin and
//! skill lie beside this file in their own languages.
//!
//! Deliberately absent: starting any agent, and any setting that would let an agent do more than it may.

mod jsonc;
mod kept;
mod tables;

pub use kept::Kept;

use crate::environment::Environment;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const OPENCODE_PLUGIN: &str = include_str!("opencode.js");
const SKILL: &str = include_str!("SKILL.md");

/// What in the plugin stands for our program.
const PROGRAM_IN_PLUGIN: &str = "const PROGRAM = \"offshoot\"";

/// The events of Claude Code and of Codex whose hooks can tell a session something.
const EVENTS: [(&str, Matcher); 4] = [
    ("PostToolUse", Some("*")),
    ("UserPromptSubmit", None),
    ("Stop", None),
    ("SessionStart", None),
];

/// The same of Gemini; by the first our tools get to know which session calls them.
const GEMINI_EVENTS: [(&str, Matcher); 5] = [
    ("BeforeTool", Some("mcp_offshoot_.*")),
    ("AfterTool", Some("*")),
    ("BeforeAgent", None),
    ("AfterAgent", None),
    ("SessionStart", None),
];

/// The tools that a hook is called for, where it is one for tools.
type Matcher = Option<&'static str>;

const GEMINI_WHAT: &str =
    "the MCP server, hooks, and two settings by which a command in the background wakes a session";

/// How many seconds a hook of Claude Code may wait for an end. Its timers count milliseconds in 31 bits.
const LONGEST_WAIT: u32 = 14 * 24 * 60 * 60;

/// An agent that offshoot can be tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// opencode.
    Opencode,
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Agent {
    /// Its name, as presets and sessions have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opencode => "opencode",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }
}

/// For whom an agent is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The person, everywhere.
    Person,
    /// Everybody in the repository with this main worktree; nothing that runs by itself.
    Repository(PathBuf),
}

/// One thing to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The file.
    pub path: PathBuf,
    /// What it is, in words.
    pub what: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    /// All of it.
    Whole(String),
    /// Entries in a JSON file that may have comments.
    Json(Vec<Entry>),
    /// One table of a TOML file.
    Toml { table: [&'static str; 2], values: Value },
}

/// An entry in a JSON file.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    /// A property, by the names that lead to it.
    Property(Vec<&'static str>, Value),
    /// A setting of the agent's, which stays as it is where the person has set it.
    Default(Vec<&'static str>, Value),
    /// An element of the list to which the names lead; what holds all of `ours` in one string is an
    /// earlier one of ours.
    Element { list: Vec<&'static str>, value: Value, ours: [String; 2] },
}

impl Piece {
    /// The file's text with the piece in it; the same text where it is there already.
    ///
    /// # Errors
    /// `refused` when the file is not in its own format.
    pub fn put_into(&self, text: Option<&str>) -> Result<String> {
        let done = match &self.content {
            Content::Whole(whole) => Ok(whole.clone()),
            Content::Json(entries) => jsonc::put(text.unwrap_or_default(), entries),
            Content::Toml { table, values } => {
                tables::put(text.unwrap_or_default(), *table, values)
            }
        };
        done.map_err(|error| self.refuse(error))
    }

    /// The file's text without the piece; none when nothing else is in it, and the text as it is when
    /// the person has made it their own. `before` is what was in it before the piece was.
    ///
    /// # Errors
    /// `refused` when the file is not in its own format.
    pub fn take_out_of(&self, text: &str, before: Option<&str>) -> Result<Option<String>> {
        let done = match &self.content {
            Content::Whole(whole) if whole == text => Ok(None),
            Content::Whole(_) => Ok(Some(text.to_owned())),
            Content::Json(entries) => jsonc::take(text, before, entries).map(Some),
            Content::Toml { table, .. } => tables::take(text, *table).map(Some),
        };
        done.map_err(|error| self.refuse(error))
    }

    /// Whether the whole file is ours.
    fn is_whole(&self) -> bool {
        matches!(self.content, Content::Whole(_))
    }

    fn refuse(&self, error: Error) -> Error {
        let path = self.path.display();
        Error::refused(format!("cannot change `{path}`: {}", error.message))
            .hint(mend_first(&self.path))
    }
}

fn mend_first(path: &Path) -> String {
    format!("mend `{}` first; nothing was written", path.display())
}

/// Where a person keeps things.
struct Homes<'a> {
    environment: &'a Environment,
    home: PathBuf,
}

impl<'a> Homes<'a> {
    fn of(environment: &'a Environment) -> Result<Self> {
        let home = environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| {
            Error::refused("there is no home to set anything up in")
                .hint("set `HOME` to an absolute path")
        })?;
        Ok(Self { environment, home })
    }

    /// The folder that a variable names, else one in the home.
    fn folder(&self, variable: &str, otherwise: &str) -> PathBuf {
        let named = self.environment.get(variable).map(PathBuf::from);
        named.filter(|path| path.is_absolute()).unwrap_or_else(|| self.home.join(otherwise))
    }
}

/// What an agent is set up with; `program` is what its files call to reach offshoot.
///
/// # Errors
/// `refused` without a home.
pub fn pieces(
    agent: Agent,
    scope: &Scope,
    program: &str,
    environment: &Environment,
) -> Result<Vec<Piece>> {
    let homes = Homes::of(environment)?;
    let mut pieces = Vec::new();
    let root = match scope {
        Scope::Repository(root) => Some(root.as_path()),
        Scope::Person => None,
    };
    let place = |in_repository: &str, personal: PathBuf| {
        root.map_or(personal, |root| root.join(in_repository))
    };
    let hooks = |events: &[(&'static str, Matcher)], limit: u32| {
        events.iter().map(|event| hook(agent, program, *event, limit)).collect()
    };
    let is_personal = root.is_none();
    let stdio = json!({"command": program, "args": ["mcp"]});
    let server = |path, content| Piece { path, what: "the MCP server".to_owned(), content };
    let mut skills = homes.home.join(".agents/skills");
    match agent {
        Agent::Opencode => {
            let folder = homes.folder("XDG_CONFIG_HOME", ".config").join("opencode");
            let path = root.map_or_else(|| opencode_file(&folder), opencode_file);
            let value = json!({"type": "local", "command": [program, "mcp"], "enabled": true});
            let entry = Entry::Property(vec!["mcp", "offshoot"], value);
            pieces.push(server(path, Content::Json(vec![entry])));
            if is_personal {
                let program = format!("const PROGRAM = {}", json!(program));
                pieces.push(Piece {
                    path: folder.join("plugins/offshoot.js"),
                    what: "the plugin that tells sessions of ends".to_owned(),
                    content: Content::Whole(OPENCODE_PLUGIN.replace(PROGRAM_IN_PLUGIN, &program)),
                });
            }
        }
        Agent::Claude => {
            let folder = homes.folder("CLAUDE_CONFIG_DIR", ".claude");
            let personal = match environment.get("CLAUDE_CONFIG_DIR") {
                Some(_) => folder.join(".claude.json"),
                None => homes.home.join(".claude.json"),
            };
            let mut value = stdio;
            value["type"] = json!("stdio");
            let entry = Entry::Property(vec!["mcpServers", "offshoot"], value);
            pieces.push(server(place(".mcp.json", personal), Content::Json(vec![entry])));
            pieces.extend(
                is_personal.then(|| hooks_piece(folder.join("settings.json"), hooks(&EVENTS, 10))),
            );
            skills = folder.join("skills");
        }
        Agent::Codex => {
            let folder = homes.folder("CODEX_HOME", ".codex");
            let content = Content::Toml { table: ["mcp_servers", "offshoot"], values: stdio };
            pieces.push(server(place(".codex/config.toml", folder.join("config.toml")), content));
            pieces.extend(
                is_personal.then(|| hooks_piece(folder.join("hooks.json"), hooks(&EVENTS, 10))),
            );
        }
        Agent::Gemini => {
            let path = place(".gemini/settings.json", homes.home.join(".gemini/settings.json"));
            let mut entries = vec![Entry::Property(vec!["mcpServers", "offshoot"], stdio)];
            if is_personal {
                // Gemini counts milliseconds.
                let hooks: Vec<Entry> = hooks(&GEMINI_EVENTS, 10_000);
                entries.extend(hooks);
                entries.extend(gemini_settings());
            }
            let what = if is_personal { GEMINI_WHAT } else { "the MCP server" };
            pieces.push(Piece { path, what: what.to_owned(), content: Content::Json(entries) });
        }
    }
    let in_repository = if agent == Agent::Claude { ".claude/skills" } else { ".agents/skills" };
    pieces.push(Piece {
        path: place(in_repository, skills).join("offshoot/SKILL.md"),
        what: "the skill that tells a model how to use offshoot".to_owned(),
        content: Content::Whole(SKILL.to_owned()),
    });
    Ok(pieces)
}

fn hooks_piece(path: PathBuf, entries: Vec<Entry>) -> Piece {
    let what = "hooks that tell sessions of ends".to_owned();
    Piece { path, what, content: Content::Json(entries) }
}

/// opencode reads any of these; the first is what it writes itself.
fn opencode_file(folder: &Path) -> PathBuf {
    let names = ["opencode.json", "opencode.jsonc"];
    let there = names.iter().map(|name| folder.join(name)).find(|path| path.exists());
    there.unwrap_or_else(|| folder.join("opencode.json"))
}

/// What has the end of a command in the background told to an idle session (0.61; both are off by default):
/// the first puts its output before the model, the second lets that begin a turn.
fn gemini_settings() -> [Entry; 2] {
    [
        Entry::Default(vec!["tools", "shell", "backgroundCompletionBehavior"], json!("inject")),
        Entry::Default(vec!["experimental", "modelSteering"], json!(true)),
    ]
}

/// The hook for one event.
fn hook(
    agent: Agent,
    program: &str,
    (event, matcher): (&'static str, Matcher),
    limit: u32,
) -> Entry {
    let command = format!("{} hook {}", shell_word(program), agent.as_str());
    let ours = ["offshoot".to_owned(), format!(" hook {}", agent.as_str())];
    let mut value = json!({"hooks": [{"type": "command", "command": command, "timeout": limit}]});
    if agent == Agent::Claude && event == "Stop" {
        let waits = json!({
            "type": "command", "command": format!("{command} --wait"), "timeout": LONGEST_WAIT,
            // An agent that does not know the second takes the first: it is never kept from stopping.
            "async": true, "asyncRewake": true,
            "rewakeMessage": "offshoot tells:", "rewakeSummary": "offshoot: a task has ended",
        });
        value["hooks"].as_array_mut().expect("invariant: a list").push(waits);
    }
    if let Some(tools) = matcher {
        value = json!({"matcher": tools, "hooks": value["hooks"]});
    }
    Entry::Element { list: vec!["hooks", event], value, ours }
}

/// A word for a POSIX shell.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
