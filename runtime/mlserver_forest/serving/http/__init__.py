"""HTTP: connections, requests and responses, routes, and content negotiation.

Start with ``app.py``. Nothing here knows a model, or what a body contains.
"""
