"""Fitting: an unfitted estimator and rows -> a fitted estimator, step by step.

A step is some trees of a forest or some rounds of boosting. Between two steps a job reports its
progress, keeps a checkpoint, and checks whether it should stop. This folder has what all
algorithms share; how each of them takes its steps is in ``algorithms``. Start with
``job_fitter.py``, then ``fit_spec.py`` and ``fit_context.py``.
"""
