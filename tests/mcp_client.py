"""A conversation with `offshoot mcp` by the official Python SDK, whose own checks of the protocol run
along: dispatch, a second call while one waits, result, refusal, landing.

Usage: mcp_client.py PROGRAM REPOSITORY (`scripts/mcp-client` prepares both)
"""

import json
import os
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

    async def call(tool, /, **arguments):
        # What a model would have been held to.
        Draft202012Validator(tools[tool].input_schema).validate(arguments)
        answer = await session.call_tool(tool, arguments)
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
    return len(tools)


async def main(program, repository):
    os.chdir(repository)
    server = StdioServerParameters(command=program, args=["mcp"], env=dict(os.environ))
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        tools = await converse(session)
    print(f"mcp-client: {tools} tools, a task dispatched, awaited, read and landed by the Python SDK")


anyio.run(main, *sys.argv[1:])
