"""SageMaker's container contract: /ping, /invocations, /execution-parameters and /models.

Start with ``container_routes.py`` and ``invocations.py``; ``negotiation.py`` decides how a
request is read and answered.
"""
