"""Numbers the columns of derivations while they are put together."""

from collections.abc import Sequence

from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.derived_columns import DerivedColumns


class DerivationList:
    """Derivations, each of which reads columns of ``X`` and of those before it.

    Args:
        n_features: the number of columns of ``X``, which have the first numbers.
    """

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._n_columns = n_features
        self._derivations: list[Derivation] = []

    def add(self, derivation: Derivation) -> range:
        """Add a derivation.

        Returns:
            The numbers of its columns, by which the next derivations may read them.

        Raises:
            InvalidArtifact: if it reads a column that there is not yet.
        """
        derivation.check_columns(self._n_columns)
        columns = range(self._n_columns, self._n_columns + derivation.n_columns)
        self._derivations.append(derivation)
        self._n_columns = columns.stop
        return columns

    def derived_columns(self, read: Sequence[int]) -> DerivedColumns:
        """All of them, for a forest.

        Args:
            read: the numbers of the derived columns that trees read. To the trees, the first of
                them is the column after those of ``X``, and so on.
        """
        places = [column - self._n_features for column in read]
        return DerivedColumns.of(self._derivations, places)
