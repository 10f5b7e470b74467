"""A sample of the requests and their answers, as Parquet, for monitoring and later evaluation.

``request_log.py`` chooses requests and hands them to a thread; ``logged_rows.py`` makes tables of
them, and ``log_target.py`` writes files. Nothing here may make a request wait.
"""
