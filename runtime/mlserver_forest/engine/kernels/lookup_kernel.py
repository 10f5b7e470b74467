"""The compiled loop that looks up derived columns; ``engine/derived/lookups.py`` describes them."""

import numpy as np

from mlserver_forest.compilation import compiled

WHOLE = 0
ABOVE = 1
ABOVE_OR_MISSING = 2
EQUAL = 3
CODE = 4

# CatBoost's combination of two hashes (catboost/libs/model/hash.h).
FACTOR = np.uint64(0x4906BA494954CB65)
_HALF = np.float64(1 << 31)
_RANGE = np.float64(1 << 32)


@compiled
def look_up(
    rows,
    first,
    terms,
    operands,
    hashes,
    term_starts,
    keys,
    key_starts,
    tables,
    value_starts,
    values,
):
    """Write the columns that rows look up.

    Args:
        rows: (n_samples, any number) float64; the columns from ``first`` on are written.
        first: the number of columns that may be read.
        terms: (n_terms, 2) uint32, the kind and the column of each term.
        operands: (n_terms,) float64.
        hashes: uint32, where the operands of CODE terms point to.
        term_starts: (n_tables + 1,) uint32, where the terms of each table begin.
        keys: (n_keys,) uint64, ascending within a table.
        key_starts: (n_tables + 1,) uint32, where the keys of each table begin.
        tables: (n_columns,) uint32, the table of each column, ascending.
        value_starts: (n_columns,) int64, where the values of each column begin.
        values: for each column, one for each key and then that of all others.
    """
    places = np.empty(rows.shape[0], np.int64)
    known = np.int64(-1)
    for column in range(tables.size):
        table = np.int64(tables[column])
        start = np.int64(key_starts[table])
        if table != known:  # Columns of one table follow each other.
            known, end = table, np.int64(key_starts[table + 1])
            low, high = np.int64(term_starts[table]), np.int64(term_starts[table + 1])
            for row in range(rows.shape[0]):
                key = np.uint64(0)
                for term in range(low, high):
                    part = part_of(rows, row, terms, operands, hashes, term)
                    key = FACTOR * (key + FACTOR * part)
                places[row] = place_of(key, keys, start, end) - start
        begin = value_starts[column]
        for row in range(rows.shape[0]):
            rows[row, first + column] = values[begin + places[row]]


@compiled
def part_of(rows, row, terms, operands, hashes, term):
    """What a term adds to the key of a row: uint64."""
    value = np.float64(rows[row, terms[term, 1]])
    kind, operand = terms[term, 0], operands[term]
    if kind == ABOVE:
        return np.uint64(value > operand)
    if kind == ABOVE_OR_MISSING:
        return np.uint64(not value <= operand)
    if kind == EQUAL:
        return np.uint64(value == operand)
    if kind == CODE:
        # The number of codes comes first, and the hash of all other values last.
        start = np.int64(operand)
        n_codes = np.int64(hashes[start])
        code = np.int64(value) if value >= 0 and value < n_codes else n_codes
        value = np.float64(hashes[start + 1 + code])
    if not (value >= 0 and value < _RANGE):
        return np.uint64(0)
    # The number is read as a signed one of 32 bits, and widened with its sign.
    return np.uint64(np.int64(value - _RANGE if value >= _HALF else value))


@compiled
def place_of(key, keys, start, end):
    """The position of a key among ``keys[start:end]``; ``end`` if it is not there."""
    low, high = start, end
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < end and keys[low] == key else end
