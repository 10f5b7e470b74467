"""``forest policy``: the least IAM policies for the user and for SageMaker's role."""
