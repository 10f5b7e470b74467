"""Hyperparameters: strings in every encoding that SageMaker's clients use -> typed values.

One pydantic model per algorithm, with its library's own names, meanings and defaults.
"""

from mlserver_forest.training.algorithms.decoding import decode
from mlserver_forest.training.algorithms.hyperparameter_table import table_of
from mlserver_forest.training.algorithms.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.algorithms.parsing import Hyperparameters, parse

__all__ = ["Hyperparameters", "JobHyperparameters", "decode", "parse", "table_of"]
