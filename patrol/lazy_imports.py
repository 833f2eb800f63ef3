"""Modules that are imported at their first use, so that a command pays for what it runs.

`lazy_exports` makes a package's names load their module when somebody asks for one (PEP 562): the
package's `__init__` gives its table, and imports the same names under `TYPE_CHECKING` for the type
checker. `after_import` runs a function once a module is imported, if it ever is: log set-up waits
so for structlog, and `lazy_logger` imports that with a module's first line. `collection_paused`
keeps the garbage collector out of imports and of whatever else makes many objects that stay.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from typing_extensions import override


def lazy_exports(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package, from its table: module below the package → its names."""
    module_of = {name: module for module, exported in names.items() for name in exported}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)  # found there from now on
        return value

    return get


class LazyLogger:
    """A module's structlog logger, which imports structlog when the first line is logged."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, method: str) -> Any:
        if self._logger is None:
            self._logger = import_module("structlog").get_logger(self._name)
        return getattr(self._logger, method)


def lazy_logger(name: str) -> LazyLogger:
    """The logger of a module that a list imports as well: most lists log nothing."""
    return LazyLogger(name)


@contextmanager
def collection_paused() -> Iterator[None]:
    """No garbage collection within the block: it would walk what the block makes, to keep it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def after_import(name: str, work: Callable[[], None]) -> None:
    """Run `work` after the module's import: now, if it is there, else before its importer has it.

    Only the newest work of a module counts.
    """
    if name in sys.modules:
        work()
        return
    for finder in [one for one in sys.meta_path if isinstance(one, _AfterImport)]:
        if finder.name == name:
            sys.meta_path.remove(finder)
    sys.meta_path.insert(0, _AfterImport(name, work))


class _AfterImport(MetaPathFinder):
    """Finds one module as the others do, and has `work` run behind its own code."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self._work = work

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _WorkingLoader(spec.loader, self._work)
        return spec


class _WorkingLoader(Loader):
    """A module's own loader, and a function behind it."""

    def __init__(self, loader: Loader, work: Callable[[], None]) -> None:
        self._loader = loader
        self._work = work

    @override
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    @override
    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self._loader
        self._work()
