"""What a fault did, beside what is demanded."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the table.

    Attributes:
        fault: its name.
        skipped: why it was not tried, and what to do about that.
        notes: printed below it if something was missed.
    """

    fault: str
    skipped: str = ""
    figures: list[str] = field(default_factory=list)
    demands: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what, figure, demand=None, met=True):
        """A figure; where something is demanded of it, what, and whether it was met."""
        self.figures.append(f"{what} {figure}")
        if demand is not None:
            self.demands.append(f"{what} {demand}")
            if not met:
                self.missed.append(what)

    def zero(self, what, number):
        self.add(what, number, "0", number == 0)

    def at_most(self, what, figure, limit, unit=""):
        self.add(what, f"{figure:.3g}{unit}", f"<= {limit:.3g}{unit}", figure <= limit)

    def at_least(self, what, figure, limit, unit=""):
        self.add(what, f"{figure:.3g}{unit}", f">= {limit:.3g}{unit}", figure >= limit)

    @property
    def verdict(self):
        if self.skipped:
            return "skipped"
        return f"MISSED: {', '.join(self.missed)}" if self.missed else "ok"

    @property
    def cells(self):
        figures = self.skipped or ", ".join(self.figures)
        return self.fault, figures, ", ".join(self.demands), self.verdict

    def print(self):
        lines = [" | ".join(self.cells), *(self.notes if self.missed else [])]
        print("\n    ".join(lines), flush=True)


def markdown(rows):
    lines = [("fault", "figures", "demand", "verdict"), ("---",) * 4]
    lines += [row.cells for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
