"""Transformers that mix columns, as derived columns: from their fitted attributes.

They compute what decomposition/_base.py, preprocessing/_polynomial.py, preprocessing/_data.py and
impute/_iterative.py of scikit-learn 0.20 to 1.9 compute in float64. Products are equal to the last
bit. Sums of products are not, because scikit-learn leaves their order to BLAS, which gives a row
other bits alone than among others; they differ by about 1e-15 of the sum of absolute values.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.imputation import Imputation, ImputationStep
from mlserver_forest.engine.derived.linear_projection import LinearProjection
from mlserver_forest.engine.derived.products import Products
from mlserver_forest.engine.derived.unit_norm import UnitNorm
from mlserver_forest.engine.kernels.mixing_kernels import GREATEST, L1, L2
from mlserver_forest.errors import UnsupportedEstimator

_NORMS: Mapping[str, int] = {"l1": L1, "l2": L2, "max": GREATEST}
# Smaller norms count as 1 (``_handle_zeros_in_scale``).
_LEAST_NORM = 10 * np.finfo(np.float64).eps
# Above these numbers, a file would be larger than anyone expects.
_MOST_PRODUCTS = 1 << 17
_MOST_FACTORS = 1 << 20


def principal_components(
    columns: Sequence[int],
    *,
    components: NDArray[Any],
    mean: NDArray[Any] | None,
    variances: NDArray[Any] | None,
    centers_first: bool,
) -> LinearProjection:
    """PCA and IncrementalPCA; with neither a mean nor variances, TruncatedSVD.

    Args:
        columns: the columns that it reads.
        components: ``components_``, (n_components, n_columns).
        mean: ``mean_``, (n_columns,); None if nothing is subtracted.
        variances: ``explained_variance_``, (n_components,), if ``whiten`` is set; else None.
        centers_first: whether the mean is subtracted before the projection, as until 1.4; since
            then, its projection is subtracted afterwards.

    Raises:
        UnsupportedEstimator: if a component is divided by 0, which gave infinite numbers until 1.4.
    """
    scales: Any = 1.0
    if variances is not None:
        scales = np.sqrt(np.asarray(variances, np.float64))
        if not centers_first:
            scales = np.maximum(scales, np.finfo(np.float64).eps)
        if not (scales > 0).all():
            raise UnsupportedEstimator(
                "a component of a whitening PCA has no variance, so that scikit-learn divides by "
                "zero; fit it with fewer components"
            )
    if mean is None:
        return LinearProjection.of(columns, components, scales=scales)
    if centers_first:
        return LinearProjection.of(columns, components, centers=mean, scales=scales)
    offsets = np.reshape(mean, (1, -1)) @ np.asarray(components).T
    return LinearProjection.of(columns, components, offsets=offsets[0], scales=scales)


def polynomial_features(
    columns: Sequence[int],
    *,
    degrees: tuple[int, int],
    interaction_only: bool,
    include_bias: bool,
    from_last: bool = True,
) -> Products:
    """PolynomialFeatures, in the order of its columns.

    Args:
        columns: the columns that it reads.
        degrees: the least and the greatest, as ``_min_degree`` and ``_max_degree``.
        interaction_only: its parameter.
        include_bias: its parameter.
        from_last: whether factors are multiplied from the last column to the first, as it does
            with dense rows since 0.22; from the first to the last with sparse ones.

    Raises:
        UnsupportedEstimator: if there are too many.
    """
    choose = combinations if interaction_only else combinations_with_replacement
    least, most = degrees[0], min(degrees[1], len(columns)) if interaction_only else degrees[1]
    found: Iterable[tuple[int, ...]] = chain.from_iterable(
        choose(columns, degree) for degree in range(max(1, least), most + 1)
    )
    products: list[tuple[int, ...]] = [()] if include_bias else []
    n_factors = 0
    for factors in found:
        products.append(factors[::-1] if from_last else factors)
        n_factors += len(factors)
        if len(products) > _MOST_PRODUCTS or n_factors > _MOST_FACTORS:
            raise UnsupportedEstimator(
                f"a PolynomialFeatures of {len(columns)} columns has more than {_MOST_PRODUCTS:,} "
                f"products or {_MOST_FACTORS:,} factors; use fewer columns or a lower degree"
            )
    return Products.of(products)


def normalizer(columns: Sequence[int], norm: str, *, divides_by_tiny: bool = False) -> UnitNorm:
    """Normalizer.

    Args:
        columns: the columns that it reads.
        norm: its parameter.
        divides_by_tiny: whether any norm but 0 is divided by, as until 0.24, and of sparse rows.

    Raises:
        UnsupportedEstimator: if the norm is not known.
    """
    if norm not in _NORMS:
        raise UnsupportedEstimator(f"a Normalizer has an unknown norm; known are {list(_NORMS)}")
    least = np.finfo(np.float64).smallest_subnormal if divides_by_tiny else _LEAST_NORM
    return UnitNorm.of(columns, _NORMS[norm], float(least))


def iterative_imputer(
    columns: Sequence[int],
    *,
    statistics: NDArray[Any],
    sequence: Sequence[tuple[int, NDArray[Any], NDArray[Any], float]],
    bounds: tuple[NDArray[Any], NDArray[Any]],
) -> Imputation:
    """IterativeImputer around a linear model, such as BayesianRidge, without random draws.

    A row that lacks all values is imputed as among other rows; alone, scikit-learn gives it the
    values of the initial imputer.

    Args:
        columns: the columns that it reads, those that it leaves out excepted.
        statistics: ``initial_imputer_.statistics_``, (n_columns,).
        sequence: ``imputation_sequence_``: of each step, the column, its neighbors, and the
            estimator's ``coef_`` and ``intercept_``.
        bounds: ``_min_value`` and ``_max_value``, (n_columns,).
    """
    least, most = bounds
    steps = [
        ImputationStep(
            target=int(target),
            neighbors=np.asarray(neighbors).tolist(),
            coefficients=np.ravel(coefficients).tolist(),
            intercept=float(intercept),
            least=float(least[target]),
            most=float(most[target]),
        )
        for target, neighbors, coefficients, intercept in sequence
    ]
    return Imputation.of(columns, statistics, steps)
