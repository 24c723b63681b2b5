#!/usr/bin/env python3
"""Makes a repository like a grown one, the same for the same numbers on every machine.

Usage: scripts/bench.d/repository.py DIR FILES [COMMITS]

FILES files of text lie in a sixth as many folders, up to six deep; sizes are log-normal (median 1.2
KiB, mean about 2.8, some above 50). 3 % are programs, 0.5 % symbolic links. COMMITS (120) commits then
edit up to 20 files each and sometimes add, delete or rename one. The objects are in one pack, with a commit
graph, as after a clone, and `main` is checked out.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

WORDS = (
    "let fn return value index the of task branch merge struct impl match tree blob commit error result"
    " path name while for in if else use pub mod self true false 0 1 { } ( ) = + ;"
).split()
COMMITS = 120


class History:
    """A stream for `git fast-import`, and what is at its tip."""

    def __init__(self, stream, files: int) -> None:
        self.stream, self.chance, self.time = stream, random.Random(files), 1_700_000_000
        self.lines = [self.line() for _ in range(20_000)]
        self.folders, self.paths, self.contents = self.tree(files), [], {}

    def line(self) -> str:
        indent = " " * 4 * self.chance.randrange(4)
        return indent + " ".join(self.chance.choices(WORDS, k=self.chance.randint(1, 12)))

    def tree(self, files: int) -> list[str]:
        folders = [""]
        while len(folders) < max(2, files // 6):
            near = folders[-200:] if self.chance.random() < 0.6 else folders
            parent = self.chance.choice(near)
            if parent.count("/") < 6:
                folders.append(f"{parent}part{len(folders)}/")
        return folders

    def text(self) -> str:
        """Lines that other files have too, and some that none has, so that it packs like source code."""
        size, out, length = min(200_000, int(self.chance.lognormvariate(7.1, 1.3))) + 20, [], 0
        while length < size:
            start = self.chance.randrange(len(self.lines) - 12)
            more = self.lines[start : start + self.chance.randint(2, 12)]
            more.append(f"const ID_{self.chance.randrange(1 << 30):x} = {self.chance.random()};")
            out += more
            length += sum(map(len, more)) + len(more)
        return "\n".join(out) + "\n"

    def data(self, text: str) -> None:
        raw = text.encode()
        self.stream.write(b"data %d\n%s\n" % (len(raw), raw))

    def commit(self, message: str) -> None:
        self.time += 3600
        self.stream.write(f"commit refs/heads/main\ncommitter Bench <bench@example.invalid> {self.time} +0000\n".encode())
        self.data(message)

    def file(self, path: str, text: str, mode: str = "100644") -> None:
        self.stream.write(f"M {mode} inline {path}\n".encode())
        self.data(text)

    def first(self, files: int) -> None:
        self.commit("the first files")
        for place in range(files):
            path = f"{self.chance.choice(self.folders)}file{place}.{self.chance.choice(['rs', 'txt', 'md', 'js'])}"
            kind = self.chance.random()
            if kind < 0.005:
                self.file(path, "../README", "120000")
                continue
            text = self.text()
            self.file(path, text, "100755" if kind < 0.035 else "100644")
            if kind >= 0.035 and len(self.paths) < 5000:
                self.paths.append(path)
                self.contents[path] = text

    def next(self, place: int) -> None:
        self.commit(f"change {place}")
        for path in self.chance.sample(self.paths, min(len(self.paths), self.chance.randint(1, 20))):
            lines = self.contents[path].split("\n")
            lines[self.chance.randrange(len(lines) - 1)] = f"changed in {place} {self.chance.randrange(1 << 30):x}"
            self.contents[path] = "\n".join(lines)
            self.file(path, self.contents[path])
        if self.chance.random() < 0.3:
            added = f"{self.chance.choice(self.folders)}new{place}.rs"
            self.paths.append(added)
            self.contents[added] = self.text()
            self.file(added, self.contents[added])
        if self.chance.random() < 0.3:
            old = self.paths.pop(self.chance.randrange(len(self.paths)))
            text = self.contents.pop(old)
            self.stream.write(f"D {old}\n".encode())
            if self.chance.random() < 0.5:
                moved = f"{old.rpartition('.')[0]}_moved{place}.rs"
                self.paths.append(moved)
                self.contents[moved] = text
                self.file(moved, text)


def make(place: Path, files: int, commits: int = COMMITS) -> None:
    """Makes it; `place` must not be there."""

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(place), *words], check=True, stdout=subprocess.DEVNULL)

    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(place)], check=True)
    command = ["git", "-C", str(place), "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as importer:
        history = History(importer.stdin, files)
        history.first(files)
        for number in range(commits):
            history.next(number)
        importer.stdin.close()
    if importer.returncode:
        raise SystemExit("git fast-import failed")
    git("repack", "-a", "-d", "--quiet")
    git("commit-graph", "write", "--reachable")
    git("config", "gc.auto", "0")
    git("reset", "--quiet", "--hard", "main")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or not all(word.isdigit() for word in sys.argv[2:]):
        print(__doc__, file=sys.stderr)
        raise SystemExit(2)
    make(Path(sys.argv[1]).absolute(), *map(int, sys.argv[2:]))
