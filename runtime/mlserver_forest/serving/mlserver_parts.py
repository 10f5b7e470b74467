"""MLServer's types, settings and messages without the rest of MLServer.

MLServer's packages import its server as soon as any of their modules is imported, and with it
FastAPI, pandas, OpenTelemetry and Kafka's client: 0.8 s of CPU time and 42 MB, nothing of which
serves a forest. Here these packages take part in imports at once, and run when one of their own
names is first asked for: ``from mlserver.types import InferenceRequest`` runs one module, and
``from mlserver import MLModel``, of another runtime, all of them. ``importlib.util.LazyLoader``
cannot do this, because it runs a package as soon as one of its modules is imported.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any

_PACKAGES = ("mlserver", "mlserver.grpc")
_lock = RLock()


class _Package(ModuleType):
    """A package that has not run yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # The import system asks for these.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if find_spec(f"{self.__name__}.{name}"):
            return import_module(f"{self.__name__}.{name}")
        with _lock:
            if type(self) is _Package:
                _run(self)
        return getattr(self, name)


class _RunningPackage(ModuleType):
    """One that runs; what it lacks, another thread waits for."""

    def __getattr__(self, name: str) -> Any:
        with _lock:
            try:
                return self.__dict__[name]
            except KeyError:
                text = f"module {self.__name__!r} has no attribute {name!r}"
                raise AttributeError(text) from None


def _run(package: Any) -> None:
    package.__class__ = _RunningPackage
    try:
        package.__spec__.loader.exec_module(package)
    except BaseException:
        package.__class__ = _Package
        raise
    package.__class__ = ModuleType


def import_parts_alone() -> None:
    """From now on, import modules of MLServer without what they do not need.

    Where MLServer has been imported, as in its own server, nothing changes.
    """
    for name in _PACKAGES:
        parent, _, own = name.rpartition(".")
        if name in sys.modules or (parent and type(sys.modules[parent]) is not _Package):
            continue
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        package = module_from_spec(spec)
        package.__class__ = _Package
        sys.modules[name] = package
        if parent:
            setattr(sys.modules[parent], own, package)
