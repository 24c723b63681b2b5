"""Rows of worktrees: made cold, made many at once, taken from the pool, removed."""

from __future__ import annotations

import filecmp
import os
import shutil
import time
from pathlib import Path

from figures import Row
from peers import Peers
from world import World, gate, say

AT_ONCE = 50


def git_adds(world: World, repo: Path, folder: Path, *revision: str) -> int:
    return world.timed("git", "-C", repo, "worktree", "add", "-q", "-b", f"git/{folder.name}", folder, *revision)


def git_removes(world: World, repo: Path, folder: Path) -> int:
    return world.timed("git", "-C", repo, "worktree", "remove", "--force", folder)


def write_floor(world: World, repo: Path) -> int:
    """How long all cores take to write the files of a checkout, and nothing else."""
    took = int(world.run(world.phases, "write-floor", repo, world.work / "floor"))
    shutil.rmtree(world.work / "floor")
    return took


def free_folders(world: World, repo: Path) -> int:
    """How long it takes to free what released worktrees left; waits until it is gone."""
    took = world.timed(world.program, "-C", repo, "gc", OFFSHOOT_KEEP_FOLDERS_DAYS="0")
    world.quiet()
    trash = repo.parent / f"{repo.name}.offshoots/.trash"
    gate(not trash.exists() or not os.listdir(trash), "`gc` has left folders")
    return took


def gate_fresh(world: World, repo: Path, folder: Path) -> None:
    """It is at HEAD, its index is HEAD's tree, and it is clean."""
    head = world.run("git", "-C", repo, "rev-parse", "HEAD", "HEAD^{tree}").split()
    gate(world.run("git", "-C", folder, "rev-parse", "HEAD") == head[0], f"`{folder}` is not at HEAD")
    gate(world.run("git", "-C", folder, "write-tree") == head[1], f"`{folder}` has another index than HEAD")
    gate(world.run("git", "-C", folder, "status", "--porcelain") == "", f"`{folder}` is not clean")


def gate_equal(one: Path, other: Path) -> None:
    """Two folders hold the same names, kinds, modes and bytes, but for `.git`."""
    names = sorted(set(os.listdir(one)) - {".git"})
    gate(names == sorted(set(os.listdir(other)) - {".git"}), f"`{one}` and `{other}` hold other names")
    for name in names:
        a, b = one / name, other / name
        if a.is_symlink() or b.is_symlink():
            same = a.is_symlink() and b.is_symlink() and os.readlink(a) == os.readlink(b)
        elif a.is_dir():
            same = b.is_dir()
            gate_equal(a, b)
        else:
            same = filecmp.cmp(a, b, shallow=False) and a.stat().st_mode == b.stat().st_mode
        gate(same, f"`{a}` and `{b}` differ")


def stock_up(world: World, repo: Path, files: int) -> None:
    """What the first worktree of a repository has made in the background, if it has many files."""
    folder = world.work / world.name("first")
    world.run(world.phases, "worktree", repo, folder)
    git_removes(world, repo, folder)
    state = repo / ".git/offshoot"
    world.run(world.program, "upkeep", "--state", state)
    gate((state / "stock/stock.pack").exists() == (files >= 1000), "there is no stock, or one of few files")


