"""Modules as functions of their parameters: functional_call and stack_module_state.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html and
torch/_functorch/functional_call.py
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from refgrad.multiple import stack
from refgrad.nn.module import Module
from refgrad.tensor import Tensor


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Return `module(*args, **kwargs)` with the given tensors, by their dotted names, as parameters and
    buffers.

    The module is as before afterwards. Several dicts may be given as a list. A name that stands for the same
    tensor as another gets what that one gets, with `tie_weights`. Raises ValueError for dicts that share a
    name; RuntimeError, with `strict`, for names that are missing or unknown.
    """
    given = _merged(parameter_and_buffer_dicts)
    places = {
        (f"{path}.{name}" if path else name): (table, name, value)
        for path, part in module.named_modules()
        for table in (part._parameters, part._buffers)
        for name, value in table.items()
    }
    values = {name: given[name] for name in places if name in given}
    if strict:
        same = {id(places[name][2]) for name in values if tie_weights}
        unexpected = [name for name in given if name not in places]
        missing = [name for name in places if name not in given and id(places[name][2]) not in same]
        _check_names(module, unexpected, missing)
    if tie_weights:
        tied = {id(places[name][2]): value for name, value in values.items() if places[name][2] is not None}
        values = {name: tied[id(place[2])] for name, place in places.items() if id(place[2]) in tied} | values
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced([(*places[name][:2], value) for name, value in values.items()]):
        return module(*positional, **kwargs or {})


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, Sequence):
        raise ValueError(  # noqa: TRY004 - torch's class
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    names = [name for each in dicts for name in each]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
        )
    return {name: value for each in dicts for name, value in each.items()}


def _check_names(module: Module, unexpected: Sequence[str], missing: Sequence[str]) -> None:
    """Raise RuntimeError if there are names of either kind."""
    problems = []
    for what, names in (("Unexpected", unexpected), ("Missing", missing)):
        if names:
            quoted = ", ".join(f"'{name}'" for name in names)
            problems.append(f"\n\t{what} key(s): {quoted}.")
    if problems:
        raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:{''.join(problems)}")


@contextlib.contextmanager
def _replaced(places: Sequence[tuple[dict[str, Any], str, Any]]) -> Iterator[None]:
    """Put values into tables of modules inside the block."""
    before = [(table, name, table[name]) for table, name, _ in places]
    for table, name, value in places:
        table[name] = value
    try:
        yield
    finally:
        for table, name, value in before:
            table[name] = value


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the parameters and the buffers of several modules of one class, stacked along a new first
    dimension.

    Each is a new leaf, which requires grad as the parameters do. Raises RuntimeError for no modules, and for
    such as do not go together.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    first = models[0]
    if any(model.training != first.training for model in models):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(first) for model in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {
        name: _stacked([dict(model.named_parameters())[name] for model in models])
        for name, _ in first.named_parameters()
    }
    buffers = {
        name: _stacked([dict(model.named_buffers())[name] for model in models])
        for name, _ in first.named_buffers()
    }
    return parameters, buffers


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Return a leaf of several tensors; raise RuntimeError unless all or none of them require grad."""
    flags = {tensor.requires_grad for tensor in tensors}
    if len(flags) > 1:
        raise RuntimeError("Expected parameters from different models to have the same .requires_grad")
    return stack(tensors).detach().requires_grad_(flags.pop())
