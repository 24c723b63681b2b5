"""The conversation of a main session, held with a coding agent itself against a scripted model.

Usage: e2e.py WAY AGENTS_PROGRAM PROGRAM FOLDER (`scripts/e2e` prepares them)

The person speaks through the agent's own interface; what the model answers stands in `the_script`. Every claim is
checked against what the agent keeps of its session, the records of offshoot, and git. Each wait has a limit.
"""

import fcntl
import glob
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "fixtures")
# Generous, since machines of CI are slow: nothing here waits for as long unless it is broken.
LIMIT = 60
NAMES = [f"task-{number}" for number in range(121, 126)]
# This one is given to an agent of the same kind, the others are commands.
DELEGATED = "task-123"


# An agent that is not allowed something, says so as Copilot does, and goes on behind a gate.
AGENT_THAT_ASKS = """[agents.asks]
stream = "copilot"
command = ["sh", "-c", 'echo "$0"; until [ -e "{gates}/asked" ]; do sleep 0.1; done',
           '{{"type":"tool.execution_complete","data":{{"success":false,"error":{{"code":"denied","message":"no"}}}}}}']
"""


class Untrue(Exception):
    """A claim that does not hold."""


class World:
    """A home of its own with a repository, a model, and everything that was started in it."""

    def __init__(self, way, agents_program, program, folder):
        agent = way.split("-")[0]
        self.way, self.agent, self.folder = way, agent, os.path.realpath(folder)
        self.home, self.repo = self.path("home"), self.path("repo")
        self.gates, self.started = self.path("gates"), []
        for made in ("bin", "home", "gates", "tmp"):
            os.makedirs(self.path(made))
        for name, path in ((agent, agents_program), ("offshoot", program)):
            os.symlink(os.path.abspath(path), self.path("bin", name))
        # Nothing of a surrounding session, and nothing of the person's.
        self.environment = {
            "PATH": self.path("bin") + ":" + os.environ["PATH"], "HOME": self.home, "TMPDIR": self.path("tmp"),
            "LANG": "C.UTF-8", "TERM": "dumb", "GIT_CONFIG_NOSYSTEM": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        self.write(".gitconfig", "[user]\nname = Session Person\nemail = person@example.invalid\n")
        self.write(".config/offshoot/config.toml", "max_parallel = 5\n" + AGENT_THAT_ASKS.format(gates=self.gates))
        self.run(os.path.join(FIXTURES, "repos/simple.sh"), self.repo, cwd=self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run(self, *words, cwd=None):
        done = subprocess.run(words, cwd=cwd or self.repo, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT)
        if done.returncode != 0:
            raise Untrue(f"`{' '.join(words)}` exited {done.returncode}: {done.stderr}")
        return done.stdout

    def start(self, name, *words, stdin=subprocess.DEVNULL):
        log = open(self.path(f"{name}.log"), "wb")
        child = subprocess.Popen(words, cwd=self.repo, env=self.environment, stdin=stdin, stdout=log, stderr=log,
                                 start_new_session=True)
        self.started.append(child)
        return child

    def start_on_terminal(self, name, *words):
        """Starts a program on a terminal of its own, and answers by what one types there."""
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 150, 0, 0))
        take_it = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        child = subprocess.Popen(words, cwd=self.repo, env={**self.environment, "TERM": "xterm-256color"}, stdin=its,
                                 stdout=its, stderr=its, start_new_session=True, preexec_fn=take_it)
        os.close(its)
        self.started.append(child)

        def keep():
            with open(self.path(f"{name}.log"), "wb", buffering=0) as log:
                try:
                    while shown := os.read(ours, 65536):
                        log.write(shown)
                except OSError:
                    pass  # It has gone, and its terminal with it.

        threading.Thread(target=keep, daemon=True).start()
        return ours

    def log(self, name):
        with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def seen(self):
        """What the model was told by anybody, by its own record; a text for each request."""
        log = self.path("model.jsonl")
        return [json.loads(line)["seen"] for line in lines(log)] if os.path.exists(log) else []

    def told(self):
        """What the model was told by us."""
        return [("told", text) for seen in self.seen() for text in re.findall(r"\[offshoot\] .*", seen)]

    def type_line(self, terminal, text):
        # As a person types: what comes in one piece is taken for something that was pasted, its end for a line's.
        for letter in text:
            os.write(terminal, letter.encode())
            time.sleep(0.02)

        before = len(self.seen())

        def is_heard():
            # A machine under load draws late, and until then the key counts as pasted too.
            os.write(terminal, b"\r")
            for _ in range(30):
                if len(self.seen()) > before:
                    return True
                time.sleep(0.1)
            return False

        time.sleep(1)
        until(f"the model hears {text!r}", is_heard)

    def start_model(self):
        with open(self.path("script.json"), "w", encoding="utf-8") as file:
            json.dump(the_script(self), file)
        self.start("model", os.path.join(FIXTURES, "model/server"), "--script", self.path("script.json"),
                   "--port-file", self.path("port"), "--log", self.path("model.jsonl"))
        until("the model listens", lambda: os.path.exists(self.path("port")))
        with open(self.path("port"), encoding="utf-8") as file:
            return file.read()

    def open_gate(self, *names):
        for name in names:
            open(os.path.join(self.gates, name), "w", encoding="utf-8").close()

    def tasks(self):
        return json.loads(self.run("offshoot", "list", "--all", "--json"))["tasks"]

    def states(self):
        return {task["name"]: task["state"] for task in self.tasks()}

    def until_the_inbox_is_empty(self):
        until("the inbox is empty",
              lambda: json.loads(self.run("offshoot", "inbox", "--all", "--json"))["events"] == [])

    def end(self):
        """Ends everything that was started here, and the tasks."""
        self.open_gate(*NAMES, "asked")
        for child in reversed(self.started):
            end_group(child)
        if os.path.isdir(self.repo):
            for verb in (["cancel"], ["wait"]):
                try:
                    open_ones = [name for name, state in self.states().items() if state != "completed"]
                    self.run("offshoot", *verb, *open_ones)
                except (Untrue, subprocess.TimeoutExpired):
                    pass

    def show_logs(self):
        for name in sorted(os.listdir(self.folder)):
            if name.endswith((".log", ".jsonl")):
                with open(self.path(name), "rb") as file:
                    end = file.read()[-3000:].decode(errors="replace")
                print(f"--- the end of {name}\n{end}", file=sys.stderr)


