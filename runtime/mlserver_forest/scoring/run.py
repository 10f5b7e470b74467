"""A run of batch scoring: pieces of files -> chunks -> answers -> parts on disk, in their order."""

import csv
import io
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from mlserver_forest import __version__
from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.atomic_write import write_whole
from mlserver_forest.artifact.model_files import ModelFiles, checksum_of
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.model.compile_ahead import preparing
from mlserver_forest.model.model import Model
from mlserver_forest.schema.output_names import CONTRIBUTIONS
from mlserver_forest.scoring.chunk_answers import Answers, answers_of, blocks_of
from mlserver_forest.scoring.input_files import InputFile
from mlserver_forest.scoring.pieces import Piece, pieces_of
from mlserver_forest.scoring.run_state import DonePart, RunState
from mlserver_forest.scoring.scorer import BadRow, Scorer
from mlserver_forest.scoring.scoring_options import ScoringOptions
from mlserver_forest.scoring.scoring_progress import ScoringProgress
from mlserver_forest.scoring.scoring_target import ScoringTarget


@dataclass(frozen=True, slots=True)
class ScoringSummary:
    """What a run did.

    Attributes:
        n_rows: the rows with answers, of earlier runs too.
        bad_rows: the rows that were left out.
        n_earlier_parts: the parts that an earlier run had finished.
        seconds: that this run took.
    """

    n_rows: int
    bad_rows: list[BadRow]
    n_earlier_parts: int
    seconds: float


