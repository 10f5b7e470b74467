"""Ratios and what they should be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A figure and its target.

    Attributes:
        load: the load's name.
        what: what is divided by what, or the unit.
        value: what was measured.
        relation: ">=", "<=" or "<".
        target: what it should be.
    """

    load: str
    what: str
    value: float
    relation: str
    target: float

    @property
    def word(self):
        holds = {
            ">=": self.value >= self.target,
            "<=": self.value <= self.target,
            "<": self.value < self.target,
        }
        return "ok" if holds[self.relation] else "MISSED"

    def __str__(self):
        target = f"{self.relation} {self.target}"
        return f"{self.load:11}{self.what:28}{self.value:8.2f}   target {target:8} {self.word}"


def table(verdicts):
    """The verdicts in Markdown."""
    lines = ["| Load | Ours | Measured | Target | |", "|---|---|---|---|---|"]
    for each in verdicts:
        target = f"{each.relation} {each.target}"
        lines.append(f"| {each.load} | {each.what} | {each.value:.2f} | {target} | {each.word} |")
    return "\n".join(lines)
