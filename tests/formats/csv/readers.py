"""A switch between the readers of CSV, for tests that compare them."""

from dataclasses import replace

from formats.request_bodies import decoder
from mlserver_forest.formats import decoding
from mlserver_forest.formats.csv import csv_parser, csv_row, text_csv
from mlserver_forest.formats.parsing import SERVING

EVERYTHING = 2**30
READERS = ("all", "csv.reader", "kernel", "Arrow")

decode = decoder("text/csv")


def use_reader(patch, reader):
    """Have one reader read all that it can; what it leaves, ``csv.reader`` reads."""
    if reader == "all":
        return
    use_policy(patch, compile_bytes=0 if reader == "kernel" else EVERYTHING)
    # No body is short enough to be read as a whole.
    patch.setattr(csv_row, "MOST_BYTES", 0)
    patch.setattr(text_csv, "SERVING", replace(SERVING, block_bytes=-1))
    patch.setattr(csv_parser, "_FEW_BYTES", 0 if reader == "Arrow" else EVERYTHING)
    patch.setattr(csv_parser, "_FEW_COLUMN_BYTES", 0)


def use_policy(patch, **changes):
    """Change the policy by which requests are parsed."""
    policy = replace(decoding.SERVING, **changes)
    patch.setattr(decoding, "SERVING", policy)
    patch.setattr(text_csv, "SERVING", policy)
