"""Whether batches of a stream hold what they say, at a cost that is bounded by the stream's size.

pyarrow checks each string of a batch, and of the dictionaries that it shares with others,
whenever it is asked to. A short stream may have thousands of batches with one long dictionary,
views of which many are of the same text, or columns of which many are the same bytes.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from mlserver_forest.formats.arrow.arrow_categories import is_text
from mlserver_forest.formats.parsing import ParsePolicy

# The length of a text stands in the first four of a view's 16 bytes.
_VIEW_INTS = 4


class BatchChecker:
    """Checks one batch after the other.

    Args:
        body_bytes: the size of the stream.
        policy: which errors are raised, and how long all strings may be together.
    """

    def __init__(self, body_bytes: int, policy: ParsePolicy) -> None:
        self._policy = policy
        self._body_bytes = body_bytes
        self._text_left = policy.most_expanded(body_bytes)
        self._known: dict[int, Any] = {}

    def check(self, batch: Any) -> None:
        """See that a batch may be read.

        Raises:
            pyarrow.ArrowInvalid: if it is damaged.
            ForestError: the policy's, if its strings, with those before, are out of proportion.
        """
        batch.validate()
        for place, column in enumerate(batch.columns):
            if types.is_dictionary(column.type) and is_text(column.type):
                self._check_dictionary(place, column)
            else:
                self._check_column(column)

    def _check_dictionary(self, place: int, column: Any) -> None:
        column.indices.validate(full=True)
        # The dictionary's place is taken by one without text, for the range of the indices.
        pa.DictionaryArray.from_arrays(column.indices, pa.nulls(len(column.dictionary)))
        known = self._known.get(place)
        if known is None or _identity(known) != _identity(column.dictionary):
            self._check_column(column.dictionary)
            self._known[place] = column.dictionary

    def _check_column(self, column: Any) -> None:
        if is_text(column.type):
            self._text_left -= _text_bytes(column)
            if self._text_left < 0:
                raise self._policy.too_large(
                    f"the strings of the stream of {self._body_bytes} bytes take more than "
                    f"{self._policy.most_expanded(self._body_bytes)}; send fewer rows at a time"
                )
        column.validate(full=True)


def _identity(array: Any) -> tuple[int, ...]:
    """Where an array that is still there has its values."""
    places = (buffer.address if buffer else 0 for buffer in array.buffers())
    return (len(array), array.offset, *places)


def _text_bytes(column: Any) -> int:
    """The length of all strings of an array whose buffers are as long as they must be."""
    buffer = column.buffers()[1]
    if not len(column) or buffer is None:
        return 0
    if types.is_string_view(column.type):
        lengths = np.frombuffer(buffer, np.int32)[::_VIEW_INTS][column.offset :][: len(column)]
        return int(np.maximum(lengths, 0).sum(dtype=np.int64))
    kind = np.int64 if types.is_large_string(column.type) else np.int32
    ends = np.frombuffer(buffer, kind)[column.offset :][: len(column) + 1]
    return max(int(ends[-1]) - int(ends[0]), 0)
