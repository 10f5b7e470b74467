"""The server's processes: a supervisor, its workers, and what each of them takes on.

Start with ``supervisor.py`` and ``worker.py``.
"""
