"""The compiled loop of steps on one column; ``engine/derived/column_steps.py`` describes it."""

import numpy as np

from mlserver_forest.compilation import compiled

SUBTRACT = 0
DIVIDE = 1
MULTIPLY = 2
ADD = 3
AT_LEAST = 4
AT_MOST = 5
FILL = 6
MISSING_IF = 7
EQUAL = 8
ABOVE = 9
IS_MISSING = 10
INTERVALS = 11
TO_FLOAT32 = 12


@compiled
def take_steps(rows, first, columns, starts, operations, operands, tables):
    """Write columns of rows, each after its steps.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        columns: (n_columns,) uint32, the column that each begins with.
        starts: (n_columns + 1,) uint32, where the steps of each begin.
        operations: (n_steps,) uint32.
        operands: (n_steps,) float64.
        tables: float64, where the operands of INTERVALS point to.
    """
    for row in range(rows.shape[0]):
        for column in range(columns.size):
            value = rows[row, columns[column]]
            for step in range(np.int64(starts[column]), np.int64(starts[column + 1])):
                value = take_step(value, operations[step], operands[step], tables)
            rows[row, first + column] = value


@compiled
def take_step(value, operation, operand, tables):  # noqa: PLR0911  # one for each operation
    """What a step makes of a number."""
    if operation == SUBTRACT:
        return value - operand
    if operation == DIVIDE:
        return value / operand
    if operation == MULTIPLY:
        return value * operand
    if operation == ADD:
        return value + operand
    if operation == AT_LEAST:
        return max(value, operand)
    if operation == AT_MOST:
        return min(value, operand)
    if operation == FILL:
        return operand if np.isnan(value) else value
    if operation == MISSING_IF:
        return np.nan if value == operand else value
    if operation == EQUAL:
        return 1.0 if value == operand else 0.0
    if operation == ABOVE:
        return 1.0 if value > operand else 0.0
    if operation == IS_MISSING:
        return 1.0 if np.isnan(value) else 0.0
    if operation == TO_FLOAT32:
        return np.float64(np.float32(value))
    start = np.int64(operand)
    n_edges = np.int64(tables[start])
    if np.isnan(value):
        return tables[start + 2 + 2 * n_edges]
    low, high = np.int64(0), n_edges
    while low < high:
        middle = (low + high) // 2
        if tables[start + 1 + middle] < value:
            low = middle + 1
        else:
            high = middle
    return tables[start + 1 + n_edges + low]
