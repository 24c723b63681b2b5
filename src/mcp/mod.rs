//! The verbs as tools of coding agents, over the Model Context Protocol on standard input and output.
//!
//! Nothing is decided here: a tool call becomes a command line (`tools`, made from clap's declaration,
//! which the command line's face hands in), a process of ours carries it out with `--json`, and what
//! it says is the tool's answer (`answer`). So both faces take the same arguments and give the same
//! documents, today's and tomorrow's. Completions that the session was not told of go along (`notes`).
//! Standard output carries the protocol and nothing else. Deliberately absent: anything that acts on
//! `notifications/cancelled` but the waiting itself (opencode sends it after every finished call).

mod answer;
mod notes;
mod schemas;
mod tools;
mod words;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::ops::processes::{self, Orphaned, Spoken};
use answer::Answer;
use notes::Told;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse,
    Implementation, JsonObject, ListPromptsResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use tools::VerbTool;

/// How often a client that asked for it hears that a call is still being carried out; clients give
/// up after 30 s to 60 s of silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Serves until standard input ends. `declared` is clap's declaration of the verbs, every argument a long
/// option; `directory` is where calls act that name none.
///
/// # Errors
/// `io` when the system refuses what a server needs, or the client does not speak the protocol.
pub fn serve(
    declared: clap::Command,
    duration: fn(&str) -> Result<Duration, String>,
    directory: Option<PathBuf>,
    environment: Environment,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| Error::io("start to serve", &cause))?;
    let tools = tools::of(declared, duration);
    let server = Server { tools, directory, environment, told: Told::default() };
    let served = runtime.block_on(async {
        let client = match server.serve(rmcp::transport::stdio_pipes()).await {
            // Nobody was there.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            other => other.map_err(|cause| failed(&cause))?,
        };
        client.waiting().await.map(drop).map_err(|cause| failed(&cause))
    });
    // A client that closed only our output leaves a thread that reads its input for ever.
    runtime.shutdown_background();
    served
}

fn failed(cause: &dyn std::fmt::Display) -> Error {
    Error::new(crate::error::ErrorKind::Io, format!("cannot serve on standard input: {cause}"))
        .hint("`offshoot mcp --help` says how an agent is told of it")
}

struct Server {
    tools: Vec<VerbTool>,
    directory: Option<PathBuf>,
    environment: Environment,
    told: Told,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let offers = ServerCapabilities::builder().enable_tools().enable_prompts().build();
        ServerConfig::new(offers)
            .with_server_info(Implementation::new("offshoot", env!("CARGO_PKG_VERSION")))
            .with_instructions(words::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.iter().map(VerbTool::described).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        client: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = self.tools.iter().find(|tool| tool.name == request.name).ok_or_else(|| {
            ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None)
        })?;
        let arguments = request.arguments.unwrap_or_default();
        let answer = match self.carry_out(tool, &arguments, &client).await {
            Ok(answer) => answer,
            Err(error) => Answer::refusal(&error),
        };
        Ok(answer.into_result().into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(words::prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let prompt = words::prompt(&request.name, &arguments).ok_or_else(|| {
            ErrorData::invalid_params(format!("there is no prompt `{}`", request.name), None)
        })?;
        Ok(prompt.into())
    }
}

impl Server {
    async fn carry_out(
        &self,
        tool: &VerbTool,
        arguments: &JsonObject,
        client: &RequestContext<RoleServer>,
    ) -> Result<Answer> {
        let line = tool.command_line(arguments, self.directory.as_deref())?;
        let environment = self.environment_of(arguments, client)?;
        let spoken = self.speak(&line, &environment, tool, client).await?;
        let mut answer = Answer::of(tool, &spoken);
        // Whoever gave the call up does not see the answer, so the next one tells them.
        if !client.ct.is_cancelled() {
            let place = tools::directory(arguments, self.directory.as_deref())?;
            self.told.add_news(&mut answer, place, &environment).await;
        }
        Ok(answer)
    }

    /// The verb's process, while the client hears that it goes on.
    async fn speak(
        &self,
        line: &[OsString],
        environment: &Environment,
        tool: &VerbTool,
        client: &RequestContext<RoleServer>,
    ) -> Result<Spoken> {
        let orphaned = if tool.only_looks() { Orphaned::Ends } else { Orphaned::GoesOn };
        let verb = processes::verb(line, environment, orphaned);
        tokio::pin!(verb);
        let mut ticks = tokio::time::interval(SIGN_OF_LIFE);
        ticks.tick().await;
        let mut seconds = 0.0;
        loop {
            tokio::select! {
                spoken = &mut verb => return spoken,
                () = client.ct.cancelled(), if orphaned == Orphaned::Ends => {
                    return Err(Error::refused("the call was given up; no task was touched"));
                }
                _ = ticks.tick() => {
                    seconds += SIGN_OF_LIFE.as_secs_f64();
                    if let Some(token) = client.meta.get_progress_token() {
                        let sign = ProgressNotificationParam::new(token, seconds);
                        // A client that is gone is noticed elsewhere.
                        let _ = client.peer.notify_progress(sign).await;
                    }
                }
            }
        }
    }

    /// The environment of a call: the server's, with the session that calls where the call tells it.
    fn environment_of(
        &self,
        arguments: &JsonObject,
        client: &RequestContext<RoleServer>,
    ) -> Result<Environment> {
        let codex = client.meta.get("threadId").and_then(|id| id.as_str());
        let parent = match arguments.get(tools::PARENT) {
            None => codex.map(|thread| format!("codex:{thread}")),
            Some(given) => Some(
                given
                    .as_str()
                    .filter(|text| !text.is_empty() && !text.contains(char::is_control))
                    .ok_or_else(|| {
                        Error::usage("`parent` is no session, such as `opencode:ses_1`")
                    })?
                    .to_owned(),
            ),
        };
        let mut environment = self.environment.clone();
        if let Some(parent) = parent {
            environment.set("OFFSHOOT_PARENT", parent);
        }
        Ok(environment)
    }
}
