"""What a row is: columns by name, numeric or categorical, missing values, and the classes.

Training learns a schema or an importer reads it from a foreign model, and every reader of rows
enforces it. Nothing here reads bytes. Start with ``schema.py``.
"""
