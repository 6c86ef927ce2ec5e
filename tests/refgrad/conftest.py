"""What runs one program on torch and on refgrad: small ones, that are compared by what they print and how
they end, and whole ones, whose imports of torch are turned into imports of refgrad.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

import refgrad as rg

with warnings.catch_warnings():
    # torch imports it when forward mode first needs it, and warns of its own torch.jit.script then.
    warnings.simplefilter("ignore")
    import torch._decomp.decompositions_for_jvp

Same = Callable[[str], str]
Written = Callable[[str, str], ast.Module]


NEW_IN_2_13 = {
    "test_anomaly.py::test_as_torch[the error of a write]",
    "test_autograd.py::test_as_torch[grad, a dict]",
    "test_autograd.py::test_as_torch[grad, a later view]",
    "test_autograd.py::test_as_torch[grad, no inputs]",
    "test_autograd.py::test_as_torch[grad, unused]",
    "test_autograd.py::test_as_torch[inputs, a dict]",
    "test_autograd.py::test_as_torch[inputs, another mapping]",
    "test_checkpoint.py::test_as_torch[an input that was written to]",
    "test_func.py::test_as_torch[batches of cotangents]",
    "test_function.py::test_as_torch[a dirty input is noticed]",
    "test_function.py::test_as_torch[a saved tensor is written to]",
    "test_function.py::test_as_torch[a view of an input]",
    "test_function.py::test_as_torch[an input that is returned]",
    "test_function.py::test_as_torch[boxed gradients]",
    "test_function.py::test_as_torch[ctx outlives its graph]",
    "test_function.py::test_as_torch[keyword arguments]",
    "test_function.py::test_as_torch[what can be saved]",
    "test_functional.py::test_as_torch[gradcheck, refusals]",
    "test_inplace.py::test_as_torch[a saved input]",
    "test_inplace.py::test_as_torch[a saved output]",
    "test_inplace.py::test_as_torch[a saved view]",
    "test_inplace.py::test_as_torch[saved under create_graph]",
    "test_inplace.py::test_as_torch[undoing does not help]",
    "test_inplace.py::test_as_torch[with itself]",
    "test_metadata.py::test_as_torch[what saved it notices]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[backward_errors]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[detach_data]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[detach_stop_gradient]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[grad_function]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[inplace_relu]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[inplace_versions]",
    "test_programs.py::test_all_that_it_leaves_is_the_same[views_base]",
    "test_saved.py::test_as_torch[a budget]",
    "test_saved.py::test_as_torch[a pack hook that writes]",
    "test_saved.py::test_as_torch[attributes]",
    "test_saved.py::test_as_torch[mutation blocks]",
    "test_views.py::test_as_torch[a view of the untracked]",
    "test_views.py::test_as_torch[chunks]",
    "test_views.py::test_as_torch[narrow_copy, unsafe_split]",
    "test_views.py::test_as_torch[parts of given sizes]",
    "test_views.py::test_as_torch[several views at once]",
}
"""Programs of which torch before 2.13 prints something else: a dict of inputs is new, and messages are worded
anew. refgrad follows 2.13."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On an older torch, leave out what that torch says otherwise."""
    if tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 13):
        return
    for item in items:
        if item.nodeid.rpartition("/")[2] in NEW_IN_2_13:
            reason = f"torch {torch.__version__} says it otherwise than 2.13, which refgrad follows"
            item.add_marker(pytest.mark.skip(reason=reason))


def transcript(lib: Any, program: str) -> str:
    """Return what `program` prints with `torch` bound to `lib`: its output, its warnings and its error."""
    out = io.StringIO()
    names = {"torch": lib, "np": np, "leaf": lambda value, **kw: lib.tensor(value, requires_grad=True, **kw)}
    before = lib.is_grad_enabled()
    caught: list[warnings.WarningMessage] = []
    lib.manual_seed(0)
    code = compile(textwrap.dedent(program), "<program>", "exec")  # outside: a typing error is no transcript
    try:
        with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as seen:
            caught = seen
            warnings.simplefilter("always")
            exec(code, names)  # noqa: S102 - this file's own text
    except Exception as error:  # noqa: BLE001 - how a program ends is part of its transcript
        out.write(f"{type(error).__name__}: {error}\n")
    finally:
        lib.set_grad_enabled(before)
    for warning in caught:
        # torch adds the place in its own sources.
        text = re.sub(r" \(Triggered internally at .*", "", str(warning.message).splitlines()[0])
        out.write(f"{warning.category.__name__}: {text}\n")
    return re.sub(r"0x[0-9a-f]+", "0x", out.getvalue())


@pytest.fixture
def warn_always() -> Iterator[None]:
    """Let each program see the warnings that torch prints once in a process."""
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(always)


@pytest.fixture
def same(warn_always: None) -> Same:
    """Check that a program has the same transcript on both, and return it."""

    def check(program: str) -> str:
        expected = transcript(torch, program)
        assert transcript(rg, program) == expected
        return expected

    return check


class _Imports(ast.NodeTransformer):
    """Turns imports of torch and of its modules into those of `library`, bound to the same names."""

    def __init__(self, library: str) -> None:
        self.library = library

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for alias in node.names:
            package, _, inner = alias.name.partition(".")
            if package != "torch":
                made.append(ast.Import([alias]))
                continue
            name = f"{self.library}.{inner}" if inner else self.library
            made.append(ast.Import([ast.alias(name, alias.asname or (None if inner else "torch"))]))
            if inner and alias.asname is None:  # it binds the package
                made.append(ast.Import([ast.alias(self.library, "torch")]))
        return made

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        package, dot, inner = (node.module or "").partition(".")
        if package == "torch":
            node.module = f"{self.library}{dot}{inner}"
        return node


@pytest.fixture
def written() -> Written:
    """Parse code that was written for torch, with the library named in its place."""

    def parse(code: str, library: str) -> ast.Module:
        tree = ast.parse(code)
        _Imports(library).visit(tree)
        return ast.fix_missing_locations(tree)

    return parse


class PoisonedError(AssertionError):
    """torch's autograd was called."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise PoisonedError("torch's autograd was called")


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make every way into torch's autograd fail from the call to the end of the test."""

    def apply() -> None:
        monkeypatch.setattr(torch.autograd, "backward", _refuse)
        monkeypatch.setattr(torch.autograd, "grad", _refuse)
        monkeypatch.setattr(torch.autograd.Function, "apply", _refuse)
        monkeypatch.setattr(torch.Tensor, "backward", _refuse)
        monkeypatch.setattr(torch.Tensor, "requires_grad_", _refuse)
        monkeypatch.setattr(torch.autograd.graph, "_engine_run_backward", _refuse)
        monkeypatch.setattr(
            torch.autograd.Variable, "_execution_engine", SimpleNamespace(run_backward=_refuse)
        )
        # forward mode, and the transforms of torch.func
        monkeypatch.setattr(torch.autograd.forward_ad, "make_dual", _refuse)
        monkeypatch.setattr(torch._C._functorch, "_grad_increment_nesting", _refuse)
        monkeypatch.setattr(torch._C._functorch, "_jvp_increment_nesting", _refuse)

    return apply
