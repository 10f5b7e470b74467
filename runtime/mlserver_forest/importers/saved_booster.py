"""A booster that a file held, with what the estimator around it says."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import GlobalName, Record

_BYTES = ("handle", "_handle")


@dataclass(frozen=True, eq=False)
class SavedBooster:
    """A booster of XGBoost or LightGBM out of a file.

    Attributes:
        kind: the class of the estimator around it, or of the booster itself.
        booster: loaded by its library.
        classes_: (n_classes,) the labels of a classifier; None if the estimator does not say.
        missing: the number that the estimator reads as missing beside NaN, or None.
        says_missing: whether the file says which number that is, if the library has such a rule.
        is_alone: whether there is no estimator around it.
        written_by: the version of the library that wrote it; empty if the file does not say.
        n_rounds: how many rounds were trained.
        n_best: how many rounds there are up to the best one, if it stopped early; else None.
        predicts_all: whether its own ``predict`` uses the rounds after the best one.
        notes: what the user should know about it.
    """

    kind: GlobalName
    booster: Any
    classes_: NDArray[Any] | None = None
    missing: float | None = None
    says_missing: bool = True
    is_alone: bool = False
    written_by: str = ""
    n_rounds: int = 0
    n_best: int | None = None
    predicts_all: bool = False
    notes: tuple[str, ...] = ()

    @property
    def has_later_rounds(self) -> bool:
        """Whether there are rounds after the best one."""
        return self.n_best is not None and self.n_best < self.n_rounds

    def as_requested(
        self, rounds: str, missing: float | None, use_all_rounds: Callable[[Any], None]
    ) -> "SavedBooster":
        """The booster with the user's choices, and notes on what is doubtful without them.

        Args:
            rounds: "all" or "best", which rounds answer; empty if nobody chose, for the best.
            missing: the number that means missing beside NaN, or None.
            use_all_rounds: makes the library's booster forget its best round.
        """
        notes, n_best = list(self.notes), self.n_best
        if self.has_later_rounds:
            notes.append(self._rounds_note(rounds))
            if rounds == "all":
                use_all_rounds(self.booster)
                n_best = None
        says_missing = self.says_missing or missing is not None
        if not says_missing:
            notes.append(
                f"the file does not say which number this {self.kind.name} reads as missing beside "
                "NaN: if it was made with missing=NUMBER, add --missing NUMBER"
            )
        return replace(
            self,
            n_best=n_best,
            missing=self.missing if missing is None else missing,
            says_missing=says_missing,
            notes=tuple(notes),
        )

    def _rounds_note(self, rounds: str) -> str:
        if rounds == "all":
            return f"all {self.n_rounds} rounds are packed, and the best one is {self.n_best}"
        packed = (
            f"it stopped early, so the first {self.n_best} of {self.n_rounds} rounds are packed"
        )
        if rounds == "best":
            return packed
        if self.predicts_all:
            return f"{packed}, though Booster.predict uses all of them, which --rounds all packs"
        return f"{packed}; if it was trained further after that, --rounds all packs all of them"


def booster_state(record: Record) -> Record:
    """The record of the booster itself.

    Raises:
        UnsupportedEstimator: if the estimator has none.
    """
    if any(record.has(name) for name in _BYTES):
        return record
    if not record.has("_Booster"):
        raise UnsupportedEstimator(f"this {record.name} is not fitted; fit it first")
    return record.record("_Booster")


def bytes_of(booster: Record) -> bytes | str:
    """What the booster's library wrote, which it loads again.

    Raises:
        UnsupportedEstimator: if there is nothing.
    """
    for name in _BYTES:
        found = booster.get(name)
        if isinstance(found, bytes | str):
            return found
    raise UnsupportedEstimator("the pickled booster has no trees; the file is damaged")


def classes_of(record: Record) -> NDArray[Any] | None:
    """The labels of a classifier, under the names that they had in any version."""
    for name in ("classes_", "_classes"):
        if isinstance(record.get(name), np.ndarray):
            found: NDArray[Any] = record.get(name)
            return found
    encoder = record.get("_le")
    if isinstance(encoder, Record) and isinstance(encoder.get("classes_"), np.ndarray):
        return encoder.array("classes_", 1)
    n_classes = record.get("n_classes_")
    return np.arange(n_classes) if isinstance(n_classes, int) and n_classes < 1 << 20 else None
