"""HTTP: connections, routes, content negotiation, and one table from errors to statuses.

Start with ``app.py``. Nothing here knows a model.
"""
