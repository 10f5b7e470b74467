"""The compiled loops of columns that are made of several.

``engine/derived`` describes them: projections, products, unit norms and imputations. They add up
row by row and in the order of the columns, so that a row has the same bits alone and among others,
and on any machine; a matrix product has not.
"""

import numpy as np

from mlserver_forest.compilation import compiled

L1 = 0
L2 = 1
GREATEST = 2


@compiled
def project(rows, first, columns, centers, weights, offsets, scales):
    """Write projections of rows.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        columns: (n_read,) uint32.
        centers: (n_read,) float64, subtracted before the projection.
        weights: (n_read, n_columns) float64.
        offsets: (n_columns,) float64, subtracted after the projection.
        scales: (n_columns,) float64, which the difference is divided by; not 0.
    """
    n_columns = weights.shape[1]
    sums = np.empty(n_columns)
    for row in range(rows.shape[0]):
        sums[:] = 0.0
        for position in range(columns.size):
            value = rows[row, columns[position]] - centers[position]
            for column in range(n_columns):
                sums[column] += value * weights[position, column]
        for column in range(n_columns):
            rows[row, first + column] = (sums[column] - offsets[column]) / scales[column]


@compiled
def multiply(rows, first, factors, starts):
    """Write products of columns.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        factors: uint32, the columns that are multiplied, in their order.
        starts: (n_columns + 1,) uint32, where the factors of each product begin.
    """
    for row in range(rows.shape[0]):
        for column in range(starts.size - 1):
            product = 1.0
            for position in range(np.int64(starts[column]), np.int64(starts[column + 1])):
                product *= rows[row, factors[position]]
            rows[row, first + column] = product


@compiled
def scale_to_unit_norm(rows, first, columns, norm, least):
    """Write columns that are divided by their norm in each row.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        columns: (n_columns,) uint32.
        norm: L1, L2 or GREATEST.
        least: positive; a smaller norm counts as 1.
    """
    for row in range(rows.shape[0]):
        total = 0.0
        for column in range(columns.size):
            value = abs(rows[row, columns[column]])
            if norm == L1:
                total += value
            elif norm == L2:
                total += value * value
            elif not value <= total:  # A missing value stays.
                total = value
        if norm == L2:
            total = np.sqrt(total)
        if total < least:
            total = 1.0
        for column in range(columns.size):
            rows[row, first + column] = rows[row, columns[column]] / total


@compiled
def impute(rows, first, columns, initial, targets, weights, intercepts, bounds):
    """Write columns whose missing values are computed from the other columns.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        columns: (n_columns,) uint32.
        initial: (n_columns,) float64, what a missing value is at first.
        targets: (n_steps,) uint32, the position in ``columns`` of what each step computes.
        weights: (n_steps, n_columns) float64.
        intercepts: (n_steps,) float64.
        bounds: (n_steps, 2) float64, the least and the greatest number that a step gives.
    """
    for row in range(rows.shape[0]):
        for column in range(columns.size):
            value = rows[row, columns[column]]
            rows[row, first + column] = initial[column] if np.isnan(value) else value
        for step in range(targets.size):
            target = np.int64(targets[step])
            if not np.isnan(rows[row, columns[target]]):
                continue
            total = 0.0
            for column in range(columns.size):
                if column != target and weights[step, column] != 0:
                    total += rows[row, first + column] * weights[step, column]
            total += intercepts[step]
            total = max(total, bounds[step, 0])
            total = min(total, bounds[step, 1])
            rows[row, first + target] = total
