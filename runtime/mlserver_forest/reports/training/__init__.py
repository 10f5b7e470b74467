"""The job's report: report.html for a person, and metrics.json for a program.

Start with ``write_report.py``. Nothing is imported here, because the server needs only
``metric_names.py``, and the report needs scikit-learn.
"""
