"""The modules of one model's code, apart from those of other models in the same process.

AWS's images run each model in processes of its own, where ``import helper`` has one meaning. Here
several models share a process, so each has a ``ScriptModules``: a finder on ``sys.meta_path`` that
loads the modules in its folders, and an ``import`` statement for the code in them that looks there
first. ``sys.modules`` holds a module for good only if no other model has one of that name, because
pickles, dataclasses and ``importlib`` look there.
"""

import builtins
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import resolve_name
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

# Imports of models' code take turns: while one goes on, ``sys.modules`` holds that model's modules.
_IMPORTING = RLock()


class ScriptModules(MetaPathFinder):
    """The modules in the folders of one model.

    Args:
        folders: where its modules lie, the first searched first.
        named: a module that is to be found here even if this process has another of that name.
        provided: further modules, by their dotted names, for this model's code alone.

    Attributes:
        folders: as given.
        names: the top-level modules and packages in the folders that it may import.
        hidden: names in the folders that this process has imported from elsewhere already, which
            a model's code gets in their place, as in any Python process.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        named: str = "",
        provided: Mapping[str, ModuleType] | None = None,
    ) -> None:
        self.folders = [str(folder) for folder in folders]
        found = {name for folder in folders for name in _names_in(folder)}
        self.hidden = frozenset(name for name in found if name != named and _is_taken(name))
        self._modules: dict[str, ModuleType] = dict(provided or {})
        self.names = (frozenset(found) - self.hidden) | {_top(name) for name in self._modules}
        self._depth = 0
        self._builtins = {**vars(builtins), "__import__": self._import}

    def has(self, name: str) -> bool:
        """Whether the folders hold a module, by its dotted name."""
        return _top(name) in self.names

    def load(self, name: str) -> ModuleType:
        """Import a module of the folders, and keep this model's modules importable from now on.

        Args:
            name: its name, without ``.py``.

        Raises:
            ImportError: if there is no such module, or it imports one that is missing.
            BaseException: whatever the module's code raises.
        """
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        with self.imported():
            return import_module(name)

    @property
    def is_importing(self) -> bool:
        """Whether this model's modules are being imported."""
        return self._depth > 0

    @contextmanager
    def imported(self) -> Iterator[None]:
        """While this lasts, ``sys.modules`` holds the model's own modules; other models wait."""
        with _IMPORTING:
            self._depth += 1
            others = {} if self._depth > 1 else self._swap_in()
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    self._swap_out(others)

    def unload(self) -> None:
        """Forget the modules, so that their memory can be freed."""
        with _IMPORTING:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            for name, module in self._modules.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
            self._modules = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of this model; while none is imported, only if no other has its name."""
        if _top(fullname) not in self.names or not self._may_find(fullname):
            return None
        spec = PathFinder.find_spec(fullname, self.folders if path is None else path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _ScriptLoader(spec.loader.name, spec.loader.path, self._builtins)
        return spec

    def _import(
        self,
        name: str,
        globals_: Mapping[str, Any] | None = None,
        locals_: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """The ``import`` statement of the model's code."""
        package = (globals_ or {}).get("__package__") or ""
        full = resolve_name("." * level + name, package) if level else name
        if _top(full) not in self.names:
            if self._is_shared(full):
                raise ModuleNotFoundError(f"No module named {full!r}", name=full)
            return builtins.__import__(name, globals_, locals_, fromlist, level)
        found = self._modules.get(full)
        if found is not None and all(hasattr(found, each) for each in fromlist or ()):
            if fromlist:
                return found
            if not level:
                return self._modules[_top(full)]
        with self.imported():
            return builtins.__import__(name, globals_, locals_, fromlist, level)

    def _swap_in(self) -> dict[str, ModuleType]:
        """Put the model's modules into ``sys.modules``; return those that had their names."""
        others = {
            name: module
            for name, module in list(sys.modules.items())
            if _top(name) in self.names and self._modules.get(name) is not module
        }
        for name in others:
            del sys.modules[name]
        sys.modules.update(self._modules)
        return others

    def _swap_out(self, others: Mapping[str, ModuleType]) -> None:
        mine = {name: sys.modules[name] for name in list(sys.modules) if _top(name) in self.names}
        self._modules |= mine
        for name in mine:
            if self._is_shared(name):
                del sys.modules[name]
        is_another_importing = any(other.is_importing for other in _finders())
        for name, module in others.items():
            if is_another_importing or not self._is_shared(name):
                sys.modules[name] = module

    def _may_find(self, name: str) -> bool:
        if self._depth:
            return True
        is_another_loading = any(other.is_importing for other in _finders())
        return not is_another_loading and not self._is_shared(name)

    def _is_shared(self, name: str) -> bool:
        """Whether another model has modules of this name."""
        return any(other is not self and _top(name) in other.names for other in _finders())


class _ScriptLoader(SourceFileLoader):
    """Runs a module's code with the ``import`` of its model."""

    def __init__(self, fullname: str, path: str, own_builtins: dict[str, Any]) -> None:
        super().__init__(fullname, path)
        self._builtins = own_builtins

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        module.__dict__["__builtins__"] = self._builtins
        super().exec_module(module)


def _finders() -> list[ScriptModules]:
    return [finder for finder in sys.meta_path if isinstance(finder, ScriptModules)]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _names_in(folder: Path) -> Iterator[str]:
    """The top-level modules and packages in a folder."""
    for path in folder.iterdir():
        name = path.name.partition(".")[0]
        is_module = path.suffix in {".py", ".so"} or path.is_dir()
        if is_module and name.isidentifier() and not name.startswith("__"):
            yield name


def _is_taken(name: str) -> bool:
    """Whether a name belongs to Python, or to a module imported that is not a model's code."""
    if name in sys.stdlib_module_names:
        return True
    module = sys.modules.get(name)
    if module is None:
        return False
    folders = {folder for finder in _finders() for folder in finder.folders}
    spec = getattr(module, "__spec__", None)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    return not any(
        place and Path(place).is_relative_to(folder) for place in places for folder in folders
    )
