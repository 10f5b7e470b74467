"""Pieces: files, or spans of them, that are read apart; each is scored part by part.

The parts of a piece depend on the file and the options alone, so that a later run finds the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mlserver_forest.formats.chunk import Chunk, ChunkedFile, ReadChunks
from mlserver_forest.formats.parsing import SCORING
from mlserver_forest.formats.registry import load
from mlserver_forest.scoring.input_files import InputFile
from mlserver_forest.scoring.scorer import Scorer
from mlserver_forest.scoring.scoring_options import ScoringOptions


@dataclass(frozen=True, slots=True)
class Piece:
    """A file or a span of it.

    Attributes:
        number: among the pieces of all files.
        file: the file.
        span: the row groups of it that are read; None for all of the file, whose parts then have
            some chunks each.
        span_number: among the spans of the file.
        n_bytes: the share of the file's bytes that it has, for the progress.
        n_rows: of a span.
    """

    number: int
    file: InputFile
    span: tuple[int, int] | None
    span_number: int
    n_bytes: int
    n_rows: int = 0


@dataclass(frozen=True, slots=True)
class PieceChunk:
    """A chunk of a piece.

    Attributes:
        piece: the piece.
        part: the number of the part of the file that the chunk belongs to.
        chunk: the rows.
        n_bytes: the bytes of the file that were read for it, for the progress.
    """

    piece: Piece
    part: int
    chunk: Chunk
    n_bytes: int


def pieces_of(files: Sequence[InputFile], span_rows: int) -> list[Piece]:
    """The pieces of files, in their order.

    Args:
        files: to be scored.
        span_rows: about the rows of a span.

    Raises:
        ForestError: if a file is of no known format, or cannot be read.
    """
    found: list[Piece] = []
    for file in files:
        if not file.format.spans:
            found.append(Piece(len(found), file, None, 0, file.size))
            continue
        with file.opened(()) as (source, _):
            spans = load(file.format.spans)(source, SCORING, span_rows)
        total = sum(n_rows for _, _, n_rows in spans)
        for number, (start, stop, n_rows) in enumerate(spans):
            share = file.size * n_rows // max(total, 1)
            found.append(Piece(len(found), file, (start, stop), number, share, n_rows))
    return found


def read_piece(
    piece: Piece,
    scorer: Scorer,
    options: ScoringOptions,
    is_done: Callable[[int], bool] = lambda _: False,
) -> Iterator[PieceChunk]:
    """Read the chunks of the parts that are not done.

    Args:
        piece: of a file.
        scorer: plans the columns.
        options: how the file is read.
        is_done: whether a part is done already; its chunks are skipped.

    Raises:
        ForestError: if the file cannot be read.
    """
    file = piece.file
    partition = scorer.partition_of(file.partition)
    keep = [name for name in options.keep if name not in partition]
    read: ReadChunks = load(file.format.chunks)
    with file.opened(scorer.feature_names) as (source, stored):
        place = 0
        asked = ChunkedFile(
            source,
            scorer.planner(partition),
            keep,
            SCORING,
            parameters={"header": options.header},
            span=piece.span,
        )
        for number, chunk in enumerate(read(asked)):
            n_bytes = -place
            if piece.span is None:
                place = stored.tell()
                n_bytes += place
            part = piece.span_number if piece.span else number // options.part_chunks
            if not is_done(part):
                yield PieceChunk(piece, part, chunk, n_bytes)
