"""Others that do a part of this, each driven as its own manual says, in a home of its own.

None is needed: what is not installed has no figures. Their versions stand under the table.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from world import SOURCE, Broken, World, say

# The crate, the version that is asked for, and the programs that come with it. Later ones of worktrunk
# want a newer Rust than offshoot.
CRATES = {
    "pueue": ("^4", ["pueue", "pueued"]),
    "ai-dispatch": ("^11", ["aid"]),
    "worktrunk": ("~0.67", ["wt"]),
}

# An agent for ai-dispatch, which runs no plain command: the prompt comes last.
AID_AGENT = """[agent]
id = "bench"
display_name = "Bench"
command = "{command}"
prompt_mode = "arg"
streaming = false
output_format = "text"
"""

AID_PROFILE = ["--difficulty", "simple", "--budget", "standard", "--urgency", "normal", "--rigor", "draft"]


class Peers:
    def __init__(self, world: World, install: bool) -> None:
        self.world = world
        self.versions: dict[str, str] = {}
        place = target_folder() / "bench-peers"
        world.environment["PATH"] += f":{place}/bin"
        for crate, (version, programs) in CRATES.items():
            found = self.find(programs)
            if found is None and install:
                say(f"installs {crate}")
                command = ["cargo", "install", "--quiet", crate, "--version", version, "--locked"]
                subprocess.run([*command, "--root", str(place)], check=False)
                found = self.find(programs)
            if found is None:
                say(f"{crate} is skipped (--peers installs it)")
                continue
            first, *_ = [world.bring(program) for program in found]
            said = subprocess.run([first, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
            number = re.search(r"\d[\w.]*", said)
            self.versions[crate] = number.group() if number else "unknown"
        if not self.versions.get("pueue", "4.").startswith("4."):
            say("the pueue that is installed is not version 4; it is skipped")
            del self.versions["pueue"]
        self.daemon = self.start_daemon() if self.has("pueue") else None
        if self.has("ai-dispatch"):
            self.prepare_aid()
        for crate, trial in (("ai-dispatch", self.try_aid), ("worktrunk", self.try_wt)):
            try:
                if self.has(crate):
                    trial()
            except Broken as broken:
                say(f"{crate} is skipped: {broken}")
                del self.versions[crate]

    def find(self, programs: list[str]) -> list[Path] | None:
        """Where the programs of a crate are, if all are there."""
        found = [shutil.which(program, path=self.world.environment["PATH"]) for program in programs]
        return [Path(it) for it in found if it] if all(found) else None

    def has(self, crate: str) -> bool:
        return crate in self.versions

    def start_daemon(self) -> int:
        daemon = self.world.start("pueued", said=self.world.work / "pueued.log")
        end = time.monotonic() + 20
        while True:
            try:
                self.world.run("pueue", "status")
                break
            except Broken:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        self.world.run("pueue", "parallel", "2")
        return daemon

    def prepare_aid(self) -> None:
        home = self.world.work / "home/.aid"
        (home / "agents").mkdir(parents=True)
        agent = home / "bench-agent"
        # The prompt is the command.
        agent.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
        agent.chmod(0o755)
        (home / "agents/bench.toml").write_text(AID_AGENT.format(command=agent))
        self.world.environment["AID_HOME"] = str(home)

    def try_aid(self) -> None:
        at = self.world.work / "at/aid"
        self.aid_run(self.world.small("try-aid"), "touch", at)
        self.world.until(at.exists, "its agent ran", 20)

    def try_wt(self) -> None:
        repo = self.world.small("try-wt")
        self.wt_add(repo, "trial")
        self.wt_remove(repo, "trial")

    def pueue_add(self, *command: object) -> int:
        """How long `add` takes; the command is to be waited for."""
        return self.world.timed("pueue", "add", "--escape", "--", *command)

    def pueue_done(self) -> None:
        self.world.run("pueue", "wait", "--quiet")
        self.world.run("pueue", "clean")

    def aid_run(self, repo: Path, *command: object) -> int:
        """How long its dispatch into a worktree takes; what it does in the background is waited for."""
        branch = self.world.name("aid-")
        words = " ".join(map(str, command))
        took = self.world.timed(
            "aid", "run", "bench", words, "--dir", repo, "--worktree", branch, *AID_PROFILE, "--bg"
        )
        busy = lambda: any(int(place.name) != self.daemon for place in self.world.living())
        self.world.until(lambda: not busy(), "ai-dispatch has ended")
        return took

    def wt_add(self, repo: Path, branch: str) -> int:
        """How long its making of a worktree takes."""
        return self.world.timed("wt", "-C", repo, "switch", "--create", branch, "--no-cd", "--yes")

    def wt_remove(self, repo: Path, branch: str) -> int:
        """How long its removal of one takes, with the branch."""
        return self.world.timed("wt", "-C", repo, "remove", "--force", "-D", "--yes", branch)


def target_folder() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", SOURCE / "target")).resolve()