def end_group(child):
    for way in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, way)
            child.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


class Session:
    """What the sessions of all agents have in common."""

    # How an agent calls our tools, and what its model does besides behind the dispatches.
    tool = "mcp__offshoot__{}"
    waits = []
    session = None

    @classmethod
    def call(cls, verb, args):
        return {"tool": cls.tool.format(verb), "args": args}


class Opencode(Session):
    """A session of `opencode serve`, which runs plugins and MCP servers as its terminal interface does."""

    tool = "offshoot_{}"
    write = {"tool": "write", "args": {"filePath": "{cwd}/answer.txt", "content": "forty-two\n"}}

    def __init__(self, world, model):
        self.world = world
        self.settings = world.write(".config/opencode/opencode.jsonc", SETTINGS_OF_OPENCODE.replace("PORT", model))

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.server = self.world.start("opencode", "opencode", "serve", "--hostname", "127.0.0.1", "--port",
                                       str(port), "--print-logs")
        # Asked before it says so, it may leave the question open for ever.
        until("opencode listens", lambda: "listening on" in self.world.log("opencode"))
        # It fetches a package for plugins first, and gives up after a minute where there is no registry.
        self.session = self.http("/session", {}, limit=2 * LIMIT)["id"]

    def dispatch_as_a_job(self, *words, **environment):
        """A job dispatches in the name of the session."""
        environment = {**self.world.environment, "OFFSHOOT_PARENT": f"opencode:{self.session}", **environment}
        subprocess.run(["offshoot", "dispatch", *words], cwd=self.world.repo, env=environment, check=True,
                       timeout=LIMIT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def told_of_a_question(self):
        """The agent of a task is not allowed something while it runs."""
        self.dispatch_as_a_job("--name", "task-127", "--agent", "asks", "Ask.")
        until("the session is told of the question",
              lambda: find(self.said(), "told", r"^\[offshoot\] `task-127` asks something"))
        claim("what a task's agent asks is told while it runs", self.world.states()["task-127"] == "running")
        self.world.open_gate("asked")
        until("the session is told of the end", lambda: find(self.said(), "told", r"^\[offshoot\] task-127 completed"))
        self.world.until_the_inbox_is_empty()

    def told_by_its_server(self):
        """Without our plugin."""
        end_group(self.server)
        self.start()
        self.dispatch_as_a_job("--name", "task-126", "--", "true", OFFSHOOT_OPENCODE_SERVER=self.address)
        until("the session is told by its server, and answers",
              lambda: [who for who, _ in self.said()][:2] == ["told", "model"])
        claim("without the plugin a session is told by its server, which a job named",
              self.said()[0][1].startswith("[offshoot] task-126 completed in "))
        self.world.until_the_inbox_is_empty()

    def ask(self, text):
        self.http(f"/session/{self.session}/prompt_async", {"parts": [{"type": "text", "text": text}]})

    def said(self):
        """What was said so far: `(who, text)`, with who one of "user", "model", "told"."""
        said = []
        for message in self.http(f"/session/{self.session}/message"):
            for part in message["parts"]:
                if part["type"] == "text":
                    who = "model" if message["info"]["role"] == "assistant" else "user"
                    said.append(("told" if part.get("synthetic") else who, part["text"]))
        return said

    def http(self, path, body=None, limit=LIMIT):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=limit) as answer:
            text = answer.read()
        return json.loads(text) if text else None


