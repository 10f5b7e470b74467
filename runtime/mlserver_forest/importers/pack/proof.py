"""Rows that are hard for a model, what its own library answers to them, and the comparison."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import forests_in
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.nodes import NodeFields
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.importers.fitted_estimator import Answers
from mlserver_forest.importers.pack.model_file import ModelFile
from mlserver_forest.importers.pack.other_interpreter import Question, ask_interpreter
from mlserver_forest.importers.pack.pipeline_answers import ask_pipeline
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.registry import Importer, is_version
from mlserver_forest.importers.saved_booster import SavedBooster
from mlserver_forest.model.model import Model
from mlserver_forest.schema.hashed_categories import HASHES

_ROWS = 1000
_MOST_ROWS = 20_000
_MISSING_SHARE = 0.1
_ROWS_ALONE = 64
# Of a number, or of the median of its column: by how much sums in two orders may differ.
_ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class SourceAnswers:
    """The answers that the packed model has to give.

    Attributes:
        x: (n_samples, n_features) the rows, in the forest's dtype.
        values: float64 (n_samples, n_columns), as in ``Prediction``.
        positions: (n_samples,) the positions of the classes; empty if there are no classes.
        tolerance: how far a value may differ, relative to its size or to 1.
        source: who gave the answers, for messages.
        written_by: the version of the library that wrote the model; empty if it is not known.
    """

    x: NDArray[Any]
    values: NDArray[np.float64]
    positions: NDArray[np.intp]
    tolerance: float
    source: str = ""
    written_by: str = ""

    @classmethod
    def of(
        cls,
        x: NDArray[Any],
        answers: Answers,
        tolerance: float,
        source: str = "",
        written_by: str = "",
    ) -> "SourceAnswers":
        """The answers of a library, in the dtypes in which they are compared."""
        values, positions = np.asarray(answers[0], np.float64), np.asarray(answers[1], np.intp)
        return cls(x, values, positions, tolerance, source, written_by)


@dataclass(frozen=True)
class Proof:
    """How many rows differ, in the class or by more than the tolerance.

    Attributes:
        n_rows: that were compared.
        n_different: that differ.
        largest: the largest difference of a value.
        n_on_thresholds: rows that differ, but are not counted, because a sum lies on a threshold of
            a tree up to rounding: the library itself may answer such a row alone in another way
            than among others.
    """

    n_rows: int
    n_different: int
    largest: float
    n_on_thresholds: int = 0

    def __str__(self) -> str:
        found = (
            f"{self.n_rows} rows, {self.n_different} differences, largest |Δ| {self.largest:.3g}"
        )
        if not self.n_on_thresholds:
            return found
        return (
            f"{found}; not counted are {self.n_on_thresholds} rows on thresholds of mixed columns, "
            "whose answers depend on the last bits"
        )


def compare(model: Model, answers: SourceAnswers) -> Proof:
    """Ask the packed model, all rows together and the first ones alone, and compare."""
    forest, x = model.forest, model.schema.conform(answers.x, has_codes=True)
    prediction = forest.predict(x)
    delta = np.abs(prediction.values - answers.values)
    allowed = answers.tolerance * np.maximum(np.abs(answers.values), 1)
    # Negated, so that a NaN counts as a difference.
    different: NDArray[np.bool_] = np.any(~(delta <= allowed), axis=1)
    if answers.positions.size:
        different |= prediction.positions != answers.positions
    excused = different.copy()
    excused[different] = _are_on_thresholds(forest, x)[different] if different.any() else False
    different &= ~excused
    for row in range(min(len(x), _ROWS_ALONE)):
        alone = forest.predict(x[row : row + 1])
        different[row] |= not np.array_equal(alone.values[0], prediction.values[row])
    largest = float(delta[~excused].max(initial=0))
    return Proof(len(x), int(different.sum()), largest, int(excused.sum()))


def _are_on_thresholds(predictor: Predictor, x: NDArray[Any]) -> NDArray[np.bool_]:
    """(n_samples,) in which rows a sum lies so close to a threshold that rounding decides."""
    found = np.zeros(len(x), bool)
    for forest, columns in forests_in(predictor):
        if forest.derived is None or (columns < 0).any():
            continue
        rounded = np.flatnonzero(forest.derived.rounded(forest.n_features)) + forest.n_features
        if not rounded.size:
            continue
        wide = forest.checked(x[:, columns].astype(forest.feature_dtype)).astype(np.float64)
        thresholds = _thresholds_of(forest)
        for column in rounded.tolist():
            near = thresholds[column][np.isfinite(thresholds[column])]
            values = wide[:, column]
            known = np.abs(values[np.isfinite(values)])
            reach = _ROUNDING * np.maximum(np.abs(values), np.median(known) if known.size else 0)
            below, above = (np.searchsorted(near, values + side * reach) for side in (-1, 1))
            found |= below != above
    return found


def ask(importer: Importer, estimator: Any, model: Model, x: NDArray[Any]) -> SourceAnswers:
    """Ask an estimator or booster itself, or walk its trees if its library cannot be asked.

    Args:
        importer: its library.
        estimator: the estimator that was imported, or its record.
        model: the imported model.
        x: (n_samples, n_features) rows in the forest's dtype.
    """
    written_by, asked = getattr(estimator, "written_by", ""), estimator
    if importer.records is not None:
        record = record_of(estimator)
        written_by = importer.records.version_of(record)
        if isinstance(estimator, Record):
            asked = importer.records.restore(record)
        elif written_by != importer.version or not importer.records.can_be_asked(estimator):
            asked = None  # Another version answers by its own rules.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Libraries miss the feature names of an array.
        if asked is None and importer.records is not None:
            values, positions = importer.records.walk(record, x, model.schema)
            source = (
                f"a plain walk of the same trees in NumPy; {importer.title} {written_by} itself "
                "was not asked"
            )
        else:
            raw = importer.raw_rows(estimator, x)
            if raw is None or importer.pipelines is None:
                values, positions = importer.answers(asked, x, model.schema)
            else:
                values, positions = ask_pipeline(importer.pipelines, asked, raw, model.schema)
            source = _source(importer, written_by)
    tolerance = importer.tolerance_for(model)
    return SourceAnswers.of(x, (values, positions), tolerance, source, written_by)


def _source(importer: Importer, written_by: str) -> str:
    """The installed library, and whether it is the one that wrote the model."""
    source = f"{importer.answered_by or importer.title} {importer.version}"
    is_same = not written_by or is_version(importer.version, written_by)
    if is_same or importer.answered_by:
        return source
    return (
        f"{source}, which reads what {written_by} wrote; {importer.title} {written_by} itself was "
        "not asked"
    )


def ask_elsewhere(
    importer: Importer, estimator: Any, command: str, file: ModelFile, model: Model, x: NDArray[Any]
) -> SourceAnswers:
    """Let another interpreter load the model and answer.

    Args:
        importer: the model's library.
        estimator: the estimator that was imported, or its record.
        command: of the interpreter.
        file: the model's file.
        model: the imported model, with its own names.
        x: (n_samples, n_features) rows in the forest's dtype.
    """
    n_rounds = 0
    if isinstance(estimator, SavedBooster) and estimator.has_later_rounds:
        n_rounds = estimator.n_best or 0
    question = Question(file.path, file.form.is_pickle, importer.script, n_rounds)
    raw = importer.raw_rows(estimator, x)
    rows = x if raw is None else raw
    (values, positions), version = ask_interpreter(command, question, rows, model.schema)
    source, written_by = f"{importer.title} {version} in {command}", version
    own = getattr(estimator, "written_by", "")
    if importer.records is not None:
        own = importer.records.version_of(record_of(estimator))
    if own and not is_version(version, own):
        source += f", which is not the version {own} that wrote it, so it proves little"
        written_by = own
    tolerance = importer.tolerance_for(model)
    return SourceAnswers.of(x, (values, positions), tolerance, source, written_by)


def hard_rows(model: Model, sample: NDArray[Any] | None) -> NDArray[Any]:
    """The sample, and generated rows with values on thresholds and right beside them.

    Args:
        model: the model.
        sample: (n_samples, n_features) rows of the user's own, or None.

    Returns:
        Rows in the forest's dtype.
    """
    predictor, schema = model.forest, model.schema
    rng = np.random.default_rng(0)
    edges = _edges(predictor)
    pools = [_values(one, predictor.feature_dtype, rng) for one in edges]
    for column, name in enumerate(schema.feature_names):
        low, high = schema.ranges.get(name, (-np.inf, np.inf))
        pools[column] = pools[column][(pools[column] >= low) & (pools[column] <= high)]
    for column, categories in schema.categories_by_column.items():
        if categories.is_hashed:
            pools[column] = _hashes(edges[column], rng)
        elif categories.is_boolean or categories.refuses_unseen or categories.has_unseen_code:
            pools[column] = np.arange(categories.n_codes, dtype=np.float64)
    n_rows = min(max(_ROWS, *map(len, pools)), _MOST_ROWS) if schema.datatype == "FP64" else _ROWS
    x = np.column_stack([_drawn(pool, n_rows, rng) for pool in pools]).astype(
        predictor.feature_dtype
    )
    may_be_missing = np.array(list(map(schema.may_be_missing, schema.feature_names)))
    for column, categories in schema.categories_by_column.items():
        may_be_missing[column] &= not categories.is_hashed
    x[(rng.random(x.shape) < _MISSING_SHARE) & may_be_missing] = np.nan
    if schema.missing_number is not None:
        x[rng.random(x.shape) < _MISSING_SHARE] = schema.missing_number
    # A gap in each column alone, and in all.
    alone = np.where(np.eye(len(pools), dtype=bool) & may_be_missing, np.nan, x[: len(pools)])
    x[: len(alone)] = alone[: len(x)]
    x[-1, may_be_missing] = np.nan
    return x if sample is None else np.concatenate([sample.astype(x.dtype), x])


def _drawn(pool: NDArray[Any], n_rows: int, rng: np.random.Generator) -> NDArray[Any]:
    """So many of a feature's values: each at least once, if there are not more of them."""
    if len(pool) > n_rows:
        return rng.choice(pool, n_rows, replace=False)
    found = np.concatenate([pool, rng.choice(pool, n_rows - len(pool))])
    rng.shuffle(found)
    return found


