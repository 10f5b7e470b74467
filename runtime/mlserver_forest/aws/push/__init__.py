"""``forest push``: the image to ECR."""
