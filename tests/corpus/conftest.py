from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.spec.corpus import all_files

DOCS = Path(__file__).parents[2] / "docs"


def load_script(name: str) -> ModuleType:
    """A module of docs/, which stands outside of every package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def corpus() -> tuple[Template, ...]:
    """Every template of the shipped specs."""
    return load_library(all_files())


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """The module that writes docs/founding-documents.md."""
    return load_script("founding_documents")


@pytest.fixture(scope="session")
def behaviours() -> ModuleType:
    """The module that writes docs/behaviours.md."""
    return load_script("behaviours")


@pytest.fixture(scope="session")
def level_page() -> ModuleType:
    """The module that writes docs/levels.md."""
    return load_script("levels")
