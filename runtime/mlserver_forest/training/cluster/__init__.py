"""Training on one machine or on several.

With several, the first host (of the sorted names) runs Dask's scheduler and the job; every
host, the first too, runs a worker, which reads the host's channels and grows on them what the
first one orders. Rows stay where they were read.
"""
