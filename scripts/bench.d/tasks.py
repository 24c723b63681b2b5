"""Rows of tasks as such, worktrees of a handful of files: dispatch, start, many, history, what stays in memory."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import history
from figures import Row
from peers import Peers
from world import World, gate, say


def several(world: World) -> int | None:
    """How many pairs where a figure is of a few milliseconds, so that whatever else happens shows in it."""
    return max(world.runs, 25) if world.runs >= 5 else None


def dispatch(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """A durable dispatch beside pueue's `add`, which makes nothing durable."""
    say("dispatch: `true`")
    repo = world.small("small")
    os.chdir(repo)

    def ours(run: int) -> float:
        name = world.name("d")
        took = world.timed(world.program, "dispatch", "--name", name, "--", "true")
        world.run(world.program, "wait", name)
        world.quiet()
        return took

    def pueue(run: int) -> float:
        took = peers.pueue_add("true")
        peers.pueue_done()
        return took

    def floor(run: int) -> float:
        return world.timed("true") + int(world.run(world.phases, "durable-floor", world.work / "at"))

    def aid(run: int) -> float:
        return peers.aid_run(repo, "true")

    others = [(side, it) for side, it in (("pueue", pueue), ("ai-dispatch", aid)) if peers.has(side)]
    mine, floors, *rest = world.turns(ours, floor, *(it for _, it in others), runs=several(world))
    named = dict(zip((side for side, _ in others), rest))
    theirs = named.pop("pueue", [])
    return [Row("dispatch", "`dispatch` of `true`", mine, "`pueue add`", theirs, 1.3, floors, named)]


