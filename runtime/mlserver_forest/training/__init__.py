"""The training job: channels -> parse -> schema -> fit -> Model -> artifact -> report.

``job.py`` is that line from its start to its end; ``cli.py`` is the command ``train``. The rooms
hold the steps: ``data`` reads channels, ``algorithms`` knows the libraries, ``fitting`` fits step
by step, ``validation`` measures, ``cluster`` uses several hosts. Nothing here knows MLServer or
HTTP.
"""
