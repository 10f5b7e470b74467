"""The training job's way: configuration, data, estimator, evaluation, artifact."""
