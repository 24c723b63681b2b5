//! A session of opencode whose server the dispatcher names.

use super::{by, inbox_of};
use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

const SESSION: &str = "opencode:ses_child";

/// What was asked of a server: the method and the path, what authorizes it, the body.
type Asked = (String, Option<String>, Value);

/// A server on loopback that answers as opencode does, or refuses everybody; and what it is asked.
fn serve(refuses: bool) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("has an address"));
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody comes");
            let mut reader = BufReader::new(stream.try_clone().expect("is cloned"));
            let mut lines = reader.by_ref().lines().map(|line| line.expect("is text"));
            let first = lines.next().expect("a request");
            let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let header = |name: &str| {
                let found = head.iter().filter_map(|line| line.split_once(": "));
                found.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|it| it.1)
            };
            let length = header("content-length").map_or(0, |it| it.parse().expect("a number"));
            let mut body = vec![0; length];
            let login = header("authorization").map(str::to_owned);
            reader.read_exact(&mut body).expect("the body");
            let path = first.trim_end_matches(" HTTP/1.1").to_owned();
            let answer = match path.as_str() {
                _ if refuses => ("401 Unauthorized", json!({})),
                "GET /session/ses_child" => {
                    ("200 OK", json!({"id": "ses_child", "parentID": "ses_root"}))
                }
                "GET /session/ses_root" => ("200 OK", json!({"id": "ses_root", "agent": "plan"})),
                "POST /session/ses_root/prompt_async" => ("204 No Content", Value::Null),
                other => panic!("asked for {other}"),
            };
            let text = if answer.1.is_null() { String::new() } else { answer.1.to_string() };
            let (status, length) = (answer.0, text.len());
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
            )
            .expect("answers");
            let body = serde_json::from_slice(&body).unwrap_or_default();
            if sender.send((path, login, body)).is_err() {
                return;
            }
        }
    });
    (url, asked)
}

fn dispatch(sandbox: &Sandbox, repo: &TestRepo<'_>, server: &str) {
    let line = ["dispatch", "--name", "t", "--", &sandbox.agent("edit_only")];
    let mut command = by(repo, SESSION, &line);
    command.env("OFFSHOOT_OPENCODE_SERVER", server).env("OPENCODE_SERVER_PASSWORD", "word");
    sandbox.finish_command(&mut command).ok();
    repo.offshoot(&["wait", "t"]).ok();
    wait_until("somebody is told", || !repo.task("t")["told"].is_null());
}

#[test]
fn the_session_that_a_subagent_works_for_is_told_in_its_own_mode() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (server, asked) = serve(false);
    dispatch(&sandbox, &repo, &server);
    let (_, _, message) = asked.iter().nth(2).expect("the third is the message");
    assert_eq!(message["agent"], "plan");
    assert!(
        text(&message["parts"][0]["text"]).starts_with("[offshoot] t completed in "),
        "{message}"
    );
    let told = &repo.task("t")["told"][0];
    assert_eq!((&told["channel"], &told["delivered"]), (&json!("opencode"), &json!(true)));
    wait_until("an empty inbox", || inbox_of(&sandbox, &repo, SESSION).is_empty());
}

#[test]
fn a_server_that_refuses_leaves_the_entry_and_the_task_as_they_are() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (server, asked) = serve(true);
    dispatch(&sandbox, &repo, &server);
    let (_, login, _) = asked.iter().next().expect("it was asked");
    assert_eq!(login.as_deref(), Some("Basic b3BlbmNvZGU6d29yZA=="), "opencode:word");
    let task = repo.task("t");
    assert_eq!(
        (&task["state"], &task["told"][0]["delivered"]),
        (&json!("completed"), &json!(false))
    );
    assert_eq!(task["warnings"][0]["kind"], "not_told");
    assert!(!task.to_string().contains("word\""), "{task}");
    assert_eq!(inbox_of(&sandbox, &repo, SESSION), ["t"]);
}