def cold(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """The making alone, by the library's own step, beside `git worktree add`; then the first status."""
    rows, by_size = [], {}
    for files in sizes:
        say(f"cold: worktrees of {files} files")
        repo, place = world.repository(files), world.work / "cold"
        place.mkdir(exist_ok=True)
        stock_up(world, repo, files)
        status: dict[str, list[float]] = {"ours": [], "git": []}

        def first_status(side: str, folder: Path) -> None:
            status[side].append(world.timed("git", "-C", folder, "status", "--porcelain"))
            gate(world.said() == "", f"`{folder}` is not clean")

        def ours(run: int) -> float:
            took = world.timed(world.phases, "worktree", repo, place / f"ours-{files}-{run}")
            first_status("ours", place / f"ours-{files}-{run}")
            return took

        def first(run: int) -> float:
            folder = place / f"first-{files}-{run}"
            took = world.timed(world.phases, "worktree", repo, folder, OFFSHOOT_POOL_STOCK_BYTES="0")
            gate_fresh(world, repo, folder)
            git_removes(world, repo, folder)
            return took

        def git(run: int) -> float:
            took = git_adds(world, repo, place / f"git-{files}-{run}")
            first_status("git", place / f"git-{files}-{run}")
            return took

        def floor(run: int) -> float:
            return write_floor(world, repo)

        def worktrunk(run: int) -> float:
            branch = f"wt-{files}-{run}"
            took = peers.wt_add(repo, branch)
            git_removes(world, repo, repo.parent / f"{repo.name}.{branch}")
            return took

        def look(run: int) -> None:
            folders = [place / f"{side}-{files}-{run}" for side in ("ours", "git")]
            gate_fresh(world, repo, folders[0])
            gate_equal(*folders)
            for folder in folders:
                git_removes(world, repo, folder)

        sides = [ours, git, floor, first] + ([worktrunk] if peers.has("worktrunk") else [])
        mine, theirs, floors, firsts, *others = world.turns(*sides, after=look)
        by_size[files] = mine
        wanted = 0.5 if files >= 3000 else None
        both = [[a + b for a, b in zip(*pair)] for pair in ((mine, status["ours"]), (theirs, status["git"]))]
        rows += [
            Row(
                f"cold-{files}", f"a new worktree of {files} files", mine, "`git worktree add`", theirs, wanted,
                floors, {"worktrunk": others[0]} if others else {},
            ),
            Row(
                f"cold-first-{files}", "the first one of a repository, without a stock", firsts,
                "`git worktree add`", theirs, wanted, floors,
            ),
            Row(
                f"cold-status-{files}", "the same with the first `git status` in it", both[0],
                "`git worktree add` and status", both[1], wanted,
            ),
            Row(
                f"cold-floor-{files}", "the same beside writing these files only", mine, "writing", floors,
                1.25 if files >= 3000 else None,
            ),
        ]  # fmt: skip
        world.run("git", "-C", repo, "fsck", "--no-dangling")
    if len([files for files in by_size if files >= 3000]) > 1:
        small, large = min(files for files in by_size if files >= 3000), max(by_size)
        rows.append(
            Row(
                "cold-per-file", f"a file of a new worktree of {large} files", [x / large for x in by_size[large]],
                f"of {small} files", [x / small for x in by_size[small]], 1.25,
            )
        )  # fmt: skip
    return rows


def start(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """The whole way from `dispatch` to the agent's first instruction in its new worktree."""
    rows = []
    for files in sizes:
        say(f"start: from dispatch to the agent, {files} files")
        repo, at = world.repository(files), world.work / "at/start"

        def ours(run: int) -> float:
            name, begun = world.name("start"), time.time_ns()
            world.run(world.program, "-C", repo, "dispatch", "--name", name, "--", world.phases, "now", at)
            took = world.began(begun, at)
            world.run(world.program, "-C", repo, "wait", name)
            world.run(world.program, "-C", repo, "discard", name)
            world.quiet()
            return took

        def git(run: int) -> float:
            folder = world.work / world.name("git-start")
            took = git_adds(world, repo, folder)
            git_removes(world, repo, folder)
            return took

        def floor(run: int) -> float:
            return write_floor(world, repo)

        mine, theirs, floors = world.turns(ours, git, floor)
        what = f"`dispatch` to the agent's first instruction, {files} files"
        rows.append(Row(f"start-{files}", what, mine, "`git worktree add`", theirs, None, floors))
        free_folders(world, repo)
    return rows


def at_once(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """Fifty tasks dispatched at the same time, until the last agent begins, beside as many gits."""
    files = min(sizes, key=lambda size: abs(size - 3000))
    count = AT_ONCE if world.runs > 3 else 5
    say(f"at-once: {count} worktrees of {files} files")
    repo, failures = world.repository(files), []

    def ended(pids: list[int]) -> int:
        return sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)

    def ours(run: int) -> float:
        names = [world.name("once") for _ in range(count)]
        ats = [world.work / "at" / name for name in names]
        begun = time.time_ns()
        pids = [
            world.start(
                world.program, "-C", repo, "dispatch", "--name", name, "--", world.phases, "now", at,
                said=world.work / f"said.{name}", OFFSHOOT_MAX_PARALLEL=str(count),
            )
            for name, at in zip(names, ats)
        ]  # fmt: skip
        gate(ended(pids) == 0, "a dispatch failed among many")
        took = max(world.began(begun, at) for at in ats)
        world.run(world.program, "-C", repo, "wait", *names)
        for name in names[:3]:
            gate_fresh(world, repo, repo.parent / f"{repo.name}.offshoots" / name)
        world.run(world.program, "-C", repo, "discard", *names)
        free_folders(world, repo)
        return took

    def git(run: int) -> float:
        folders = [world.work / world.name("git-once") for _ in range(count)]
        begun = time.perf_counter_ns()
        pids = [
            world.start("git", "-C", repo, "worktree", "add", "-q", "-b", f"git/{folder.name}", folder)
            for folder in folders
        ]
        failures.append(ended(pids))
        took = time.perf_counter_ns() - begun
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        world.run("git", "-C", repo, "worktree", "prune")
        return took

    def floor(run: int) -> float:
        return sum(write_floor(world, repo) for _ in range(count))

    mine, theirs, floors = world.turns(ours, git, floor, runs=max(1, world.runs // 3))
    lost = f"{sum(failures)} of {count * len(failures)} of git's failed"
    what = f"{count} tasks at once, {files} files each, until the last agent began ({lost}, none of ours)"
    return [Row("at-once", what, mine, f"{count} × `git worktree add`", theirs, 0.85, floors)]


def pool(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """A worktree that another task had, taken by the next: on the same base, and ten commits later."""
    wanted = {"same": (3000, {3000: 0.05, 60000: 0.01}), "moved": (3000, {3000: 0.15, 60000: 0.05})}
    on = {"OFFSHOOT_POOL_SIZE": "2"}
    rows = []
    for files in [size for size in sizes if size in (3000, 60000)] or sizes[:1]:
        say(f"pool: worktrees of {files} files taken again")
        repo = world.repository(files)
        records = repo / ".git/offshoot/pool"
        tip = world.run("git", "-C", repo, "rev-parse", "main")

        def spare(name: str) -> None:
            """Runs a task and gives it up, so that its worktree becomes a spare one."""
            world.run(world.program, "-C", repo, "run", "--name", name, "--", "true", **on)
            world.run(world.program, "-C", repo, "discard", name, **on)
            ready = lambda: records.is_dir() and [x for x in os.listdir(records) if not x.startswith(".")]
            world.until(ready, "a worktree is ready in the pool", 60)
            world.quiet()

        def taken(run: int, back: str) -> float:
            world.run("git", "-C", repo, "reset", "-q", "--hard", back)
            spare(world.name("spare"))
            world.run("git", "-C", repo, "reset", "-q", "--hard", tip)
            place = repo.parent / f"{repo.name}.offshoots" / world.name("pooled")
            took = world.timed(world.phases, "worktree", repo, place, **on)
            gate(place.is_symlink(), "the worktree was not taken from the pool")
            gate_fresh(world, repo, place)
            fresh = world.work / world.name("fresh")
            git_took.append(git_adds(world, repo, fresh))
            gate_equal(place, fresh)
            for folder in (place.resolve(), fresh):
                git_removes(world, repo, folder)
            place.unlink()
            return took

        git_took: list[float] = []
        for kind, back in (("same", tip), ("moved", f"{tip}~10")):
            git_took.clear()
            mine = [taken(run, back) for run in range(world.runs)]
            words = "on the same base" if kind == "same" else "whose base is 10 commits behind"
            what = f"a worktree of {files} files from the pool, {words}"
            target = wanted[kind][1].get(files)
            rows.append(Row(f"pool-{kind}-{files}", what, mine, "`git worktree add`", list(git_took), target))
    return rows


def remove(world: World, peers: Peers, sizes: list[int]) -> list[Row]:
    """An ended task's worktree given up, its work kept, beside one that git deletes."""
    rows = []
    for files in sizes:
        say(f"remove: worktrees of {files} files")
        repo = world.repository(files)

        def ours(run: int) -> float:
            name = world.name("gone")
            world.run(world.program, "-C", repo, "run", "--name", name, "--", "true")
            world.quiet()
            took = world.timed(world.program, "-C", repo, "discard", name)
            gate(not (repo.parent / f"{repo.name}.offshoots" / name).exists(), "the worktree is still there")
            return took

        def git(run: int) -> float:
            folder = world.work / world.name("git-gone")
            git_adds(world, repo, folder)
            return git_removes(world, repo, folder)

        def worktrunk(run: int) -> float:
            branch = world.name("wt-gone")
            peers.wt_add(repo, branch)
            return peers.wt_remove(repo, branch)

        def free(run: int) -> None:
            freed.append(free_folders(world, repo))

        freed: list[float] = []
        sides = [ours, git] + ([worktrunk] if peers.has("worktrunk") else [])
        mine, theirs, *others = world.turns(*sides, after=free)
        words = {"worktrunk": others[0]} if others else {}
        git_words = "`git worktree remove`"
        rows.append(Row(f"remove-{files}", f"`discard` of a worktree of {files} files", mine, git_words, theirs, None, [], words))
        rows.append(Row(f"gc-{files}", "`gc` of such a worktree's folder", freed, git_words, theirs))
    return rows
