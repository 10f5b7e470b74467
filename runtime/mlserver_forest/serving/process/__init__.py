"""The server's processes: a supervisor, its workers, and the requests that each of them admits.

Start with ``supervisor.py`` and ``worker.py``.
"""
