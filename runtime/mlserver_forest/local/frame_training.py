"""A model trained on a data frame, which is read exactly as a file is."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from numbers import Real
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlserver_forest.artifact.model_directory import load, replace_card
from mlserver_forest.errors import InvalidData, JobError, format_error, format_value
from mlserver_forest.evaluation.known_targets import text_of_value
from mlserver_forest.local.kept_folder import KeptFolder
from mlserver_forest.local.local_model import LocalModel
from mlserver_forest.model.row_matrix import is_lazy, listed
from mlserver_forest.training.local_training import Paths, train_files

_PREFIX = "forest-train-"
_NAME = "frame.parquet"
_TEXT = pa.large_string()


def train_frame(
    frame: Any,
    *,
    target: str,
    name: str | None,
    out: str | PathLike[str] | None,
    validation: Any,
    test: Any,
    options: Mapping[str, Any],
    say: Callable[[str], None],
) -> LocalModel:
    """Train a model on a data frame or on files.

    Args:
        frame: rows with named columns, or the path of a file, or several.
        target: the column to predict.
        name: the model's name; None for that of the first file, or "forest" for a data frame.
        out: the folder for the model and its report; None for one that lasts as long as the model.
        validation: rows to evaluate on, or None.
        test: rows to evaluate on at the end, or None.
        options: others of ``train_files``.
        say: is called with each line of the log.

    Raises:
        InvalidData: naming the column or the row, what came and what was expected.
        InvalidHyperparameters: naming every one that is unknown or out of range.
        InvalidEnvironment: if a folder cannot be written, or a library is missing.
    """
    folder = KeptFolder(_PREFIX) if out is None else None
    with TemporaryDirectory(prefix=_PREFIX) as rows:

        def say_table(line: str) -> None:
            say(_without_paths(line, rows))

        tables = ("training", "validation", "test")
        titles = {str(Path(rows) / table / _NAME): f"the {table} table" for table in tables}
        try:
            directory = train_files(
                _files(frame, Path(rows) / "training"),
                target=target,
                name=name or (None if _are_files(frame) else "forest"),
                out=folder.path if folder else str(out),
                say=say_table,
                file_titles=titles,
                validation=_files(validation, Path(rows) / "validation"),
                test=_files(test, Path(rows) / "test"),
                **options,
            )
        except JobError as error:
            error.args = (_without_paths(str(error), rows),)
            raise
        _name_tables(directory, rows)
    return LocalModel.of(directory, folder)


def _without_paths(text: str, rows: str) -> str:
    """A line without the names of files that nobody knows."""
    return re.sub(rf"{re.escape(rows)}/(\w+)/{re.escape(_NAME)}", r"the \1 table", text)


def _name_tables(directory: Path, rows: str) -> None:
    card = load(directory).card
    if card is not None:
        notes = tuple(_without_paths(note, rows) for note in card.notes)
        if notes != card.notes:
            replace_card(directory, replace(card, notes=notes))


def _files(table: Any, folder: Path) -> Paths:
    """The files of a table; a data frame becomes one, and None is none."""
    if table is None:
        return []
    if _are_files(table):
        return [table] if isinstance(table, str | PathLike) else [*table]
    folder.mkdir()
    path = folder / _NAME
    pq.write_table(_arrow_table(table), path)
    return [path]


def _are_files(table: Any) -> bool:
    """Whether this is the path of a file, or a list of paths."""
    first = table[0] if isinstance(table, list | tuple) and table else table
    return isinstance(first, str | PathLike)


def _arrow_table(table: Any) -> Any:
    """The columns of a table as Arrow has them; an index of pandas is not a column.

    Raises:
        InvalidData: if it does not have named columns, or one holds values of several kinds.
    """
    if is_lazy(table):
        raise InvalidData(f"the table is a {type(table).__name__}; call its collect() first")
    try:
        if isinstance(table, pa.Table):
            return _with_plain_texts(table)
        if _are_records(table):
            names = dict.fromkeys(name for row in table for name in row)
            table = {name: [row.get(name) for row in table] for name in names}
        if isinstance(table, Mapping):
            return pa.table({str(name): _column(column) for name, column in table.items()})
        if hasattr(table, "columns") and hasattr(table, "iloc"):  # An index is not a column.
            return pa.table(_columns_of(table))
        if hasattr(table, "__arrow_c_stream__"):
            return _with_plain_texts(pa.table(table))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidData(
            f"the table cannot be read ({format_error(error)}); expected numbers, texts, booleans "
            "or dates in each column"
        ) from error
    raise InvalidData(
        f"the table is a {type(table).__name__}; expected a data frame, an Arrow table, a mapping "
        "from names to columns, or the path of a file"
    )


def _with_plain_texts(table: Any) -> Any:
    """The table with texts as any reader of Parquet has them: Polars' are views, which few read."""
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            texts = [part.dictionary.cast(_TEXT).take(part.indices) for part in column.chunks]
            column = pa.chunked_array(texts, _TEXT)
        elif pa.types.is_string_view(field.type):
            column = column.cast(_TEXT)
        else:
            continue
        table = table.set_column(place, field.name, column)
    return table


def _are_records(table: Any) -> bool:
    return isinstance(table, Sequence) and bool(table) and isinstance(table[0], Mapping)


def _columns_of(frame: Any) -> dict[str, Any]:
    """The columns of a pandas data frame.

    Raises:
        InvalidData: if two have the same name.
    """
    names = [str(name) for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        shown = ", ".join(map(format_value, repeated))
        raise InvalidData(f"the names of columns are repeated: {shown}; give each its own name")
    return {name: _column(frame.iloc[:, place]) for place, name in enumerate(names)}


def _column(values: Any) -> Any:
    """An array of Arrow, null where a value is missing, such as NaN among texts.

    Values of several kinds, such as numbers among texts, become texts, as in a CSV file.
    """
    if hasattr(values, "to_arrow"):
        return values.to_arrow()
    plain = list(values) if isinstance(values, range) else values
    try:
        return pa.array(plain, from_pandas=True)
    except (pa.ArrowException, TypeError):
        texts = [_text(value) for value in listed(plain)]
    return pa.array(texts, pa.string())


def _text(value: Any) -> str | None:
    if not isinstance(value, str | Real | Decimal | date | None):
        raise TypeError(f"{type(value).__name__} objects are not values of a column")
    return text_of_value(value) or None