# With `$schema`, which opencode would write into it otherwise.
SETTINGS_OF_OPENCODE = """{
  "$schema": "https://opencode.ai/config.json",
  // A model that says what a script tells it to.
  "model": "scripted/scripted",
  "small_model": "scripted/scripted",
  "autoupdate": false,
  "share": "disabled",
  "provider": {
    "scripted": {
      "npm": "@ai-sdk/openai-compatible",
      "options": {"baseURL": "http://127.0.0.1:PORT/v1", "apiKey": "none"},
      "models": {"scripted": {"tool_call": true, "limit": {"context": 200000, "output": 8000}}},
    },
  },
}
"""


class Claude(Session):
    """A session of `claude` on a terminal; a hook that waits wakes it while it is idle."""

    write = {"tool": "Write", "args": {"file_path": "{cwd}/answer.txt", "content": "forty-two\n"}}

    def __init__(self, world, model):
        self.world = world
        self.settings = world.write(".claude/settings.json", '{"includeCoAuthoredBy": false}\n')
        # What the first start asks, answered.
        world.write(".claude.json", json.dumps({
            "hasCompletedOnboarding": True, "customApiKeyResponses": {"approved": ["test"], "rejected": []},
            "projects": {world.repo: {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}}}))
        world.environment.update({"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model}", "ANTHROPIC_API_KEY": "test"})

    def start(self):
        self.session = self.world.start_on_terminal("claude", "claude", "--allowedTools", "mcp__offshoot")
        until("Claude Code listens", lambda: "shortcuts" in self.world.log("claude"))

    def ask(self, text):
        self.world.type_line(self.session, text)

    def said(self):
        """What the model was told and what it said: `(who, text)`, first all that it was told."""
        said = self.world.told()
        folder = re.sub("[^A-Za-z0-9]", "-", self.world.repo)
        for path in glob.glob(os.path.join(self.world.home, ".claude/projects", folder, "*.jsonl")):
            for message in map(json.loads, lines(path)):
                if message.get("type") == "assistant":
                    said += [("model", part["text"]) for part in message["message"]["content"]
                             if part["type"] == "text"]
        return said


