"""What a model answers to rows: predictions, explanations and intervals.

Nothing here knows HTTP, SageMaker or MLServer. Start with ``answers.py``.
"""
