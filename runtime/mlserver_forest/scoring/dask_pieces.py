"""Pieces of files scored by the workers of a Dask cluster."""

import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.model_files import ModelFiles
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.registry import Format
from mlserver_forest.model.model import Model
from mlserver_forest.optional_library import require
from mlserver_forest.scoring.chunk_answers import answers_of, blocks_of
from mlserver_forest.scoring.pieces import Piece
from mlserver_forest.scoring.scorer import BadRow, Scorer
from mlserver_forest.scoring.scoring_options import ScoringOptions

_SECONDS_TO_CONNECT = 15
# Pieces that wait for a worker, for each of its threads: their answers are in its memory.
_WAITING = 2

# A piece, and the parts of it that are done already.
Todo = tuple[Piece, frozenset[int]]


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part that a worker has scored.

    Attributes:
        part: its number.
        content: the file of its answers; empty if it has no rows.
        n_rows: how many answers it has.
        bad_rows: the rows that were left out.
    """

    part: int
    content: bytes
    n_rows: int
    bad_rows: list[BadRow]


def score_pieces(
    address: str,
    model: ModelFiles,
    todo: Sequence[Todo],
    options: ScoringOptions,
    answers: Format,
) -> Generator[tuple[Piece, list[ScoredPart]]]:
    """Score pieces, in the order in which the workers end.

    Args:
        address: of the scheduler.
        model: sent to each worker once.
        todo: the pieces; the workers read the files themselves, by the same names.
        options: how.
        answers: the format of the answers.

    Raises:
        InvalidEnvironment: if the cluster cannot be reached, or has no worker.
        ForestError: what a worker raised.
    """
    require("distributed", "train")
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT)
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidEnvironment(
            f"no Dask scheduler answers at {address}: {error}; start one with `dask scheduler`, "
            f"and workers with `dask worker {address}`"
        ) from error
    with client:
        n_threads = sum(client.nthreads().values())
        if not n_threads:
            raise InvalidEnvironment(
                f"the Dask cluster at {address} has no worker; start some with `dask worker "
                f"{address}`"
            )
        (files,) = client.scatter([model], broadcast=True)
        waiting = iter(todo)
        running: dict[Any, Piece] = {}

        def submit() -> Any:
            found = next(waiting, None)
            if found is None:
                return None
            future = client.submit(_score_piece, files, *found, options, answers, pure=False)
            running[future.key] = found[0]
            return future

        first = filter(None, [submit() for _ in range(_WAITING * n_threads)])
        done = as_completed(list(first))
        for future in done:
            yield running.pop(future.key), future.result()
            future.release()
            if (another := submit()) is not None:
                done.add(another)


def _score_piece(
    files: ModelFiles,
    piece: Piece,
    done: frozenset[int],
    options: ScoringOptions,
    answers: Format,
) -> list[ScoredPart]:
    """What a worker does, in one of its threads."""
    scorer = Scorer(model_of(files), options)
    found = answers_of([piece], scorer, options, 1, lambda _, part: part in done)
    parts = []
    for part, group in groupby(found, key=lambda pair: pair[0].part):
        n_rows, bad_rows, predictions = 0, list[BadRow](), list[Predictions]()
        for _, scored in group:
            n_rows += scored.n_rows
            bad_rows.extend(scored.bad_rows)
            if scored.predictions is not None:
                predictions.append(scored.predictions)
        blocks = blocks_of(iter(predictions), answers)
        parts.append(ScoredPart(part, b"".join(blocks or ()), n_rows, bad_rows))
    return parts


@lru_cache(2)
def model_of(files: ModelFiles) -> Model:
    """The model that files hold; a worker keeps it for the next piece.

    Raises:
        InvalidArtifact: if it is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="forest-predict-") as folder:
        files.write(Path(folder))
        return model_directory.load(Path(folder))