class Gemini(Session):
    """A session of `gemini` on a terminal; what wakes it while it is idle are waits in the background."""

    tool = "mcp_offshoot_{}"
    write = {"tool": "write_file", "args": {"file_path": "{cwd}/answer.txt", "content": "forty-two\n"}}
    waits = [{"tool": "run_shell_command", "args": {"command": f"offshoot wait {name}",
                                                    "is_background": True}} for name in NAMES]

    def __init__(self, world, model):
        self.world = world
        self.settings = world.write(".gemini/settings.json", SETTINGS_OF_GEMINI)
        # It hands no key of its environment on to tools, and so to tasks.
        world.write(".gemini/.env", f"GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:{model}\nGEMINI_API_KEY=test\n")

    def start(self):
        self.session = self.world.start_on_terminal("gemini", "gemini", "--yolo")
        # With the number of servers, since it says so too while it is still asking them.
        until("Gemini listens", lambda: "1 MCP server" in self.world.log("gemini"))

    def ask(self, text):
        # What is typed amid its work becomes a part of that.
        until("Gemini is idle", lambda: all(
            message["type"] == "gemini" and message["content"] for message in self.messages()[-1:]))
        self.world.type_line(self.session, text)

    def said(self):
        """What the model was told and what it said: `(who, text)`, first all that it was told."""
        return self.world.told() + [("model", message["content"]) for message in self.messages()
                                    if message["type"] == "gemini"]

    def messages(self):
        paths = glob.glob(os.path.join(self.world.home, ".gemini/tmp/repo/chats/*.jsonl"))
        kept = [json.loads(line) for path in paths for line in lines(path)]
        return list({message["id"]: message for message in kept if "id" in message}.values())


SETTINGS_OF_GEMINI = """{
  // A model that says what a script tells it to.
  "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
  "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
  "privacy": {"usageStatisticsEnabled": false},
  "model": {"name": "gemini-2.5-flash"}
}
"""


