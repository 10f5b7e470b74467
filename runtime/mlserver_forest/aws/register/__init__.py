"""``forest register``: a version of a model in SageMaker's model registry."""
