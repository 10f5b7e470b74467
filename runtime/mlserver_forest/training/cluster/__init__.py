"""Training on one host or on several.

With several, the first host (of the sorted names) runs Dask's scheduler and the job. Every host,
the first one too, runs a worker, which reads the host's channels and fits on their rows what the
first host asks for. Rows stay where they were read. Start with ``hosts.py``, then ``roles.py``;
how an algorithm is fitted on several hosts is in ``algorithms``.
"""
