"""The Python modules in a model's own folder, which other models' modules of that name never meet.

MLServer (1.7.1, ``settings.py``) puts the folder on ``sys.path`` for a moment and reloads the
module, so that of two models with a ``model.py`` the later one changes the code of the earlier one.
Here each model keeps its own modules: they are in ``sys.modules`` while they are imported and while
the model is loaded (pickles look for their classes there), and what a function of theirs imports
later is looked for among them first.
"""

import builtins
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_SUFFIX = ".py"
# One import of a model's modules at a time: it changes ``sys.modules`` for everybody.
_lock = threading.RLock()
_shared_names: set[str] = set()


class ModelCode:
    """The modules of one folder.

    Args:
        folder: the folder, by its real path.
        named: a module that is to be found here even if Python has one of that name itself.
    """

    def __init__(self, folder: Path, named: str = "") -> None:
        self._folder = folder
        self._names = _names_in(folder, named)
        self._modules: dict[str, ModuleType] = {}
        self._finder = _Finder(self, str(folder), self._names)

    def has(self, module: str) -> bool:
        """Whether the folder holds a module, by its dotted name."""
        return module.partition(".")[0] in self._names

    def load(self, module: str) -> ModuleType:
        """Import a module of the folder, once.

        Raises:
            Exception: what the module raises.
        """
        with _lock, self.active():
            return import_module(module)

    @contextmanager
    def active(self) -> Iterator[None]:
        """While this lasts, the names of the folder's modules mean them for the whole process."""
        with _lock:
            others = _take(self._names)
            sys.modules.update(self._modules)
            sys.meta_path.insert(0, self._finder)
            invalidate_caches()
        try:
            yield
        finally:
            with _lock:
                sys.meta_path.remove(self._finder)
                found = _take(self._names)
                self._modules |= {name: each for name, each in found.items() if self._owns(each)}
                # The first model to have a name keeps it: a pickle may be read while it answers.
                sys.modules.update(found | others)

    def _owns(self, module: ModuleType) -> bool:
        loader = getattr(module, "__loader__", None)
        return isinstance(loader, _Loader) and loader.owner is self

    def import_module(
        self,
        name: str,
        globals_: Mapping[str, Any] | None = None,
        locals_: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """``__import__`` for the modules of the folder; the arguments are Python's."""
        if level or not self.has(name):
            return builtins.__import__(name, globals_, locals_, fromlist, level)
        with _lock, self.active():
            return builtins.__import__(name, globals_, locals_, fromlist, level)


class _Finder(MetaPathFinder):
    """Finds the modules of one folder, and gives them an ``__import__`` of their own."""

    def __init__(self, owner: ModelCode, folder: str, names: set[str]) -> None:
        self._owner = owner
        self._folder = folder
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec, if its top-level package is in the folder."""
        if fullname.partition(".")[0] not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path or [self._folder], target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(self._owner, fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, owner: ModelCode, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self.owner = owner

    def exec_module(self, module: ModuleType) -> None:
        # Python looks for ``__import__`` among the builtins of the module that imports.
        own = {**vars(builtins), "__import__": self.owner.import_module}
        module.__dict__["__builtins__"] = own
        super().exec_module(module)


def _names_in(folder: Path, named: str) -> set[str]:
    """The modules of a folder, but for names that Python or an installed package has already."""
    found = {
        path.stem if path.suffix == _SUFFIX else path.name
        for path in folder.iterdir()
        if path.suffix == _SUFFIX or (path / "__init__.py").is_file()
    }
    with _lock:
        taken = (set(sys.modules) | sys.stdlib_module_names) - _shared_names - {named}
        names = {name for name in found if name.isidentifier()} - taken
        _shared_names.update(names)
    return names


def _take(names: set[str]) -> dict[str, ModuleType]:
    """Remove modules from ``sys.modules``, with those inside of them."""
    found = {name for name in sys.modules if name.partition(".")[0] in names}
    return {name: sys.modules.pop(name) for name in found}
