"""Hyperparameters: strings in every encoding that SageMaker's clients use -> typed values.

One pydantic model per algorithm, with its library's own names, meanings and defaults.
"""

from mlserver_forest.training.hyperparameters.decoding import decode
from mlserver_forest.training.hyperparameters.job_hyperparameters import JobHyperparameters
from mlserver_forest.training.hyperparameters.parsing import Hyperparameters, parse
from mlserver_forest.training.hyperparameters.table import table_of

__all__ = ["Hyperparameters", "JobHyperparameters", "decode", "parse", "table_of"]
