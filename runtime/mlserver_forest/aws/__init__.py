"""From laptop to SageMaker."""
