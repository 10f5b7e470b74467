"""What a run of batch scoring is asked for, apart from the model and the files."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How files are read, and what is written.

    Attributes:
        outputs: the outputs by the names that the server uses; empty for the model's default.
        keep: the columns to write beside the answers.
        ignores_extra: whether columns that are neither features nor kept are left out; otherwise
            they are an error.
        skips_bad_rows: whether rows that cannot be read are left out and reported; otherwise the
            first one ends the run.
        header: "auto", "present" or "absent": whether CSV begins with the names of the columns.
        span_rows: about the rows of a part of a file that can be read in spans, as Parquet can.
        part_chunks: the chunks of a part of any other file.
    """

    outputs: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    ignores_extra: bool = False
    skips_bad_rows: bool = False
    header: str = "auto"
    span_rows: int = 2**20
    part_chunks: int = 64

    def to_json(self) -> dict[str, Any]:
        """What answers depend on, for comparison with another run."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
