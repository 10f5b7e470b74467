"""The model: schema, trees, and what else is known; rows in, answers out."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.engine.forest import only_forest
from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidArtifact, InvalidInput, format_value
from mlserver_forest.formats.predictions import Column
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.intervals import Intervals
from mlserver_forest.model.card import Card
from mlserver_forest.model.explanation import Explanation
from mlserver_forest.model.outputs import Compute, Output, RowBlock, outputs_of
from mlserver_forest.model.row_matrix import Extra, matrix_from
from mlserver_forest.schema.output_names import (
    CONTRIBUTIONS,
    EXPECTED_VALUE,
    INTERVAL,
    OUT_OF_RANGE,
    OUT_OF_RANGE_FEATURES,
    PREDICT,
    PREDICT_PROBA,
)
from mlserver_forest.schema.schema import Schema

# Rows are answered in blocks of at most this many rows and at most this much work (walks down a
# tree), so that only what was requested is kept for all rows, and a request can be cancelled.
_BLOCK_ROWS = 16_384
_BLOCK_WORK = 4_000_000
_FEWEST_BLOCK_ROWS = 64
# An answer may hold many values for each value in the request; this many values fill 1 GiB.
_MOST_ANSWER_VALUES = 1 << 27
_EXPLAINED = frozenset({CONTRIBUTIONS, EXPECTED_VALUE})
_NO_SAMPLES = np.empty((0, 0))

Observer = Callable[[NDArray[Any], Prediction], None]


@dataclass(frozen=True, eq=False)
class Model:
    """A tree ensemble that answers rows. Immutable, and safe to share among threads.

    ``predict``, ``predict_proba``, ``explain``, ``interval`` and ``out_of_range`` take rows as a
    caller has them; ``answer`` takes the matrix that ``Schema.conform`` returns.

    Attributes:
        schema: the features, the classes and the outputs.
        forest: the trees: one forest, or a composition of several.
        baseline: what the training rows looked like, if it is known.
        calibration: how intervals or prediction sets are made, if the model has them.
        samples: (n, n_features) some rows, in the dtype of the features, that the model is
            tested with; may be empty.
        card: what is known about the training, if anything is.

    Raises:
        InvalidArtifact: if the parts do not belong together.
    """

    schema: Schema
    forest: Predictor
    baseline: Baseline | None = None
    calibration: Intervals | None = None
    samples: NDArray[Any] = field(default_factory=_NO_SAMPLES.copy)
    card: Card | None = None

    def __post_init__(self) -> None:
        forest, schema = self.forest, self.schema
        found = (forest.n_features, forest.feature_dtype, forest.n_value_columns)
        expected = (schema.n_features, schema.dtype, schema.n_value_columns)
        if found != expected:
            raise InvalidArtifact(
                f"the forest and its description do not belong together: {found[0]} {found[1]} "
                f"features and {found[2]} outputs against {expected[0]} {expected[1]} and "
                f"{expected[2]}"
            )
        known = self.insight_shapes
        for name, shape in schema.insights.items():
            if known.get(name) != shape:
                raise InvalidArtifact(
                    f"the description has an output {name} of the shape {[-1, *shape]}, which the "
                    "forest file cannot give; copy both files again, or train the model again"
                )

    @cached_property
    def outputs(self) -> Mapping[str, Output]:
        """The outputs that the schema declares, by name; ``predict`` comes first."""
        return outputs_of(self.schema)

    @property
    def insight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The outputs beside predictions that the model can give, and the shape of one row."""
        forest = self.forest
        found: dict[str, tuple[int, ...]] = {}
        if not forest.unexplained:
            n_outputs = (forest.n_outputs,) if forest.n_outputs > 1 else ()
            found[CONTRIBUTIONS] = (forest.n_features, *n_outputs)
            found[EXPECTED_VALUE] = (forest.n_outputs,)
        if self.baseline is not None:
            found[OUT_OF_RANGE] = (1,)
            found[OUT_OF_RANGE_FEATURES] = (forest.n_features,)
        if self.calibration is not None:
            found |= self.calibration.outputs(self.schema)
        return found

    def predict(
        self,
        X: Any,  # noqa: N803  # the name in scikit-learn
        threads: KernelThreads | None = None,
        *,
        extra: Extra | None = None,
    ) -> NDArray[Any]:
        """Predict the class or the target of each row.

        Args:
            X: (n_samples, n_features): a matrix, a list of rows, a data frame, or a mapping
                from column names to columns; a mapping or a list of mappings from names to values
                for one row or several; see ``row_matrix.py``.
            threads: the threads that may walk trees; None for the caller's own.
            extra: "ignore" to skip named columns that the model does not read, "error" to refuse
                them; None for what the model was trained with, which is "error" by default.

        Returns:
            (n_samples,) labels, or float64 (n_samples,) numbers; (n_samples, n_targets) if the
            model has several targets.

        Raises:
            InvalidInput: naming the row and the column, what came and what was expected.
        """
        found = self.answer(self.matrix(X, extra=extra), [PREDICT], threads)[PREDICT]
        values = np.asarray(found[:])
        if values.dtype.kind == "O":
            return values.astype(str)
        return values[:, 0] if values.shape[1] == 1 else values

    def predict_proba(
        self,
        X: Any,  # noqa: N803
        threads: KernelThreads | None = None,
        *,
        extra: Extra | None = None,
    ) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Args:
            X: as in ``predict``.
            threads: as in ``predict``.
            extra: as in ``predict``.

        Returns:
            float64 (n_samples, n_classes), columns in the order of ``schema.classes``.

        Raises:
            InvalidInput: as in ``predict``, and if the model is not a classifier.
        """
        if PREDICT_PROBA not in self.outputs:
            raise InvalidInput(f"a {self.schema.kind} model has no probabilities; call predict")
        x = self.matrix(X, extra=extra)
        return np.asarray(self.answer(x, [PREDICT_PROBA], threads)[PREDICT_PROBA])

    def explain(
        self,
        X: Any,  # noqa: N803
        threads: KernelThreads | None = None,
        *,
        extra: Extra | None = None,
    ) -> Explanation:
        """Explain each prediction by exact Shapley values (TreeSHAP).

        Args:
            X: as in ``predict``.
            threads: as in ``predict``.
            extra: as in ``predict``.

        Returns:
            The contributions and the expected value. They are in the units of the raw score:
            probabilities for scikit-learn's forests, log odds or margins for boosted
            classifiers. Several outputs are in the order of the classes or targets.

        Raises:
            InvalidInput: as in ``predict``.
            InvalidArtifact: if the trees do not have covers, which explanations need, or the
                model is not a sum over features.
        """
        if self.forest.unexplained:
            raise InvalidArtifact(f"this model cannot explain: {self.forest.unexplained}")
        x = self.matrix(X, extra=extra)
        contributions = self._in_blocks(x, RowBlock.contributions, _EXPLAINED, threads)
        return Explanation(contributions, self.forest.expected_value, self.schema)

    def interval(
        self,
        X: Any,  # noqa: N803
        threads: KernelThreads | None = None,
        *,
        extra: Extra | None = None,
    ) -> NDArray[Any]:
        """Compute the prediction interval of each row, or the prediction set of a classifier.

        Args:
            X: as in ``predict``.
            threads: as in ``predict``.
            extra: as in ``predict``.

        Returns:
            float64 (n_samples, 2), the low and the high end; or bool (n_samples, n_classes),
            whether each class belongs to the set.

        Raises:
            InvalidInput: as in ``predict``.
            InvalidArtifact: if the model was trained without intervals.
        """
        is_class = bool(self.schema.classes)
        compute = RowBlock.prediction_set if is_class else RowBlock.interval
        return self._in_blocks(self.matrix(X, extra=extra), compute, {INTERVAL}, threads)

    # The name in release 0.1.0.
    intervals = interval

    def out_of_range(
        self,
        X: Any,  # noqa: N803
        *,
        extra: Extra | None = None,
    ) -> NDArray[np.bool_]:
        """Find values that the training rows did not have.

        Args:
            X: as in ``predict``.
            extra: as in ``predict``.

        Returns:
            bool (n_samples, n_features), whether a number is below the training minimum or above
            the training maximum, a category is unseen, or a value is missing that never was.

        Raises:
            InvalidInput: as in ``predict``.
            InvalidArtifact: if the model has no baseline of its training rows.
        """
        x = self.matrix(X, extra=extra)
        return self._in_blocks(x, RowBlock.out_of_range_features, (), None)

    def matrix(
        self,
        X: Any,  # noqa: N803
        *,
        extra: Extra | None = None,
    ) -> NDArray[Any]:
        """Read rows as ``answer`` takes them; see ``predict`` for arguments and errors."""
        return matrix_from(X, self.schema, extra=extra)

    def answer(
        self,
        x: NDArray[Any],
        names: Collection[str],
        threads: KernelThreads | None = None,
        observe: Observer | None = None,
    ) -> dict[str, Column]:
        """Give the requested outputs, computed block by block if there are many rows.

        Args:
            x: (n_samples, n_features), as ``Schema.conform`` returns it.
            names: the outputs; ``check_names`` checks them.
            threads: the threads that may walk trees; None for the caller's own.
            observe: called with each block of rows and its prediction.

        Returns:
            By name, (n_samples, *shape) values, or labels: text as ``Labels`` (n_samples,),
            integers and booleans as (n_samples, 1).

        Raises:
            InvalidInput: if the answer would be too large.
            Cancelled: if the request is cancelled meanwhile.
        """
        outputs = [self.outputs[name] for name in dict.fromkeys(names)]
        self._check_size(outputs, len(x))
        n_at_once = self._block_rows(names)
        if len(x) <= n_at_once:
            block = self._block(x, threads)
            if observe is not None:
                observe(x, block.prediction)
            return {output.name: output.finish(output.compute(block)) for output in outputs}
        computed = [output.empty(len(x)) for output in outputs]
        for start in range(0, len(x), n_at_once):
            cancellation.check()
            rows = slice(start, start + n_at_once)
            block = self._block(x[rows], threads)
            for array, output in zip(computed, outputs, strict=True):
                array[rows] = output.compute(block)
            if observe is not None:
                observe(block.x, block.prediction)
        pairs = zip(outputs, computed, strict=True)
        return {output.name: output.finish(array) for output, array in pairs}

    def check_names(self, names: Collection[str]) -> None:
        """Check that the model has all of these outputs.

        Raises:
            InvalidInput: naming the outputs that the model has.
        """
        unknown = [name for name in names if name not in self.outputs]
        if unknown:
            raise InvalidInput(
                f"output {format_value(unknown[0])} was requested; "
                f"this model's outputs are {', '.join(self.outputs)}"
            )

    @cached_property
    def work_per_row(self) -> int:
        """The work of ``predict`` for one row, in walks down a tree."""
        return self.forest.n_trees + self.forest.n_features

    def work_for(self, names: Collection[str]) -> int:
        """The work of these outputs for one row, in walks down a tree."""
        work = self.work_per_row
        if not _EXPLAINED.isdisjoint(names) and not self.forest.unexplained:
            work += self.forest.contribution_work
        return work + (self._interval_work if INTERVAL in names else 0)

    @cached_property
    def _interval_work(self) -> int:
        samples = self.calibration and self.calibration.samples
        return samples.work(only_forest(self.forest)) + self.forest.n_trees if samples else 0

    @cached_property
    def _widths(self) -> Mapping[str, int]:
        return {name: math.prod(output.shape) for name, output in self.outputs.items()}

    def _check_size(self, outputs: Collection[Output], n_rows: int) -> None:
        width = sum([self._widths[output.name] for output in outputs])
        if n_rows * width > _MOST_ANSWER_VALUES:
            raise InvalidInput(
                f"the outputs {', '.join(output.name for output in outputs)} have {width} values "
                f"a row, and {n_rows} rows were sent; send at most "
                f"{_MOST_ANSWER_VALUES // width} rows at a time"
            )

    def _block_rows(self, names: Collection[str]) -> int:
        return max(_FEWEST_BLOCK_ROWS, min(_BLOCK_ROWS, _BLOCK_WORK // self.work_for(names)))

    def _block(self, x: NDArray[Any], threads: KernelThreads | None) -> RowBlock:
        return RowBlock(x, self.forest, self.baseline, self.calibration, threads)

    def _in_blocks(
        self,
        x: NDArray[Any],
        compute: Compute,
        names: Collection[str],
        threads: KernelThreads | None,
    ) -> NDArray[Any]:
        """Compute values block by block; ``names`` are the outputs whose work they take."""
        found = []
        step = self._block_rows(names)
        for start in range(0, max(len(x), 1), step):
            cancellation.check()
            found.append(compute(self._block(x[start : start + step], threads)))
        return np.concatenate(found)
