"""What a CatBoost model consists of, whichever file it comes from.

Named after catboost/libs/model/flatbuffers/model.fbs, features.fbs and ctr_data.fbs of CatBoost
1.2. Splits of all trees are numbered in one list: those of the float features by feature and
border, those of the one-hot features by feature and value, then those of the CTR features
(``TModelTrees::CalcBinFeatures`` in catboost/libs/model/model.cpp).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Builds before 1.0 name the revision of their source, not their version.
REVISION = "revision-"


@dataclass(frozen=True, eq=False)
class FloatFeature:
    """A numeric feature.

    Attributes:
        index: its number among the numeric features.
        column: its column among all features.
        name: its name, or an empty string.
        borders: (n,) float32, ascending; a value above a border is on the right.
        missing_right: whether a missing value is above all borders.
    """

    index: int
    column: int
    name: str
    borders: NDArray[np.float32]
    missing_right: bool


@dataclass(frozen=True, eq=False)
class CategoricalFeature:
    """A categorical feature.

    Attributes:
        index: its number among the categorical features.
        column: its column among all features.
        name: its name, or an empty string.
    """

    index: int
    column: int
    name: str


@dataclass(frozen=True, eq=False)
class OneHotFeature:
    """The categories that splits name.

    Attributes:
        index: of the categorical feature.
        hashes: (n,) int32, the hashes of the categories.
        words: the categories themselves, if the file has them.
    """

    index: int
    hashes: NDArray[np.int32]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Projection:
    """A combination of features that statistics are kept for.

    Attributes:
        categorical: the numbers of the categorical features, in the order in which they are hashed.
        above: (number of the numeric feature, border) of splits of numeric features.
        equal: (number of the categorical feature, hash) of splits of one-hot features.
    """

    categorical: tuple[int, ...]
    above: tuple[tuple[int, float], ...] = ()
    equal: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class CtrBase:
    """The statistics that a table holds: their kind, and the features they are kept for."""

    projection: Projection
    kind: str


@dataclass(frozen=True, eq=False)
class CtrFeature:
    """A number that is computed from the statistics of a row's categories.

    Attributes:
        base: names the table.
        target_border: the class of the target, or the border, that the statistics are about.
        prior_numerator: what is added to the sum.
        prior_denominator: what is added to the count.
        shift: what is added to the quotient.
        scale: the quotient's factor.
        borders: (n,) float32, ascending.
    """

    base: CtrBase
    target_border: int
    prior_numerator: np.float32
    prior_denominator: np.float32
    shift: np.float32
    scale: np.float32
    borders: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CtrTable:
    """Statistics of the training rows.

    Attributes:
        keys: (n,) uint64, the hashes of the combinations.
        statistics: (n, width) int32 counts; for mean values, float64 sums and counts.
        denominator: the count that ``Counter`` and ``FeatureFreq`` divide by.
    """

    keys: NDArray[np.uint64]
    statistics: NDArray[Any]
    denominator: int


@dataclass(frozen=True, eq=False)
class SymmetricTree:
    """A tree with the same split everywhere on a level.

    Attributes:
        splits: (depth,) numbers of splits; the k-th decides bit k of a leaf's number.
        values: (2**depth, n_outputs) float64.
        weights: (2**depth,) float64, the weights of training rows, or None.
    """

    splits: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class AsymmetricTree:
    """A tree of nodes; node 0 is the root.

    Attributes:
        left, right: (n_nodes,) the children; -1 for a leaf.
        splits: (n_nodes,) numbers of splits; without meaning for a leaf.
        values: (n_nodes, n_outputs) float64; without meaning for a split.
        weights: (n_nodes,) float64, the weights of the training rows of leaves, or None.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    splits: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class ModelDescription:
    """A CatBoost model.

    Attributes:
        float_features: in the order in which their splits are numbered.
        categorical_features: all of them.
        one_hot_features: in the order in which their splits are numbered.
        ctr_features: in the order in which their splits are numbered.
        tables: the statistics of the CTR features.
        trees: in the order in which their values are added up.
        scale: the factor of the sums.
        bias: (n_outputs,) float64, what is added to the scaled sums.
        parameters: the training parameters.
        class_parameters: the labels and their type.
        threshold: the probability above which the second of two classes is predicted.
        version: of the CatBoost that wrote the model, such as "1.2.10"; the revision of its source,
            such as "revision-6149120", if it does not say more; empty if it says nothing.
        unread: kinds of features that the model uses and that are not described here.
        hashes: by column whose categories are codes in ``X``, the hash of each code's category, and
            last that of all other values; in other columns ``X`` holds hashes.
    """

    float_features: Sequence[FloatFeature]
    categorical_features: Sequence[CategoricalFeature]
    one_hot_features: Sequence[OneHotFeature]
    ctr_features: Sequence[CtrFeature]
    tables: Mapping[CtrBase, CtrTable]
    trees: Sequence[SymmetricTree | AsymmetricTree]
    scale: float
    bias: NDArray[np.float64]
    parameters: Mapping[str, Any]
    class_parameters: Mapping[str, Any]
    threshold: float = 0.5
    version: str = ""
    unread: tuple[str, ...] = field(default=())
    hashes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """The number of columns of the sums."""
        return len(self.bias)

    @property
    def is_wide(self) -> bool:
        """Whether ``X`` is float64, in which hashes are exact; if not, it is float32."""
        return any(one.column not in self.hashes for one in self.categorical_features)

    def is_before(self, revision: int) -> bool:
        """Whether the model was written by an older CatBoost than that of a revision."""
        _, found, number = self.version.partition(REVISION)
        return bool(found) and int(number) < revision

    @property
    def names(self) -> list[tuple[int, str]]:
        """The column and the name of each feature."""
        numeric = [(one.column, one.name) for one in self.float_features]
        return numeric + [(one.column, one.name) for one in self.categorical_features]

    @property
    def n_columns(self) -> int:
        """The number of features."""
        return max([column for column, _ in self.names], default=-1) + 1
