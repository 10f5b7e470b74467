"""Pages for people: the training report, the drift report, and the HTML that they share.

Start with ``training/write_report.py`` or ``drift/cli.py``.
"""
