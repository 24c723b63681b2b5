"""What was measured, as rows: medians of pairs, how sure they are, and the table of them."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field


def low_end(ratios: list[float]) -> float:
    """The ratio above which the true median lies with 95 % certainty, whatever the noise looks like.

    That is an order statistic: if the true median were at or below the k-th smallest of n pairs, then
    at most k - 1 of them would have fallen below it, of which the chance is a sum of binomials. Fewer
    than five pairs cannot be that sure; their smallest is taken.
    """
    ordered, chance, rank = sorted(ratios), 0.0, 0
    for below in range(len(ordered)):
        chance += math.comb(len(ordered), below) / 2 ** len(ordered)
        if chance > 0.05:
            break
        rank = below
    return ordered[rank]


@dataclass
class Row:
    """One line of the table. Figures are in nanoseconds, or in what `unit` says."""

    name: str
    what: str
    ours: list[float]
    yardstick: str = ""
    theirs: list[float] = field(default_factory=list)
    target: float | None = None
    floor: list[float] = field(default_factory=list)
    others: dict[str, list[float]] = field(default_factory=dict)
    unit: str = "ns"

    def ratios(self) -> list[float]:
        """One of each pair, which was measured in one turn."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs) if theirs]

    def verdict(self) -> str:
        """`met`, `missed`, `unsure` (over the target by no more than noise), or empty."""
        ratios = self.ratios()
        if self.target is None or not ratios:
            return ""
        if statistics.median(ratios) <= self.target:
            return "met"
        return "missed" if low_end(ratios) > self.target else "unsure"

    def cells(self) -> list[str]:
        ratios, ratio = self.ratios(), "–"
        if ratios:
            ratio = f"{number(statistics.median(ratios))} ({number(min(ratios))}–{number(max(ratios))})"
        target = "–" if self.target is None else f"≤ {number(self.target)} {self.verdict()}".rstrip()
        theirs = f"{amount(self.theirs, self.unit)} {self.yardstick}" if self.theirs else "–"
        floor = amount(self.floor, self.unit) if self.floor else "–"
        others = ", ".join(f"{who} {amount(them, self.unit)}" for who, them in self.others.items())
        return [self.name, self.what, amount(self.ours, self.unit), theirs, ratio, target, floor, others or "–"]


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def amount(values: list[float], unit: str) -> str:
    """The median, in a unit that people can read."""
    value = statistics.median(values)
    if unit == "KiB":
        return f"{value / 1024:.1f} MiB" if value >= 1024 else f"{value:.0f} KiB"
    if unit != "ns":
        return f"{value:.0f} {unit}".rstrip()
    return f"{value / 1e9:.2f} s" if value >= 1e9 else f"{value / 1e6:.{1 if value >= 1e7 else 2}f} ms"


def table(rows: list[Row]) -> str:
    head = ["row", "what", "offshoot", "yardstick", "ratio (all pairs)", "target", "floor", "others"]
    lines = [head, ["---"] * len(head)] + [row.cells() for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def check(rows: list[Row]) -> list[str]:
    """What is over its target by more than noise, in words."""
    return [
        f"{row.name}: {number(statistics.median(row.ratios()))} × {row.yardstick}, at most {number(row.target)}"
        f" wanted; with 95 % certainty it is over {number(low_end(row.ratios()))}"
        for row in rows
        if row.target is not None and row.verdict() == "missed"
    ]
