"""A conversation with `offshoot mcp` by the official Python SDK, whose own checks of the protocol run
along: dispatch, a second call while one waits, result, refusal, landing, and each of the other tools. Every
answer, a refusal too, is what its tool's output schema says.

Usage: mcp_client.py PROGRAM REPOSITORY (`scripts/mcp-client` prepares both)
"""

import json
import os
import subprocess
import sys

import anyio
from jsonschema import Draft202012Validator
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def converse(session):
    hello = await session.initialize()
    assert "Do not poll" in hello.instructions, hello
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    for tool in tools.values():
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
    answered = set()

    async def call(tool, /, **arguments):
        # What a model would have been held to.
        Draft202012Validator(tools[tool].input_schema).validate(arguments)
        answer = await session.call_tool(tool, arguments)
        Draft202012Validator(tools[tool].output_schema).validate(answer.structured_content)
        # What a schema leaves open must not hide what it does not know.
        known = json.dumps(tools[tool].output_schema)
        strange = [key for key in answer.structured_content if f'"{key}"' not in known and key != "notes"]
        assert not strange, (tool, strange)
        answered.add(tool)
        if not answer.is_error:
            assert json.loads(answer.content[0].text) == answer.structured_content, answer
        return answer

    async def document(tool, /, **arguments):
        answer = await call(tool, **arguments)
        assert not answer.is_error, answer
        return answer.structured_content

    gate = os.path.abspath("gate")
    held = ["sh", "-c", 'until [ -e "$0" ]; do sleep 0.1; done; echo 1 > new.txt', gate]
    task = await document("dispatch", name="held", command=held, timeout="2m", priority=1)
    assert task["name"] == "held" and task["state"] in ("pending", "running"), task

    waited = {}
    async with anyio.create_task_group() as calls:

        async def wait():
            waited.update(await document("wait", tasks=["held"], timeout="50s"))

        calls.start_soon(wait)
        listed = await document("list")
        assert [it["name"] for it in listed["tasks"]] == ["held"] and not waited, listed
        open(gate, "w").close()
    assert waited["tasks"][0]["state"] == "completed", waited

    result = await document("result", task="held")
    assert result["diff"]["files"] == 1 and result["forecast"]["verdict"] == "clean", result
    refused = await call("merge", tasks=["nobody"])
    assert refused.is_error and refused.structured_content["error"]["kind"] == "not_found", refused
    assert refused.content[0].text.startswith("error: no task `nobody`"), refused
    landed = await document("merge", tasks=["held"])
    assert landed["landings"][0]["verdict"] == "landed", landed
    await call_the_others(document, call)
    assert answered == set(tools), set(tools) - answered
    return len(tools)


async def call_the_others(document, call):
    failing = ["sh", "-c", "echo 2 > new.txt; echo two; exit 3"]
    await document("dispatch", name="red", command=failing, verify="false", context="a note", claim=["new.txt"])
    await document("wait", tasks=["red"])
    logs = await document("logs", task="red")
    assert [line["line"] for line in logs["lines"]] == ["two"], logs
    changed = await document("diff", task="red")
    assert changed["patches"][0]["hunks"][0]["lines"], changed
    forecast = await document("forecast", tasks=["red"])
    assert forecast["order"] == ["red"], forecast
    rejected = await call("merge", tasks=["red"])
    assert rejected.structured_content["landings"][0]["verdict"] == "verify_failed", rejected
    applied = await document("apply", task="red")
    assert applied["applied"]["paths"] == ["new.txt"], applied
    subprocess.run(["git", "checkout", "-q", "."], check=True)
    await document("retry", task="red")
    await document("wait", tasks=["red"])
    landed = await document("rebase", tasks=["red"], no_verify_cmd=True)
    assert landed["landings"][0]["verdict"] == "landed", landed
    undone = await document("undo")
    assert undone["landings"][0]["verdict"] == "undone", undone
    await document("discard", tasks=["red"])
    await document("restore", tasks=["red"])
    await document("send", task="red", message="once more")
    await document("wait", tasks=["red"])
    conflicting = ["sh", "-c", "echo 3 > new.txt"]
    await document("dispatch", name="other", command=conflicting)
    await document("wait", tasks=["other"])
    long = await document("dispatch", name="long", command=["sleep", "600"], priority=-1)
    await document("pause", tasks=["long"])
    shown = await document("status", task="long")
    assert shown["state"] == "paused" and shown["id"] == long["id"], shown
    await document("resume", tasks=["long"])
    await document("cancel", tasks=["long"])
    assert (await call("priority", priority=3, tasks=["long"])).is_error
    locked = await document("lock_acquire", paths=["src"], owner="me", purpose="a test", **{"for": "1h"})
    assert locked["locks"][0]["owner"] == "me", locked
    assert (await document("lock_list"))["locks"], "it is held"
    await document("lock_release", owner="me")
    inbox = await document("inbox")
    assert any(event["outcome"]["kind"] == "exited" for event in inbox["events"]), inbox
    assert len((await document("events", since=0))["events"]) > len(inbox["events"])
    await call("doctor")
    await document("gc", dry_run=True)


async def main(program, repository):
    os.chdir(repository)
    server = StdioServerParameters(command=program, args=["mcp"], env=dict(os.environ))
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        tools = await converse(session)
    print(f"mcp-client: {tools} tools, a task dispatched, awaited, read and landed by the Python SDK")


anyio.run(main, *sys.argv[1:])
