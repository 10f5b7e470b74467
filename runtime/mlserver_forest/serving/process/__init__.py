"""The server's processes: a supervisor, its workers, and how many requests each worker admits.

Start with ``supervisor.py`` and ``worker.py``.
"""
