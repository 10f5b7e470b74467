"""Local batch scoring: files -> chunks -> Model -> files, in one process or on a Dask cluster.

``cli.py`` is the command ``forest predict``; ``run.py`` goes through the files, part by part, and
``scorer.py`` turns a chunk of rows into answers. ``run_state.py`` is what a run that was killed
leaves for the next one. Nothing here knows HTTP, and nothing parses or writes a format: formats do.
"""
