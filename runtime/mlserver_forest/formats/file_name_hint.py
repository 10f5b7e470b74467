"""A body that holds the name of a file where its content was meant."""

import re

_EXTENSIONS = "csv|tsv|json|jsonl|parquet|npy|npz|txt|libsvm|arrow|gz"
_NAME = re.compile(rf"@?[\w.~/\\:-]*\.({_EXTENSIONS})", re.IGNORECASE)
_LONGEST = 255


def file_name_hint(text: str) -> str:
    """The step for a body that is the name of a file, such as ``-d rows.csv`` of curl; or ""."""
    text = text.strip()
    if len(text) > _LONGEST or not _NAME.fullmatch(text):
        return ""
    return (
        f"; the body looks like the name of a file: to send what is in it, use curl's "
        f"--data-binary @{text.removeprefix('@')}"
    )
