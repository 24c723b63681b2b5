//! A client of the Model Context Protocol that knows no more of it than JSON on lines.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server, and a conversation with it; lives no longer than its sandbox.
pub(super) struct Client<'s> {
    server: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    replies: HashMap<u64, Value>,
    last: u64,
    /// What the server said of itself.
    pub(super) greeting: Value,
    sandbox: PhantomData<&'s ()>,
}

impl Client<'_> {
    /// Starts the server and shakes hands.
    pub(super) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut server = command.spawn().expect("the server starts");
        let output = BufReader::new(server.stdout.take().expect("it was asked for"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let input = server.stdin.take();
        let (replies, greeting, sandbox) = (HashMap::new(), Value::Null, PhantomData);
        let mut client = Self { server, input, lines, replies, last: 0, greeting, sandbox };
        let hello = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "a test", "version": "1"},
        });
        client.greeting = client.ask("initialize", &hello);
        client.tell("notifications/initialized", &json!({}));
        client
    }

    /// Sends a request and gives its number.
    pub(super) fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}));
        self.last
    }

    /// The whole reply to a request.
    pub(super) fn reply(&mut self, number: u64) -> Value {
        loop {
            if let Some(reply) = self.replies.remove(&number) {
                return reply;
            }
            let line = self.lines.recv_timeout(PATIENCE).expect("the server answers in time");
            let message: Value = serde_json::from_str(&line)
                .unwrap_or_else(|cause| panic!("no protocol ({cause}): {line}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
            if let Some(id) = message["id"].as_u64() {
                self.replies.insert(id, message);
            }
        }
    }

    /// Sends a request and gives its result.
    pub(super) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let number = self.request(method, params);
        let mut reply = self.reply(number);
        assert!(reply.get("error").is_none(), "{method} was answered {reply:#}");
        reply["result"].take()
    }

    /// Calls a tool, whatever comes of it.
    pub(super) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool, which must not refuse, and gives its document.
    pub(super) fn document(&mut self, tool: &str, arguments: &Value) -> Value {
        let mut result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{tool} {arguments} answered {result:#}");
        result["structuredContent"].take()
    }

    /// Sends a notification.
    pub(super) fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Closes the conversation; the server must end by itself.
    pub(super) fn hang_up(mut self) {
        self.input = None;
        let status = self.server.wait().expect("it can be waited for");
        assert!(status.success(), "the server left with {status}");
    }

    /// Kills the server.
    pub(super) fn kill(mut self) {
        self.server.kill().expect("it can be killed");
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("the conversation is open");
        writeln!(input, "{message}").expect("the server listens");
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.input = None;
        let _ended = self.server.wait();
    }
}
