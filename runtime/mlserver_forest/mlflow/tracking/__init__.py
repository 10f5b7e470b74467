"""Model directories become MLflow models here, and trainings become runs.

``training`` imports this, so it knows neither the Python API nor a command. Start with
``mlflow_folder.py``.
"""