@dataclass(eq=False)
class ScoringRun:
    """One run of ``forest predict``.

    Attributes:
        model: the model directory.
        files: to be scored.
        options: how.
        target: where the answers go.
        report: the file for the rows that are left out; None for none.
        say: is called with lines about the progress, if there is no terminal.
    """

    model: Path
    files: Sequence[InputFile]
    options: ScoringOptions
    target: ScoringTarget
    report: Path | None = None
    say: Callable[[str], None] = field(default=lambda _: None)

    def in_threads(self, n_threads: int, *, overwrites: bool = False) -> ScoringSummary:
        """Score in threads of this process.

        Args:
            n_threads: how many parse, answer and write at a time.
            overwrites: whether what another run wrote is replaced.

        Raises:
            ForestError: if the model or a file cannot be read, a row is bad and bad rows are not
                skipped, or the answers cannot be written. Parts that are done stay.
        """
        checksum = checksum_of(self.model)
        scorer = Scorer(self._model(), self.options)
        with self._started(checksum, overwrites=overwrites) as (state, pieces, progress):
            answers = answers_of(pieces, scorer, self.options, n_threads, state.is_done)
            with closing(answers):
                by_part = groupby(answers, key=lambda pair: (pair[0].piece, pair[0].part))
                for (piece, part), group in by_part:
                    while pieces[0].number < piece.number:  # All its chunks were answered.
                        state.finish_piece(pieces.popleft().number)
                    self._write_part(state, piece, part, group, progress)
            return self._finish(state, pieces, progress)

    def on_cluster(self, address: str, *, overwrites: bool = False) -> ScoringSummary:
        """Score on the workers of a Dask cluster, which read the files; this process writes.

        Args:
            address: of the scheduler, such as tcp://10.0.0.5:8786.
            overwrites: as in ``in_threads``.

        Raises:
            ForestError: as in ``in_threads``, and if the cluster cannot be reached.
        """
        from mlserver_forest.scoring.dask_pieces import score_pieces

        checksum = checksum_of(self.model)
        Scorer(self._model(), self.options)  # Its errors come at once.
        with self._started(checksum, overwrites=overwrites) as (state, pieces, progress):
            todo = [(piece, state.parts_of(piece.number)) for piece in pieces]
            pieces.clear()  # Each is noted when it comes.
            found = score_pieces(
                address, ModelFiles.read(self.model), todo, self.options, self.target.format
            )
            with closing(found):
                for piece, parts in found:
                    for scored in parts:
                        blocks = iter((scored.content,)) if scored.content else None
                        name = self._write(piece, scored.part, blocks)
                        done = DonePart(name, scored.n_rows, scored.bad_rows)
                        state.finish_part(piece.number, scored.part, done)
                    state.finish_piece(piece.number)
                    progress.add(sum(scored.n_rows for scored in parts), piece.n_bytes)
            return self._finish(state, pieces, progress)

    def _model(self) -> Model:
        explains = CONTRIBUTIONS in self.options.outputs
        return model_directory.load(self.model, preparing(explains=explains))

    @contextmanager
    def _started(
        self, checksum: str, *, overwrites: bool
    ) -> Iterator[tuple[RunState, deque[Piece], ScoringProgress]]:
        """The state, the pieces that are left, and the progress."""
        self.target.check(overwrites=overwrites)
        every = pieces_of(self.files, self.options.span_rows)
        run = {
            "version": __version__,
            "model": checksum,
            "options": self.options.to_json(),
            "format": self.target.format.media_type,
            "inputs": [[file.name, file.size, file.modified] for file in self.files],
        }
        folders = self.target.state, self.target.parts
        with RunState.opened(*folders, run, overwrites=overwrites) as state:
            self._n_earlier = len(state.parts())
            pieces = deque(piece for piece in every if not state.is_piece_done(piece.number))
            n_bytes = sum(piece.n_bytes for piece in every)
            n_done = n_bytes - sum(piece.n_bytes for piece in pieces)
            progress = ScoringProgress(n_bytes, n_done, self.say)
            try:
                yield state, pieces, progress
            except OSError as error:
                raise InvalidEnvironment(
                    f"{self.target.title} cannot be written: {error.strerror or error}; free some "
                    "space or choose another --out, and run the same command again: the parts "
                    "that are done are kept"
                ) from error
            finally:
                progress.close()

    def _write_part(
        self, state: RunState, piece: Piece, part: int, answers: Answers, progress: ScoringProgress
    ) -> None:
        n_rows, bad_rows = 0, list[BadRow]()

        def predictions() -> Iterator[Predictions]:
            nonlocal n_rows
            for chunk, scored in answers:
                n_rows += scored.n_rows
                bad_rows.extend(scored.bad_rows)
                if scored.predictions is not None:
                    yield scored.predictions
                rows = scored.n_rows + len(scored.bad_rows)
                share = piece.n_bytes * rows / piece.n_rows if piece.n_rows else chunk.n_bytes
                progress.add(scored.n_rows, share)

        name = self._write(piece, part, blocks_of(predictions(), self.target.format))
        state.finish_part(piece.number, part, DonePart(name, n_rows, bad_rows))

    def _write(self, piece: Piece, part: int, blocks: Iterator[bytes] | None) -> str:
        """Write a part whole or not at all, and return the name of its file."""
        if blocks is None:
            return ""
        name = self.target.part_name(piece, part, self._stems[piece.file.name])
        self.target.parts.write(name, blocks)
        return name

    @cached_property
    def _stems(self) -> dict[str, str]:
        """By the name of a file, the start of the names of its parts, which no other file has."""
        counts = Counter(file.stem for file in self.files)
        return {
            file.name: file.stem if counts[file.stem] == 1 else f"{file.stem}-{number}"
            for number, file in enumerate(self.files)
        }

    def _finish(
        self, state: RunState, pieces: deque[Piece], progress: ScoringProgress
    ) -> ScoringSummary:
        for piece in pieces:
            state.finish_piece(piece.number)
        parts = state.parts()
        bad_rows = list(chain.from_iterable(part.bad_rows for part in parts))
        if self.report is not None:
            write_whole(self.report, _report(bad_rows))
        self.target.finish(parts)
        if self.target.file:
            state.remove()
        n_rows = sum(part.n_rows for part in parts)
        return ScoringSummary(n_rows, bad_rows, self._n_earlier, progress.seconds)


def _report(bad_rows: Sequence[BadRow]) -> bytes:
    text = io.StringIO(newline="")
    writer: Any = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "place", "reason"))
    writer.writerows((row.file, row.place, row.reason) for row in bad_rows)
    return text.getvalue().encode()
