//! The scripted model answers in each of the forms in which agents ask.

use crate::sandbox::{Sandbox, fixtures, wait_until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// One request; all that comes back.
fn ask(port: u16, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    answer
}

#[test]
fn the_model_says_its_script_in_every_form() {
    let sandbox = Sandbox::new();
    let (script, port_file) = (sandbox.root().join("script.json"), sandbox.root().join("port"));
    let turns = json!([[{"tool": "t", "args": {"x": "{seen:fix (\\w+)}"}}], [{"text": "end"}]]);
    let rules = json!({"rules": [{"when": "fix", "turns": turns}], "title": "a name"});
    std::fs::write(&script, rules.to_string()).expect("it can be written");
    let server = fixtures().join("model/server").display().to_string();
    let mut command = sandbox.command(&server);
    command.arg("--script").arg(&script).arg("--port-file").arg(&port_file);
    let mut server = command.spawn().expect("Python 3 is there");
    wait_until("the model", || port_file.exists());
    let port = std::fs::read_to_string(&port_file).expect("it is there").parse().expect("a port");

    let said = [json!({"role": "user", "content": "fix this"})];
    let after = [said[0].clone(), json!({"role": "assistant", "content": "…"})];
    let chat = |messages: &[Value], tools: Value| {
        let body = json!({"model": "m", "stream": true, "messages": messages, "tools": tools});
        ask(port, "/v1/chat/completions", &body)
    };
    let one = json!([{"type": "function", "function": {"name": "t"}}]);
    assert!(chat(&said, one.clone()).contains(r#""arguments": "{\"x\": \"this\"}""#));
    assert!(chat(&after, one).contains(r#""content": "end""#));
    assert!(chat(&said, json!([])).contains(r#""content": "a ""#), "a title for who has no tools");
    let tools = json!([{"name": "t"}]);
    let body = json!({"model": "m", "stream": true, "messages": said, "tools": tools});
    let answer = ask(port, "/v1/messages", &body);
    assert!(answer.contains("event: message_stop") && answer.contains("tool_use"), "{answer}");
    let body = json!({"model": "m", "stream": true, "input": said, "tools": tools});
    let answer = ask(port, "/v1/responses", &body);
    assert!(answer.contains("event: response.completed"), "{answer}");
    let contents = json!([{"role": "user", "parts": [{"text": "fix this"}]}]);
    let body = json!({"contents": contents, "tools": [{"functionDeclarations": tools}]});
    let answer = ask(port, "/v1beta/models/m:generateContent", &body);
    assert!(answer.contains(r#""functionCall": {"name": "t", "args": {"x": "this"}}"#), "{answer}");

    server.kill().expect("it is ours");
    server.wait().expect("it has ended");
}