def begin(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """From the start of the dispatching command to the agent's first instruction."""
    say("begin: from dispatch to the agent, a small repository")
    repo, at = world.small("small"), world.work / "at/begin"
    os.chdir(repo)

    def ours(run: int) -> float:
        name, begun = world.name("b"), time.time_ns()
        world.run(world.program, "dispatch", "--name", name, "--", world.phases, "now", at)
        took = world.began(begun, at)
        world.run(world.program, "wait", name)
        world.quiet()
        return took

    def pueue(run: int) -> float:
        begun = time.time_ns()
        peers.pueue_add(world.phases, "now", at)
        took = world.began(begun, at)
        peers.pueue_done()
        return took

    def floor(run: int) -> float:
        begun = time.time_ns()
        world.run(world.phases, "now", at)
        return world.began(begun, at)

    def aid(run: int) -> float:
        begun = time.time_ns()
        peers.aid_run(repo, world.phases, "now", at)
        return world.began(begun, at)

    others = [(side, it) for side, it in (("pueue", pueue), ("ai-dispatch", aid)) if peers.has(side)]
    # Pueue looks for work every 300 ms, so its figure is any between nothing and that.
    mine, floors, *rest = world.turns(ours, floor, *(it for _, it in others), runs=several(world))
    named = dict(zip((side for side, _ in others), rest))
    theirs = named.pop("pueue", [])
    what = "`dispatch` to the agent's first instruction, small repository"
    return [Row("begin", what, mine, "`pueue add` to it", theirs, 0.1, floors, named)]


def many(world: World, peers: Peers, count: int) -> list[Row]:
    """Trivial tasks through two slots, from the first dispatch to the last end. One pair."""
    say(f"many: {count} × `true` through two slots")
    repo = world.small("many")
    os.chdir(repo)
    names = [world.name("m") for _ in range(count)]
    begun = time.perf_counter_ns()
    for name in names:
        world.run(world.program, "dispatch", "--name", name, "--", "true")
    world.run(world.program, "wait", *names)
    mine = time.perf_counter_ns() - begun
    ended = json.loads(world.run(world.program, "list", "--all", "--json"))["tasks"]
    gate(sum(task["state"] == "completed" for task in ended) == count, "not all tasks completed")
    world.quiet()
    theirs = []
    if peers.has("pueue"):
        begun = time.perf_counter_ns()
        for _ in range(count):
            world.run("pueue", "add", "--", "true")
        world.run("pueue", "wait", "--quiet")
        theirs.append(time.perf_counter_ns() - begun)
        world.run("pueue", "clean")
    floor = 0
    for _ in range(count):
        floor += world.timed("true") + int(world.run(world.phases, "durable-floor", world.work / "at"))
    what = f"{count} × `true` through two slots, dispatch included (one pair)"
    return [Row("many", what, [mine], "pueue", theirs, 1 / 15, [floor / 2])]


def ended(world: World, peers: Peers, count: int) -> list[Row]:
    """Verbs with a history of ended and landed tasks beside themselves with one such task."""
    say(f"ended: verbs with {count} ended tasks and with one")
    empty, full = world.small("empty"), world.small("full")
    for repo in (empty, full):
        world.run(world.program, "-C", repo, "run", "--name", "old", "--", "sh", "-c", "echo x >new")
        world.run(world.program, "-C", repo, "merge", "old")
        world.run(world.program, "-C", repo, "gc", OFFSHOOT_KEEP_FOLDERS_DAYS="0")
    world.quiet()
    history.multiply(world, full, "old", count)
    world.run(world.program, "-C", full, "inbox", "--ack")
    told = json.loads(world.run(world.program, "-C", full, "list", "--all", "--json"))["tasks"]
    gate(len(told) == count + 1 and all(task["landing"]["kind"] == "landed" for task in told), "tasks are missing")

    def row(name: str, what: str, target: float, *words: str) -> Row:
        def at(repo: Path):
            return lambda run: world.timed(world.program, "-C", repo, *words)

        mine, theirs, floors = world.turns(at(full), at(empty), lambda run: world.timed("true"))
        return Row(name, f"{what}, {count} ended tasks", mine, "with 1", theirs, target, floors)

    rows = [
        row("ended-list", "`list`", 2, "list"),
        row("ended-status", "`status` of one", 2, "status", "old"),
        row("ended-inbox", "`inbox`", 2, "inbox"),
    ]
    world.type('{"hook_event_name": "UserPromptSubmit", "session_id": "bench"}')
    rows.append(row("ended-hook", "the hook command", 2, "hook", "claude"))
    world.type("")
    mine = [world.timed(world.program, "-C", full, "list", "--all") for _ in range(world.runs)]
    limit = [20e6 * max(1, count / 10_000)] * len(mine)
    rows.append(Row("ended-all", f"`list --all`, {count} ended tasks", mine, "(limit)", limit, 1))

    def dispatches(repo: Path, named: bool = True):
        def one(run: int) -> float:
            option = ["--name", world.name("e")] if named else []
            took = world.timed(world.program, "-C", repo, "dispatch", *option, "--", "true")
            name = world.said().split()[0]
            world.run(world.program, "-C", repo, "wait", name)
            world.run(world.program, "-C", repo, "discard", name)
            world.quiet()
            return took

        return one

    mine, theirs = world.turns(dispatches(full), dispatches(empty))
    rows.append(Row("ended-dispatch", f"`dispatch`, {count} ended tasks", mine, "with 1", theirs, 1.2))
    alone, namesakes = world.small("alone"), world.small("namesakes")
    for repo in (alone, namesakes):
        world.run(world.program, "-C", repo, "run", "--", "true")
        world.run(world.program, "-C", repo, "inbox", "--ack")
    world.quiet()
    history.multiply(world, namesakes, "true", count)
    mine, theirs = world.turns(dispatches(namesakes, False), dispatches(alone, False))
    what = f"`dispatch` without a name beside {count} ended tasks of the same name"
    rows.append(Row("ended-namesakes", what, mine, "with 1", theirs, 1.2))
    findings = json.loads(world.run(world.program, "-C", full, "doctor", "--json"))["findings"]
    gate(findings == [], f"doctor finds {len(findings)} things wrong with the history: {findings[:2]}")
    return rows


def memory(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """What is there while a task runs, and while none does."""
    say("memory: of a running task")
    os.chdir(world.small("small"))
    at = world.work / "at/sleeper"
    idle = len(world.processes())
    begun = time.time_ns()
    script = '"$0" now "$1"; exec sleep 300'
    world.run(world.program, "dispatch", "--name", "sleeper", "--", "sh", "-c", script, world.phases, at)
    world.began(begun, at)
    time.sleep(0.5)
    found = world.processes()

    def private(pid: int) -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

    def ticks(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = {pid: ticks(pid) for pid in found}
    size = sum(private(pid) for pid in found)
    time.sleep(3)
    used = sum(ticks(pid) - before[pid] for pid in found) * 1000 / os.sysconf("SC_CLK_TCK")
    theirs = {"pueued": [private(peers.daemon)]} if peers.daemon else {}
    world.run(world.program, "cancel", "sleeper")
    world.quiet()
    gate(idle == 0, f"{idle} processes of offshoot live while nothing runs")
    # Less than that no clock tells.
    tick = 1000 / os.sysconf("SC_CLK_TCK")
    return [
        Row("memory", "private memory of a running task's processes", [size], "(limit)", [5120], 1, others=theirs, unit="KiB"),
        Row("processes", "processes of offshoot, one task running (0 while none does)", [len(found)], "(limit)", [2], 1, unit=""),
        Row("cpu-idle", "processor time of theirs in 3 s, nothing to do", [used], "(one tick)", [tick], 1, unit="ms"),
    ]  # fmt: skip