class ClaudePrint(Claude):
    """A session of `claude -p` that is spoken to on standard input. Its hooks tell of ends; what wakes it while it is
    idle are waits in the background, which its model starts behind the dispatches."""

    waits = [{"tool": "Bash", "args": {"command": f"offshoot wait {name}", "description": f"wait for {name}",
                                       "run_in_background": True}} for name in NAMES]

    def start(self):
        self.session = self.world.start(
            "claude", "claude", "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
            "--allowedTools", "mcp__offshoot,Bash(offshoot wait:*)", stdin=subprocess.PIPE)

    def ask(self, text):
        message = {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": text}]}}
        self.session.stdin.write(json.dumps(message).encode() + b"\n")
        self.session.stdin.flush()

    def said(self):
        """What the model was told and what it said: `(who, text)`, first all that it was told."""
        said = self.world.told()
        for line in lines(self.world.path("claude.log")):
            message = json.loads(line) if line.startswith('{"type":"assistant"') else {"message": {"content": []}}
            said += [("model", part["text"]) for part in message["message"]["content"] if part["type"] == "text"]
        return said


class Codex(Session):
    """A thread of `codex app-server`, which is what its terminal interface runs on; woken by `codex queue`."""

    call = staticmethod(lambda verb, args: {"tool": verb, "namespace": "mcp__offshoot", "args": args})
    write = {"tool": "exec_command", "args": {"cmd": "echo forty-two > answer.txt"}}
    asked = 0

    def __init__(self, world, model):
        self.world = world
        settings = SETTINGS_OF_CODEX.replace("PORT", model).replace("REPO", world.repo)
        self.settings = world.write(".codex/config.toml", settings)

    def start(self):
        # What a person allows who does not want to be asked before each tool.
        allowed = 'mcp_servers.offshoot.default_tools_approval_mode="approve"'
        self.server = self.world.start("codex", "codex", "app-server", "-c", allowed, stdin=subprocess.PIPE)
        self.request("initialize", {"clientInfo": {"name": "e2e", "version": "1"}})
        self.send({"method": "initialized"})
        self.session = self.request("thread/start", {"cwd": self.world.repo})["thread"]["id"]

    def ask(self, text):
        self.request("turn/start", {"threadId": self.session, "input": [{"type": "text", "text": text}]})

    def said(self):
        """What the model was told and what it said: `(who, text)`, first all that it was told."""
        done = [message["params"]["item"] for message in self.heard() if message.get("method") == "item/completed"]
        return self.world.told() + [("model", item["text"]) for item in done if item["type"] == "agentMessage"]

    def request(self, method, parameters):
        self.asked += 1
        number = self.asked
        self.send({"id": number, "method": method, "params": parameters})
        is_answer = lambda message: message.get("id") == number and "method" not in message
        answer = until(f"Codex answers {method}", lambda: next(filter(is_answer, self.heard()), None))
        if "result" not in answer:
            raise Untrue(f"Codex refused {method}: {answer}")
        return answer["result"]

    def send(self, message):
        self.server.stdin.write(json.dumps(message).encode() + b"\n")
        self.server.stdin.flush()

    def heard(self):
        return [json.loads(line) for line in lines(self.world.path("codex.log")) if line.startswith("{")]


SETTINGS_OF_CODEX = """# A model that says what a script tells it to.
model = "scripted"
model_provider = "scripted"
approval_policy = "never"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:PORT/v1"
wire_api = "responses"

[projects."REPO"]
trust_level = "trusted"
"""

AGENTS = {"opencode": Opencode, "claude": Claude, "claude-print": ClaudePrint, "codex": Codex, "gemini": Gemini}


def the_script(world):
    """What the model says to whom."""
    kind = AGENTS[world.way]
    call = lambda verb, **args: kind.call(verb, args)

    def dispatch(name):
        if name == DELEGATED:
            return call("dispatch", name=name, agent=world.agent, prompt="Write down the answer.")
        held = 'until [ -e "$0" ]; do sleep 0.1; done; echo done > "$1.txt"'
        return call("dispatch", name=name, command=["sh", "-c", held, os.path.join(world.gates, name), name])

    rules = {
        # The main session.
        "these five things": [[dispatch(name) for name in NAMES],
                              [{"text": "Dispatched: {seen:\"id\": ?\"([0-9a-f-]+)\"}"}, *kind.waits]],
        "seven times six": [[{"text": "Forty-two."}]],
        "How far": [[call("list")], [{"text": "{count:\"state\": ?\"completed\"} of 5 completed"}]],
        "Pause (task-125)": [[call("pause", tasks=["task-125"])],
                             [{"text": "It is {seen:\"state\": ?\"(\\w+)\"} now."}]],
        "Resume (task-125)": [[call("resume", tasks=["task-125"])],
                              [{"text": "It is {seen:\"state\": ?\"(\\w+)\"} again."}]],
        "Land task-123": [[call("merge", tasks=[DELEGATED])], [{"text": "It is {seen:\"verdict\": ?\"(\\w+)\"}."}]],
        r"\[offshoot\] task-": [[call("result", task=r"{seen:\[offshoot\] (task-\d+) completed}")],
                                [{"text": "By the way, {seen:\"name\": ?\"(task-\\d+)\"} just completed."}]],
        # The agent of the task.
        # By how its line begins: what it is about may also stand in what the main session is told.
        "(?m)^\\W?Write down": [[{"wait_for": os.path.join(world.gates, DELEGATED)}, kind.write],
                       [{"text": "It is written down."}]],
        "(?m)^\\W?Say once more": [[{"text": "It stands there."}]],
    }
    return {"rules": [{"when": when, "turns": turns} for when, turns in rules.items()]}


def converse(world, session):
    def ask(text, pattern):
        # Whatever is asked here is answered in words of its own.
        session.ask(text)
        return until(f"the answer to {text!r}", lambda: find(session.said(), "model", pattern))

    def told(name):
        until(f"the session is told of {name}",
              lambda: find(session.said(), "told", rf"(?m)^\[offshoot\] {name} completed in "))

    answer = ask("Have these five things done in the background, please.", "^Dispatched: ")
    claim("five tasks were dispatched through the tools", sorted(world.states()) == NAMES)
    claim("the person is told an id", answer.split()[1] in [task["id"] for task in world.tasks()])
    until("all run", lambda: set(world.states().values()) == {"running"})
    ask("Meanwhile, say what seven times six is.", "Forty-two")
    claim("the conversation goes on while all five run", set(world.states().values()) == {"running"})

    world.open_gate("task-121")
    told("task-121")
    by_the_way(session, "task-121")
    claim("the first end wakes the idle session, which reads the result and says so", True)
    world.open_gate("task-122", "task-124")
    for name in ("task-122", "task-124"):
        told(name)
    by_the_way(session, "task-12[24]")
    claim("two ends at the same time are both told", True)
    ask("How far are they, please.", "^3 of 5 completed$")
    claim("asked how far they are, it says: 3 of 5 completed", True)

    ask("Pause task-125, please.", "^It is paused now")
    claim("a task is paused by asking", world.states()["task-125"] == "paused")
    ask("Resume task-125, please.", "^It is (running|paused) again")
    until("it runs again", lambda: world.states()["task-125"] == "running")
    claim("and resumed by asking", True)
    world.open_gate("task-125")
    told("task-125")

    world.open_gate(DELEGATED)
    told(DELEGATED)
    by_the_way(session, DELEGATED)
    claim(f"by the way, {DELEGATED} just completed: another {world.agent} did it", True)
    ask("Land task-123, please.", "^It is landed")
    answer = world.run("git", "show", "main:answer.txt")
    claim("its work is on main and in the checkout", answer == "forty-two\n"
          and os.path.exists(os.path.join(world.repo, "answer.txt"))
          and world.run("git", "status", "--porcelain") == "")
    tellings = "\n".join(text for who, text in session.said() if who == "told")
    claim("every end was told exactly once",
          sorted(re.findall(r"(?m)^\[offshoot\] (\S+) completed", tellings)) == NAMES)
    world.until_the_inbox_is_empty()
    claim("and the inbox is empty", True)


def follow_up(world):
    """A person sends a task of the agent's a message."""
    world.run("offshoot", "dispatch", "--wait", "--name", "task-128", "--agent", world.agent, "Write down the answer.")
    task = lambda: json.loads(world.run("offshoot", "status", "--json", "task-128"))
    first = task()
    world.run("offshoot", "send", "task-128", "Say once more what it is.")
    world.run("offshoot", "wait", "task-128")
    second = task()
    claim("a message goes on in the conversation of the task's agent",
          [it["message"] for it in (first, second)] == ["It is written down.", "It stands there."]
          and first["session"] and first["session"] == second["session"] and len(second["attempts"]) == 2)
    world.run("offshoot", "inbox", "--ack")


def by_the_way(session, name):
    until(f"it says that {name} completed",
          lambda: find(session.said(), "model", f"^By the way, {name} just completed"))


def find(said, who, pattern):
    return next((text for one, text in said if one == who and re.search(pattern, text)), None)


def lines(path):
    """The whole lines of a file that is being written."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line for line in file if line.endswith("\n")]


def claim(what, holds):
    if not holds:
        raise Untrue(f"not true: {what}")
    print(f"ok: {what}", flush=True)


def until(what, condition):
    deadline, trouble = time.monotonic() + LIMIT, ""
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError as error:
            trouble = f" ({error})"
        time.sleep(0.1)
    raise Untrue(f"waited {LIMIT} s in vain until {what}{trouble}")


def main(way, agents_program, program, folder):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    world = World(way, agents_program, program, folder)
    agent = world.agent
    session = None
    try:
        session = AGENTS[way](world, world.start_model())
        with open(session.settings, "rb") as file:
            before = file.read()
        world.run("offshoot", "setup", agent)
        session.start()
        converse(world, session)
        follow_up(world)
        if way == "opencode":
            session.told_of_a_question()
        world.run("offshoot", "setup", agent, "--remove")
        with open(session.settings, "rb") as file:
            after = file.read()
        if after != before:
            print(after.decode(errors="replace"), file=sys.stderr)
        claim("`setup --remove` brings the person's settings back to the byte", after == before)
        if way == "opencode":
            session.told_by_its_server()
    except (Untrue, subprocess.TimeoutExpired, OSError) as error:
        print(f"e2e {way}: {error}", file=sys.stderr)
        if session and session.session:
            for who, text in session.said():
                print(f"    {who}: {text}", file=sys.stderr)
        world.show_logs()
        sys.exit(1)
    finally:
        world.end()
    version = world.run(agent, "--version").strip()
    print(f"e2e {way}: every claim holds with {version}")


main(*sys.argv[1:])
