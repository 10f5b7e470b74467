"""``forest doctor``: replays SageMaker on this machine and says which of its rules are kept.

Read from the bottom: ``asking`` (HTTP), ``sample`` (what is sent), ``setting`` (how a server is
started), ``model_directory`` and ``image`` (what is examined), one module of small checks for
each part of the contract, ``examination`` (all of them in a row), ``report`` (the table).
"""
