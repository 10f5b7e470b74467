"""Functions of exp that give the training libraries' own bits.

Compiled, they take the C library's exp, which the training libraries take too; NumPy's
differs in the last bit. (scipy.special.expit would do as well, but takes 0.2 s to import.)
"""

import math

import numpy as np

from mlserver_forest.compilation import compiled


@compiled
def logistic(x):
    one = x.dtype.type(1)
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = one / (one + math.exp(-x[i]))
    return out


@compiled
def powers(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = math.exp(x[i])
    return out


@compiled
def softmax(x):
    out = np.empty_like(x)
    for row in range(x.shape[0]):
        highest = x[row].max()
        total = 0.0
        for column in range(x.shape[1]):
            out[row, column] = math.exp(x[row, column] - highest)
            total += out[row, column]
        out[row] /= x.dtype.type(total)
    return out
