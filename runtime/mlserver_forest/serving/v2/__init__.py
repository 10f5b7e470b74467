"""The V2 (Open Inference) protocol over REST and gRPC.

Start with ``rest_routes.py`` and ``grpc_service.py``: both turn requests into an ``Inference`` of
the pipeline.
"""
