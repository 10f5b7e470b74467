"""What only models with code of their own need: all of MLServer, and pandas.

pyarrow imports pandas, if it is installed, as soon as it makes an array of numbers, to ask whether
they are a column of pandas (26.0, ``pandas-shim.pxi``). No numbers of this server are; a request
would wait 0.4 s for it, and each worker would need 40 MB more.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import Any

_FOR_CODE = "mlserver_forest.serving.models.foreign_loader"


def import_for_code(*, may_run_code: bool) -> None:
    """Have all of it imported now, before workers are forked, or never.

    Args:
        may_run_code: whether models may have code of their own.
    """
    if may_run_code:
        import_module(_FOR_CODE)
    elif "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas())


class _NoPandas:
    """Tells those who import pandas that it is not installed."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("this server runs no code that needs pandas", name=name)
        return None
