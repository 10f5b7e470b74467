"""A model directory in this process: what a person asks of a model in a notebook or a program.

It puts together what lies below: predictions, evaluation, drift, reports, and a server beside this
process. Nothing here computes an answer of its own. Start with ``local_model.py``.
"""
