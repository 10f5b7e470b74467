"""Table formats: the bytes of one media type to rows with their locations, and answers to bytes.

``registry.py`` has a row for each media type; a newcomer starts there, and with ``source.py`` and
``parsing.py``, which say what a parser is given and returns. Each format has a folder of its own:
one parser for training, serving and batch scoring, one writer, and a guard if a few bytes may
stand for many. ``decoding.py`` turns parsed rows into the matrix that a model reads.

Nothing here knows HTTP, SageMaker or MLServer. What a parser returns depends on the bytes, the
declared media type's parameters and the plan of the columns alone, and a row means the same alone
and among others.
"""
