"""SageMaker's container contract: /ping, /invocations, /execution-parameters and /models.

Start with ``container_routes.py`` and ``invocations.py``.
"""
