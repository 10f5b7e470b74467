"""``forest export``: what serves an endpoint, as Terraform or CloudFormation."""
