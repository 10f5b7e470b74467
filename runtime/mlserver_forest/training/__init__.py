"""The training job: channels -> parse -> schema -> fit -> Model -> artifact -> report.

``job.py`` is this line from start to end; ``cli.py`` is the command ``train``. The folders
hold the steps: ``data`` reads channels, ``algorithms`` knows the libraries, ``fitting`` fits step
by step, ``validation`` measures, and ``cluster`` uses several hosts. Nothing here knows MLServer or
HTTP.
"""
