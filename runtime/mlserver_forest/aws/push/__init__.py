"""``forest push``: push the image to ECR."""
