//! The HTTP server of opencode (1.18): a message for a session, taken when it answers with success.
//!
//! A session's agent and model go along, since a message without them is answered by the default agent: a session
//! that plans would begin to build. What was dispatched by a subagent is told to the session that it works for.

use crate::error::{Error, Result};
use crate::escape;
use base64::Engine as _;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// The most sessions above one of a subagent.
const DEEPEST_ANCESTOR: usize = 16;

/// A server, as it was reached last.
pub(super) struct Server<'a> {
    pub(super) url: &'a str,
    /// The user and the password of HTTP's basic authentication, where the server wants them.
    pub(super) login: Option<(&'a str, &'a str)>,
}

impl Server<'_> {
    /// Gives the session, or the one above it, a text.
    ///
    /// # Errors
    /// When the server cannot be reached, knows no such session, refuses, or takes longer than the limit.
    pub(super) fn tell(&self, session: &str, text: &str, limit: Duration) -> Result<()> {
        // A redirect or a proxy would carry the password elsewhere.
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(limit))
            .max_redirects(0)
            .proxy(None)
            .build()
            .into();
        let session = self.root(&agent, session)?;
        let id = session["id"].as_str().unwrap_or_default();
        let path = format!("/session/{id}/prompt_async");
        let mut request = agent.post(self.at(&path)).content_type("application/json");
        if let Some(login) = self.authorization() {
            request = request.header("authorization", login);
        }
        if let Some(folder) = session["directory"].as_str().filter(|folder| folder.is_ascii()) {
            request = request.header("x-opencode-directory", folder);
        }
        let body = message(&session, text).to_string();
        request.send(body.as_str()).map(drop).map_err(|cause| self.failed(&cause))
    }

    /// The session itself, or the one that has its subagents' words.
    fn root(&self, agent: &Agent, session: &str) -> Result<Value> {
        let mut session = self.session(agent, session)?;
        for _ in 0..DEEPEST_ANCESTOR {
            let Some(parent) = session["parentID"].as_str().filter(|id| super::is_plain(id)) else {
                break;
            };
            session = self.session(agent, parent)?;
        }
        Ok(session)
    }

    fn session(&self, agent: &Agent, id: &str) -> Result<Value> {
        let mut request = agent.get(self.at(&format!("/session/{id}")));
        if let Some(login) = self.authorization() {
            request = request.header("authorization", login);
        }
        let read = |mut answer: Response<ureq::Body>| answer.body_mut().read_to_vec();
        let answer = request.call().and_then(read).map_err(|cause| self.failed(&cause))?;
        let session: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if session["id"].as_str().is_some_and(super::is_plain) {
            return Ok(session);
        }
        Err(Error::refused(format!("what answers at `{}` is no opencode", escape::line(self.url))))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    fn authorization(&self) -> Option<String> {
        let (user, password) = self.login?;
        let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Some(format!("Basic {both}"))
    }

    fn failed(&self, cause: &ureq::Error) -> Error {
        let (url, cause) = (escape::line(self.url), escape::line(&cause.to_string()));
        Error::refused(format!("cannot tell the session at `{url}`: {cause}"))
    }
}

/// A message to a session, as somebody else's than the person's.
fn message(session: &Value, text: &str) -> Value {
    let mut body = json!({"parts": [{"type": "text", "synthetic": true, "text": text}]});
    if session["agent"].is_string() {
        body["agent"] = session["agent"].clone();
    }
    let model = &session["model"];
    let id = if model["id"].is_string() { &model["id"] } else { &model["modelID"] };
    if model["providerID"].is_string() && id.is_string() {
        body["model"] = json!({"providerID": model["providerID"], "modelID": id});
        if model["variant"].as_str().is_some_and(|variant| variant != "default") {
            body["variant"] = model["variant"].clone();
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_the_sessions_agent_and_model() {
        let model = json!({"id": "m", "providerID": "p", "variant": "high"});
        let body = message(&json!({"agent": "plan", "model": model}), "words");
        assert_eq!(body["agent"], "plan");
        assert_eq!(body["model"], json!({"providerID": "p", "modelID": "m"}));
        assert_eq!(body["variant"], "high");
        assert_eq!(body["parts"], json!([{"type": "text", "synthetic": true, "text": "words"}]));
        let bare = message(&json!({"id": "ses_1"}), "words");
        assert!(bare.get("agent").is_none() && bare.get("model").is_none(), "{bare}");
    }

    #[test]
    fn a_server_that_never_answers_is_given_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let url = format!("http://{}", silent.local_addr().expect("has an address"));
        let server = Server { url: &url, login: Some(("opencode", "secret")) };
        let error =
            server.tell("ses_1", "words", Duration::from_millis(50)).expect_err("no answer");
        assert!(error.message.contains(&url) && !error.message.contains("secret"), "{error:?}");
    }
}
