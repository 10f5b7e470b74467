"""Which reader of CSV is used, for tests that hold the readers against each other."""

from dataclasses import replace

from mlserver_forest.formats.csv import csv_parser, text_csv
from mlserver_forest.formats.parsing import SERVING

EVERYTHING = 2**30
READERS = ("all", "csv.reader", "kernel", "Arrow")


def use_reader(patch, reader):
    """Have one reader read all that it can; what it leaves, ``csv.reader`` reads."""
    if reader == "all":
        return
    patch.setattr(text_csv, "_plain_rows", lambda body, schema: None)
    compile_bytes = 0 if reader == "kernel" else EVERYTHING
    patch.setattr(text_csv, "SERVING", replace(SERVING, compile_bytes=compile_bytes))
    patch.setattr(csv_parser, "_FEW_BYTES", 0 if reader == "Arrow" else EVERYTHING)
    patch.setattr(csv_parser, "_FEW_COLUMN_BYTES", 0)
