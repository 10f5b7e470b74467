"""Answers that a server has logged, and the outcomes that became known later."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.errors import InvalidData, count, format_error, format_value
from mlserver_forest.schema.output_names import PREDICT
from mlserver_forest.schema.schema import Schema

# The columns of the log that name what answered.
MODEL, VERSION = "model", "version"


class AnsweredLog:
    """The rows of a request log that one model answered.

    Attributes:
        prediction: the answers, (n_samples, n_columns).
        columns: by name, (n_samples,) Python values of each column that was asked for.
        are_numbers: by name, whether the values of a column are numbers.
    """

    def __init__(self, places: Iterable[Path], schema: Schema, names: Sequence[str]) -> None:
        """Read files of Parquet, and all those in folders.

        Args:
            places: the files and folders.
            schema: of the model.
            names: the columns to keep.

        Raises:
            InvalidData: naming the file and what is wrong with it.
        """
        answers = [PREDICT, *schema.score_columns]
        wanted = list(dict.fromkeys([MODEL, VERSION, *answers, *names]))
        paths = _files(places)
        tables = [_read(path, wanted) for path in paths]
        models = {name for table in tables for name in table[MODEL].unique().to_pylist()}
        if len(models) > 1:
            raise InvalidData(
                f"the log has rows of the models {', '.join(sorted(map(str, models)))}; name the "
                "folder of one of them"
            )
        found = [
            _prediction(path, table, schema) for path, table in zip(paths, tables, strict=True)
        ]
        self.prediction = Prediction(
            np.concatenate([one.values for one in found]),
            np.concatenate([one.positions for one in found]),
        )
        self.are_numbers = {name: _is_number(tables[0][name].type) for name in names}
        self.columns = {name: [v for t in tables for v in _values(t[name])] for name in names}


def _files(places: Iterable[Path]) -> list[Path]:
    found = [
        path
        for place in places
        for path in (sorted(place.rglob("*.parquet")) if place.is_dir() else [place])
        if not path.name.startswith(".")
    ]
    if not found:
        raise InvalidData("there is no file of Parquet in the log; name its folder or its files")
    return found


def _read(path: Path, names: Sequence[str]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            missing = [name for name in names if name not in there]
            if missing:
                raise InvalidData(
                    f"{path}: there is no column {format_value(missing[0])}; expected a file of a "
                    f"request log; its columns are {', '.join(there)}"
                )
            return file.read(columns=list(names))
    except (OSError, pa.ArrowException) as error:
        raise InvalidData(f"{path} cannot be read as Parquet: {format_error(error)}") from error


def _prediction(path: Path, table: pa.Table, schema: Schema) -> Prediction:
    columns = [_matrix(table[name]) for name in schema.score_columns or [PREDICT]]
    values = np.concatenate(columns, axis=1)
    if values.shape[1] != schema.n_value_columns:
        raise InvalidData(
            f"{path}: the answers have {count(values.shape[1], 'number')} and those of the model "
            f"{schema.n_value_columns}; name the folders of the versions that have its classes"
        )
    if not schema.classes:
        return Prediction(values, np.zeros(len(values), np.intp))
    places = {str(label): place for place, label in enumerate(schema.classes)}
    labels = table[PREDICT].to_pylist()
    unknown = {str(label) for label in labels} - places.keys()
    if unknown:
        raise InvalidData(
            f"{path}: the answer {format_value(min(unknown))} is not a class of the model; name "
            "the folders of the versions that have its classes"
        )
    return Prediction(values, np.array([places[str(label)] for label in labels], np.intp))


def _matrix(column: Any) -> NDArray[np.float64]:
    """(n, k) numbers of a column of numbers, or of lists of them."""
    flat = np.array(column.to_pylist(), np.float64)
    return flat.reshape(len(column), -1)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _values(column: Any) -> list[Any]:
    """Python values; of a float32, the shortest number that is equal to it."""
    if pa.types.is_float32(column.type):
        return [None if v != v else float(str(v)) for v in column.to_numpy()]  # noqa: PLR0124
    return list(column.to_pylist())
