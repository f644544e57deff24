"""A plug-in of pytest by which ccdproc's own tests run against zeroframe: ``pytest -p swap_ccdproc --pyargs ccdproc``.

Whatever is imported from ``ccdproc`` is zeroframe's; only its tests and what these share are its own. Of its private
functions the tests get stand-ins that fail where they are used, so that a whole file of tests is not lost by one name.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

import zeroframe

#: What of ccdproc stays its own: the tests, their fixtures, the folder of files that they read.
OWN = ("ccdproc.tests", "ccdproc.conftest", "ccdproc.utils.tests", "ccdproc.utils.sample_directory", "ccdproc._version")


class PrivateDetail:
    """In the place of a private name of ccdproc: says so where a test uses it."""

    def __init__(self, name):
        self.name = name

    def _refuse(self, *_, **__):
        raise NotImplementedError(f"{self.name} is a private detail of ccdproc")

    __call__ = __getitem__ = __iter__ = _refuse


#: Private functions that tests use only to work out what they expect.
STATED = {"_default_std": lambda: np.nanstd}


class Stand(ModuleType):
    """A module named as one of ccdproc, with the names of one of zeroframe."""

    def __init__(self, name, target):
        super().__init__(name)
        self._target = target

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return getattr(self._target, name)
        except AttributeError:
            if name in STATED:
                return STATED[name]
            if name.startswith("_"):
                return PrivateDetail(f"{self.__name__}.{name}")
            raise


class Swap(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of ccdproc before anybody else does."""

    def __init__(self):
        self.real = importlib.machinery.PathFinder.find_spec("ccdproc")

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002
        if name != "ccdproc" and (not name.startswith("ccdproc.") or name.startswith(OWN)):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=name in {"ccdproc", "ccdproc.utils"})

    def create_module(self, spec):
        inner = spec.name.removeprefix("ccdproc").removeprefix(".")
        found = Stand(spec.name, importlib.import_module(f"zeroframe.{inner}") if inner else zeroframe)
        folders = list(self.real.submodule_search_locations)
        found.__file__ = f"{folders[0]}/{inner or '__init__'}"  # the tests look for their data beside it
        if spec.submodule_search_locations is not None:  # where the tests are
            found.__path__ = folders if not inner else [f"{folder}/{inner}" for folder in folders]
        return found

    def exec_module(self, module):
        """Nothing is left to be done."""


def install():
    """Put zeroframe in the place of ccdproc, before anything of it is imported."""
    if any(name == "ccdproc" or name.startswith("ccdproc.") for name in sys.modules):
        raise RuntimeError("ccdproc has been imported before it could be replaced")
    sys.meta_path.insert(0, Swap())


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests():
    """Before the conftest.py of ccdproc is imported; not when this module is, for pytest looks for doctests in it."""
    install()


def pytest_configure(config):
    for marker in ("data_size", "data_scale", "data_mean"):
        config.addinivalue_line("markers", f"{marker}(value): ccdproc's own")
