"""The world that is measured in: a folder, a home, an environment, the programs, and a clock.

Every process that a measurement starts has BENCH_WORK in its environment, so that what is left of it can be
found and ended, and nothing else is.
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

SOURCE = Path(__file__).resolve().parents[2]


class Broken(Exception):
    """A command failed, or what it made is wrong: there is no figure for that."""


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


def gate(holds: bool, words: str) -> None:
    """Stops the run where a result is not what it must be: a wrong result has no speed."""
    if not holds:
        raise Broken(words)


class World:
    def __init__(self, runs: int) -> None:
        self.runs = runs
        built = build()
        self.work = Path(tempfile.mkdtemp(prefix="offshoot-bench.")).resolve()
        self.environment = self.make_environment()
        self.program, self.phases = map(self.bring, built)
        self.programs: dict[str, str] = {}
        self.count = 0

    def make_environment(self) -> dict[str, str]:
        for name in ("bin", "home", "run", "data", "config", "state", "at"):
            (self.work / name).mkdir(mode=0o700)
        environment = {
            "PATH": f"{self.work}/bin:{os.environ['PATH']}",
            "HOME": f"{self.work}/home",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": f"{self.work}/home/gitconfig",
            "XDG_RUNTIME_DIR": f"{self.work}/run",
            "XDG_DATA_HOME": f"{self.work}/data",
            "XDG_CONFIG_HOME": f"{self.work}/config",
            "XDG_STATE_HOME": f"{self.work}/state",
            "OFFSHOOT_MAX_PARALLEL": "2",
            "BENCH_WORK": str(self.work),
        }
        (self.work / "typed").touch()
        settings = "[user]\n\tname = Bench Person\n\temail = person@example.invalid\n[gc]\n\tauto = 0\n"
        (self.work / "home/gitconfig").write_text(settings)
        return environment

    def bring(self, program: Path) -> Path:
        """A copy of a program, by which it is found from now on.

        A start takes a fifth more or less by how large the pieces are in which memory holds a program's file,
        as a linker wrote it or as it was read again later, and several times as long while the system reads it
        from a disk that is not measured. Ours and those of the peers all come here in the same way; git is the
        system's, for all sides.
        """
        copy = Path(shutil.copy(program, self.work / "bin"))
        if not os.access(copy, os.X_OK):
            place = self.work.parent
            self.close()
            sys.exit(f"error: no program may be run in `{place}`; name another folder by TMPDIR")
        return copy

    def name(self, kind: str) -> str:
        """One that was not used before."""
        self.count += 1
        return f"{kind}{self.count}"

    def repository(self, files: int) -> Path:
        """The one of so many files, made when it is first asked for."""
        place = self.work / f"files{files}"
        if not place.exists():
            say(f"makes a repository of {files} files")
            # At least ten commits, so that a base can lie behind; few beside few files.
            self.run(SOURCE / "scripts/generate", place, files, min(200, max(10, files // 10)))
            # Files of the second in which the index was written are read at each status, until one writes
            # the index anew; as many as that second happens to have.
            time.sleep(1.1)
            self.run("git", "-C", place, "status")
        return place

    def small(self, name: str) -> Path:
        """One of a handful of files."""
        place = self.work / name
        if not place.exists():
            self.run(SOURCE / "fixtures/repos/simple.sh", place)
        return place

    def start(self, *command: object, said: Path | None = None, **variables: str) -> int:
        """Starts a command in the present folder; its process id."""
        words = [str(word) for word in command]
        if words[0] not in self.programs:
            found = shutil.which(words[0], path=self.environment["PATH"])
            gate(found is not None, f"there is no program `{words[0]}`")
            self.programs[words[0]] = str(found)
        to = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, str(self.work / "typed"), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(said or self.work / "said"), to, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, str(said or self.work / "said") + ".errors", to, 0o600),
        ]
        environment = {**self.environment, **variables} if variables else self.environment
        return os.posix_spawn(self.programs[words[0]], words, environment, file_actions=actions)

    def timed(self, *command: object, **variables: str) -> int:
        """How long a whole command takes, in nanoseconds, from before its start to after its end."""
        begun = time.perf_counter_ns()
        _, status = os.waitpid(self.start(*command, **variables), 0)
        took = time.perf_counter_ns() - begun
        if status:
            words = " ".join(map(str, command))
            errors = (self.work / "said.errors").read_text(errors="replace")
            raise Broken(f"`{words[:300]}` failed ({os.waitstatus_to_exitcode(status)}): {errors[-2000:]}")
        return took

    def run(self, *command: object, **variables: str) -> str:
        """What a command answers; nobody looks at the clock."""
        self.timed(*command, **variables)
        return self.said()

    def type(self, words: str) -> None:
        """What the commands to come find on their standard input."""
        (self.work / "typed").write_text(words)

    def said(self) -> str:
        """What the last command answered."""
        return (self.work / "said").read_text(errors="surrogateescape").rstrip("\n")

    def turns(
        self,
        *sides: Callable[[int], float],
        runs: int | None = None,
        after: Callable[[int], None] = lambda run: None,
    ) -> list[list[float]]:
        """Lets all sides take turns, in an order that is drawn anew for each: no side profits from its place.

        In a fixed circle it would from whom it follows: what starts after a little process finds the
        processor's caches warm, and after one that worked for a tenth of a second does not.
        """
        figures: list[list[float]] = [[] for _ in sides]
        draw = random.Random(1)
        for run in range(runs or self.runs):
            for side in draw.sample(range(len(sides)), len(sides)):
                # What another has left to be written is not this one's to wait for.
                os.sync()
                figures[side].append(sides[side](run))
            after(run)
        return figures

    def until(self, holds: Callable[[], object], what: str, seconds: float = 120, nap: float = 0.02) -> None:
        end = time.monotonic() + seconds
        while not holds():
            gate(time.monotonic() < end, f"waited {seconds:.0f} s in vain until {what}")
            time.sleep(nap)

    def began(self, start: int, at: Path) -> int:
        """How long after `start` (nanoseconds of the epoch) the agent began that writes into `at`."""
        self.until(at.exists, "the agent began", nap=0.0005)
        took = int(at.read_text()) - start
        at.unlink()
        return took

    def living(self) -> Iterator[Path]:
        """The places in `/proc` of those that this run has started and that live."""
        mark = f"BENCH_WORK={self.work}".encode()
        for place in Path("/proc").iterdir():
            try:
                if place.name.isdigit() and mark in (place / "environ").read_bytes().split(b"\0"):
                    yield place
            except OSError:
                continue

    def processes(self) -> dict[int, list[str]]:
        """Those of offshoot among them: their words by process id."""
        found = {}
        for place in self.living():
            try:
                if (place / "exe").samefile(self.program):
                    words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    found[int(place.name)] = words
            except OSError:
                continue
        return found

    def quiet(self) -> None:
        """Waits until no process of offshoot is left, so that the next figure is not of two things at once."""
        self.until(lambda: not self.processes(), "offshoot's processes have ended")

    def close(self) -> None:
        """Ends what is left, by its mark, and removes everything."""
        for place in self.living():
            with contextlib.suppress(OSError):
                os.kill(int(place.name), signal.SIGKILL)
        os.chdir("/")
        for _ in range(3):
            shutil.rmtree(self.work, ignore_errors=True)


def build() -> tuple[Path, Path]:
    """The program, and the one that does single steps; release builds where none are given."""

    def made(given: str, *wanted: str) -> Path:
        if given in os.environ:
            if not os.access(os.environ[given], os.X_OK):
                sys.exit(f"error: `{given}` names no program: `{os.environ[given]}`")
            return Path(os.environ[given]).resolve()
        command = [SOURCE / "scripts/build", *wanted]
        say(f"builds: {shlex.join(map(str, command))}")
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit("error: the build failed, as said above")
        return Path(done.stdout.strip())

    return made("OFFSHOOT_BIN"), made("OFFSHOOT_PHASES", "--bench", "phases")
