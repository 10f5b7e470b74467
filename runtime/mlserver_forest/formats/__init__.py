"""One file per media type: bytes to an array of features, predictions to bytes.

Nothing here knows HTTP or MLServer. A decoder's answer depends on the bytes, the
declared media type's parameters and the schema alone, and a row decodes the same
alone and inside a batch.
"""
