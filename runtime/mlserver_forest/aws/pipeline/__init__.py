"""``forest pipeline``: a SageMaker Pipelines definition from a TOML file, its runs and schedule."""
