"""RowLocations the rows of all hosts stand."""

from collections.abc import Sequence

import numpy as np

from mlserver_forest.formats.row_locations import TableLocations


class MergedPlaces(TableLocations):
    """The places of several hosts' rows.

    Args:
        names: of the hosts.
        places: of their rows.
        n_rows: of each host.
    """

    def __init__(
        self, names: Sequence[str], places: Sequence[TableLocations], n_rows: list[int]
    ) -> None:
        super().__init__()
        self._names = names
        self._places = places
        self._first_rows = np.cumsum([0, *n_rows])

    def at(self, row: int) -> str:
        """Host, file and line of a row."""
        host = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        place = self._places[host].at(row - int(self._first_rows[host]))
        return f"host {self._names[host]!r}: {place}"