def _hashes(known: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Hashes of categories: known ones, their neighbors, and as many of any other."""
    others = rng.integers(0, HASHES, max(len(known), 1)).astype(np.float64)
    return np.concatenate([known, others]) % HASHES


def _edges(predictor: Predictor) -> list[NDArray[Any]]:
    """For each feature, its distinct thresholds in all forests, or the edges of its categories."""
    known: list[list[NDArray[Any]]] = [[] for _ in range(predictor.n_features)]
    for forest, columns in forests_in(predictor):
        for column, found in zip(columns.tolist(), _edges_in(forest), strict=True):
            if column >= 0:
                known[column].append(found)
    return [np.unique(np.concatenate([np.empty(0, np.float32), *found])) for found in known]


def _thresholds_of(forest: Forest) -> list[NDArray[Any]]:
    """For each column that trees read, its thresholds and cuts, ascending."""
    fields = NodeFields(forest.nodes, forest.n_columns)
    features, thresholds = fields.features, fields.thresholds
    numeric = ~np.isnan(thresholds) & ~fields.is_categorical
    order = np.argsort(features[numeric], kind="stable")
    bounds = np.searchsorted(features[numeric][order], np.arange(forest.n_columns + 1))
    split = np.split(thresholds[numeric][order], bounds[1:-1])
    if forest.cut_starts.size:
        cuts = np.split(forest.cuts, forest.cut_starts[1:-1])
        split = [np.concatenate(both) for both in zip(split, cuts, strict=True)]
    return [np.unique(one) for one in split]


def _edges_in(forest: Forest) -> list[NDArray[Any]]:
    split = _thresholds_of(forest)
    if forest.derived is not None:
        known = map(forest.derived.known_numbers, range(forest.n_features))
        split = [np.concatenate(both) for both in zip(split, known, strict=False)]
    return split[: forest.n_features]


def _values(edges: NDArray[Any], dtype: np.dtype[Any], rng: np.random.Generator) -> NDArray[Any]:
    edges = edges[np.isfinite(edges)]  # A threshold may be infinite, so that all go one way.
    with np.errstate(over="ignore"):
        on = edges.astype(dtype)
        beside = [np.nextafter(on, dtype.type(side)) for side in (-np.inf, np.inf)]
        spread = np.ptp(edges.astype(np.float64)) / 2 + 1 if on.size else 1
    between = rng.normal(np.mean(edges, dtype=np.float64) if on.size else 0, spread, 100)
    with np.errstate(over="ignore", invalid="ignore"):
        pool = np.concatenate([on, *beside, [0], between.astype(dtype)]).astype(dtype)
    return np.unique(pool[np.isfinite(pool)])
