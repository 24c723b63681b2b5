"""Makes a history of ended tasks out of one that really was dispatched, ran and was landed.

Running ten thousand tasks takes minutes and says nothing more: what a verb meets later are files, and the
files of a copy are those of its original, byte for byte but for the id, the name and the place in the
order. Every file, ref and journal line that the original left is there once for each copy. `tasks.py`
has offshoot itself count them, and `doctor` find nothing wrong with them.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

from world import World


def multiply(world: World, repo: Path, name: str, count: int) -> None:
    """Adds `count` copies of the task `name`."""
    state = repo / ".git/offshoot"
    task = (state / "names" / name).read_text().strip()
    original = state / "tasks" / task
    spec, sequence = (original / "spec.json").read_text(), int((state / "sequence").read_text())
    journal = (state / "journal.jsonl").read_text().splitlines()
    lines, cursor = [line for line in journal if task in line], json.loads(journal[-1])["cursor"]
    refs = world.run("git", "-C", repo, "for-each-ref", "--format=%(objectname) %(refname)", "refs/offshoot")
    refs = [line for line in refs.splitlines() if task in line]
    listed = [line for line in (state / "history.jsonl").read_text().splitlines() if task in line]
    wanted, told, rows = [], [], []
    for number in range(count):
        copy, called = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{task}{number}")), f"{name}-{number}"

        def rewritten(text: str) -> str:
            text = text.replace(task, copy).replace(f'"{name}"', f'"{called}"')
            return text.replace(f"offshoot/{name}", f"offshoot/{called}").replace(f"offshoots/{name}", f"offshoots/{called}")

        place = state / "tasks" / copy
        shutil.copytree(original, place)
        said = json.loads(rewritten(spec)) | {"sequence": sequence + 1 + number}
        (place / "spec.json").write_text(json.dumps(said, separators=(",", ":")))
        (place / "state.json").write_text(rewritten((original / "state.json").read_text()))
        (state / "names" / called).write_text(copy)
        wanted += [f"create {line.split()[1].replace(task, copy)} {line.split()[0]}" for line in refs]
        for line in lines:
            cursor += 1
            told.append(json.dumps(json.loads(rewritten(line)) | {"cursor": cursor}, separators=(",", ":")))
        for line in listed:
            row = [said["sequence"], *json.loads(rewritten(line))[1:]]
            rows.append(json.dumps(row, separators=(",", ":")))
    with open(state / "journal.jsonl", "a") as file:
        file.writelines(f"{line}\n" for line in told)
    # There a line has its end before it.
    with open(state / "history.jsonl", "a") as file:
        file.writelines(f"\n{line}" for line in rows)
    (state / "sequence").write_text(f"{sequence + count:020}")
    (world.work / "refs").write_text("\n".join(wanted) + "\n")
    world.run("sh", "-c", 'git -C "$0" update-ref --stdin <"$1"', repo, world.work / "refs")
