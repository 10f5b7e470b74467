"""Chunks of files and their answers, in the order of the rows, as files of any format hold them."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import chain

from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.scoring.ordered_threads import in_order
from mlserver_forest.scoring.pieces import Piece, PieceChunk, read_piece
from mlserver_forest.scoring.scorer import Scored, Scorer
from mlserver_forest.scoring.scoring_options import ScoringOptions

# The chunks of a piece with their answers, in the order of the rows.
Answers = Iterator[tuple[PieceChunk, Scored]]


def answers_of(
    pieces: Iterable[Piece],
    scorer: Scorer,
    options: ScoringOptions,
    n_threads: int,
    is_done: Callable[[int, int], bool],
) -> Generator[tuple[PieceChunk, Scored]]:
    """The chunks of pieces with their answers, in their order.

    Args:
        pieces: to be scored.
        scorer: answers in several threads at a time.
        options: how files are read.
        n_threads: how many.
        is_done: whether a part, by the numbers of its piece and its own, is skipped.
    """
    chunks = (
        chunk
        for piece in tuple(pieces)
        for chunk in read_piece(piece, scorer, options, partial(is_done, piece.number))
    )

    def score(found: PieceChunk) -> Scored:
        file = found.piece.file
        return scorer.score(found.chunk, file.name, scorer.partition_of(file.partition))

    return in_order(score, chunks, n_threads)


def blocks_of(predictions: Iterator[Predictions], found: Format) -> Iterator[bytes] | None:
    """The blocks of a file; None if there is no row."""
    first = next(predictions, None)
    if first is None:
        return None
    blocks: Iterator[bytes] = load(found.write_file)(chain((first,), predictions))
    return blocks
