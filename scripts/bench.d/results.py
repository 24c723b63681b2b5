"""Rows of results: what a task changed, recorded and told, and what landing it would do."""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from pathlib import Path
from typing import Callable

from figures import Row
from peers import Peers
from world import World, gate, say
from worktrees import free_folders, git_adds, git_removes

OPEN_TASKS = 50


def plain_files(world: World, folder: Path) -> list[str]:
    """Those that are no symbolic links."""
    entries = world.run("git", "-C", folder, "ls-files", "-s").splitlines()
    return [line.split("\t", 1)[1] for line in entries if not line.startswith("120000")]


def edit(world: World, folder: Path, changed: int, salt: str) -> None:
    """Changes files that are spread over the tree, adds two and deletes one: what a task leaves."""
    paths = plain_files(world, folder)
    chosen = random.Random(salt).sample(paths, min(changed + 1, len(paths) // 2))
    for path in chosen[1:]:
        with open(folder / path, "a") as file:
            file.write(f"changed {salt}\n")
    (folder / chosen[0]).unlink()
    for number in range(2):
        (folder / f"added-{salt}-{number}").write_text(f"added {salt}\n" * 50)


def tree_by_git(world: World, folder: Path) -> str:
    """The tree that `git add --all` makes of a worktree, by an index that nobody else uses."""
    index = {"GIT_INDEX_FILE": str(world.work / "gate-index")}
    Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
    world.run("git", "-C", folder, "read-tree", "HEAD", **index)
    world.run("git", "-C", folder, "add", "--all", **index)
    return world.run("git", "-C", folder, "write-tree", **index)


def stat_floor(world: World, folder: Path) -> Callable[[int], float]:
    """What any program needs to ask for the state of each file."""
    return lambda run: int(world.run(world.phases, "stat-floor", folder))


def scan(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """What has changed in a worktree, 10 files of it, beside `git status`."""
    rows = []
    for files in sizes:
        say(f"scan: {files} files")
        repo, folder = world.repository(files), world.work / world.name("scan")
        world.run(world.phases, "worktree", repo, folder)
        edit(world, folder, 10, "scan")

        def ours(run: int) -> float:
            took = world.timed(world.phases, "scan", folder)
            trees.add(world.said())
            return took

        def git(run: int) -> float:
            took = world.timed("git", "-C", folder, "status", "--porcelain")
            gate(len(world.said().splitlines()) == 13, "git sees other changes than were made")
            return took

        trees: set[str] = set()
        mine, theirs, floors = world.turns(ours, git, stat_floor(world, folder))
        gate(trees == {tree_by_git(world, folder)}, "the tree of the worktree is another one than git's")
        wanted = 0.9 if files == 60000 else None
        what = f"what changed in a worktree of {files} files (13 did), as a tree"
        rows.append(Row(f"scan-{files}", what, mine, "`git status --porcelain`", theirs, wanted, floors))
        git_removes(world, repo, folder)
    return rows


def record(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """50 changed files committed, beside `git add` and `git commit`; then their figures."""
    rows = []
    for files in sizes:
        say(f"record: {files} files")
        repo = world.repository(files)
        mine_at, theirs_at = world.work / world.name("record"), world.work / world.name("git-record")
        world.run(world.phases, "worktree", repo, mine_at)
        git_adds(world, repo, theirs_at)
        numbers: list[list[float]] = [[], []]

        def ours(run: int) -> float:
            edit(world, mine_at, 50, f"ours{run}")
            before, tree = world.run("git", "-C", mine_at, "rev-parse", "HEAD"), tree_by_git(world, mine_at)
            took = world.timed(world.phases, "record", mine_at)
            made = world.run("git", "-C", mine_at, "rev-parse", "HEAD~1", "HEAD^{tree}").split()
            gate(made == [before, tree], "the commit is not what git would have made")
            gate(world.run("git", "-C", mine_at, "status", "--porcelain") == "", "the worktree is not clean")
            # As the index of a worktree that was made at this commit.
            shutil.copy2(mine_at.with_suffix(".index"), mine_at.with_suffix(".seed"))
            return took

        def git(run: int) -> float:
            edit(world, theirs_at, 50, f"git{run}")
            return world.timed("sh", "-c", 'cd "$0" && git add -A && git commit -qm leftovers', theirs_at)

        def figures(run: int) -> None:
            sides = [
                [world.phases, "changes", mine_at],
                ["git", "-C", mine_at, "diff", "--numstat", "HEAD~1", "HEAD"],
            ]
            answers = {}
            for side in (run % 2, 1 - run % 2):
                numbers[side].append(world.timed(*sides[side]))
                answers[side] = sorted(world.said().splitlines())
            gate(answers[0] == answers[1], "the figures are not git's")

        mine, theirs, floors = world.turns(ours, git, stat_floor(world, mine_at), after=figures)
        wanted = 0.65 if files >= 3000 else None
        what = f"50 changed files of {files} found, stored and committed"
        rows.append(Row(f"record-{files}", what, mine, "`git add -A && git commit`", theirs, wanted, floors))
        what = f"their figures ({files} files)"
        rows.append(Row(f"diff-{files}", what, numbers[0], "`git diff --numstat`", numbers[1]))
        for folder in (mine_at, theirs_at):
            world.run("git", "-C", folder, "fsck", "--no-dangling")
            git_removes(world, repo, folder)
    return rows


def end(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """The whole of a task's end: from the agent's last instruction until `wait` answers."""
    rows = []
    for files in sizes:
        say(f"end: {files} files")
        repo, at = world.repository(files), world.work / "at/end"
        folder = world.work / world.name("git-end")
        git_adds(world, repo, folder)
        script = 'at=$1; shift; for file; do echo x >>"$file"; done; echo y >added; exec "$0" now "$at"'
        changed = plain_files(world, repo)[::20][:10]

        def ours(run: int) -> float:
            name = world.name("end")
            agent = ["sh", "-c", script, world.phases, at, *changed]
            world.run(world.program, "-C", repo, "dispatch", "--name", name, "--", *agent)
            world.run(world.program, "-C", repo, "wait", name)
            took = time.time_ns() - int(at.read_text())
            at.unlink()
            figures = world.run(world.program, "-C", repo, "status", name)
            gate("completed" in figures and "11 files" in figures, f"the task did not end as it must: {figures}")
            world.run(world.program, "-C", repo, "discard", name)
            world.quiet()
            return took

        def git(run: int) -> float:
            world.run("git", "-C", folder, "reset", "-q", "--hard", "main")
            world.run("env", "-C", folder, "sh", "-c", script, world.phases, at, *changed)
            at.unlink()
            steps = 'cd "$0" && git add -A && git commit -qm leftovers && git diff --numstat HEAD~1 HEAD'
            return world.timed("sh", "-c", steps, folder)

        mine, theirs, floors = world.turns(ours, git, stat_floor(world, folder))
        what = f"agent's end until `wait` answers, 11 of {files} files changed"
        rows.append(Row(f"end-{files}", what, mine, "`git add`, `commit` and `diff`", theirs, None, floors))
        git_removes(world, repo, folder)
        free_folders(world, repo)
    return rows


def forecast(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """Open tasks on a middling repository, every fifth in one file with others, the target moved."""
    files = min(sizes, key=lambda size: abs(size - 3000))
    count = OPEN_TASKS if world.runs > 3 else 5
    say(f"forecast: {count} open tasks on {files} files")
    repo = world.work / "forecast"
    world.run("git", "clone", "-q", "--local", world.repository(files), repo)
    paths = plain_files(world, repo)
    common, names = paths[0], []
    for number in range(count):
        names.append(world.name("open"))
        shared = f'sed -i "1s/^/{number} /" "{common}"' if number % 5 == 0 else ":"
        script = f'echo {number} >>"{paths[number + 1]}"; echo new >new{number}; {shared}'
        world.run(world.program, "-C", repo, "dispatch", "--name", names[-1], "--", "sh", "-c", script)
    world.run(world.program, "-C", repo, "wait", *names)
    trees = {name: world.run("git", "-C", repo, "rev-parse", f"offshoot/{name}") for name in names}

    def move(run: int) -> None:
        """The target gains a commit, so that no answer is known yet."""
        with open(repo / paths[-1], "a") as file:
            file.write(f"moved {run}\n")
        world.run("git", "-C", repo, "commit", "-q", "-a", "-m", f"moved {run}")

    def ours(run: int) -> float:
        return world.timed(world.program, "-C", repo, "forecast")

    def again(run: int) -> float:
        took = ours(run)
        told = json.loads(world.run(world.program, "-C", repo, "forecast", "--json"))
        verdicts = {one["task"]: one["verdict"] for one in told["forecasts"]}
        gate(verdicts == dict.fromkeys(names, "clean"), "a task's forecast is not git's")
        clashes = [pair for pair in told["pairs"] if pair["verdict"] == "conflicts"]
        sharing = math.ceil(count / 5)
        gate(len(clashes) == math.comb(sharing, 2), "not the tasks that change one line conflict")
        return took

    def merges(count: int) -> float:
        return sum(
            world.timed("git", "-C", repo, "merge-tree", "--write-tree", "main", trees[name])
            for name in names[:count]
        )

    figures: dict[str, list[float]] = {key: [] for key in ("cold", "moved", "again", "wait", "ten", "fifty")}
    for run in range(world.runs):

        def mine() -> None:
            (repo / ".git/offshoot/foreseen").unlink(missing_ok=True)
            figures["cold"].append(ours(run))
            move(run)
            figures["moved"].append(ours(run))
            figures["again"].append(again(run))
            figures["wait"].append(world.timed(world.program, "-C", repo, "wait", *names))

        def gits() -> None:
            figures["ten"].append(merges(10))
            figures["fifty"].append(merges(count))

        for side in ((mine, gits), (gits, mine))[run % 2]:
            side()
    ten, what = "10 × `git merge-tree`", f"`forecast` of {count} open tasks and their pairs"
    return [
        Row("forecast", f"{what}, for the first time", figures["cold"], ten, figures["ten"], 1.0),
        Row("forecast-moved", f"{what}, after the target moved", figures["moved"], ten, figures["ten"], 1.0),
        Row("forecast-again", f"{what}, nothing moved", figures["again"], ten, figures["ten"], 1.0),
        Row("forecast-each", f"{what}, for the first time", figures["cold"], f"{count} × it", figures["fifty"]),
        Row("forecast-wait", f"`wait` on {count} ended tasks, which tells forecasts", figures["wait"], ten, figures["ten"]),
    ]
