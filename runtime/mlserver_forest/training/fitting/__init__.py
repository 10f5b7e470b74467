"""Growing: an unfitted estimator and rows -> a fitted one, step by step.

A step is some trees or rounds. Between steps a job tells how far it is, keeps a checkpoint,
and sees whether it was asked to stop.
"""
