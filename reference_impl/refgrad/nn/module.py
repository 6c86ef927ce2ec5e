"""Parameters, and the modules that find them by assignment to their attributes.

A module keeps its parameters, its buffers (state that is no parameter) and the modules below it in three
tables; `__setattr__` chooses the table and `__getattr__` looks into them, so a module is written like any
Python class. Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, Self

import torch

from refgrad.grad_mode import no_grad
from refgrad.optim import zero_grads
from refgrad.tensor import Tensor

from .hooks import Hooked


class Parameter(Tensor):
    """A leaf on the memory of `data` that a module knows as its own; it requires grad by default, in every
    grad mode.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Self:
        """Return a new leaf; raise RuntimeError for a dtype that cannot require grad."""
        made = cls._of(torch.empty(0) if data is None else data._data)
        if requires_grad:
            if not (made.dtype.is_floating_point or made.dtype.is_complex):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            made._become_leaf()
        return made

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __hash__ = Tensor.__hash__


class Keys(NamedTuple):
    """What `load_state_dict` found too little and too much."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Hooked):
    """A container of parameters, buffers and modules."""

    training: bool = True
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, table, {})

    # --- attributes ---

    def _tables(self) -> tuple[dict[str, Any], ...]:
        own = vars(self)
        return tuple(own[name] for name in ("_parameters", "_buffers", "_modules") if name in own)

    def __setattr__(self, name: str, value: Any) -> None:
        tables = self._tables()
        kind, table = (Parameter, 0) if isinstance(value, Parameter) else (Module, 2)
        if isinstance(value, kind):
            if not tables:
                what = "parameters" if kind is Parameter else "module"
                raise AttributeError(f"cannot assign {what} before Module.__init__() call")
            for other in (vars(self), *tables):
                other.pop(name, None)
            tables[table][name] = value
            return
        for known, expected in zip(tables, ("Parameter", "Tensor", "Module"), strict=False):
            if name in known:
                if value is not None and not (known is tables[1] and isinstance(value, Tensor)):
                    raise TypeError(_refused(name, value, expected))
                known[name] = value
                return
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        for table in self._tables():
            if name in table:
                return table[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in self._tables():
            if name in table:
                del table[name]
                return
        super().__delattr__(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under `name`; None keeps the place for one."""
        self._parameters[name] = None
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None) -> None:
        """Add state that is no parameter: saved and cast with the module, and not trained."""
        self._buffers[name] = tensor

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a module under `name`, which need not be a Python name."""
        self._modules[name] = module

    # --- what is in it ---

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it, each once, with dotted names."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(name, value) for name, value in module._modules.items() if value is not None]
            stack += [((f"{path}.{name}" if path else name), value) for name, value in reversed(below)]

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        """Yield the modules right below this one."""
        return (module for module in self._modules.values() if module is not None)

    def _named(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        """Yield each tensor of a table once, with its dotted name."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module)[table].items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Yield each parameter once, with its dotted name."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield each parameter once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Yield each buffer once, with its dotted name."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield each buffer once."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def extra_repr(self) -> str:
        """Return what `repr` shows of this module beside its name; for subclasses to say."""
        return ""

    def __repr__(self) -> str:
        below = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        extra = self.extra_repr()
        inside = extra if not below else "\n  " + "\n  ".join([extra, *below] if extra else below) + "\n"
        return f"{type(self).__name__}({inside})"

    # --- what is done with all of it ---

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on each module below this one, and then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set `.grad` of all parameters to None, or to zeros in place."""
        zero_grads(self.parameters(), set_to_none)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set the flag of all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode; grad mode is another matter and stays as it is."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode."""
        return self.train(False)

    def _convert(self, convert: Callable[[Tensor], Tensor]) -> Self:
        """Give each floating-point parameter and buffer, and each gradient, converted data.

        The parameters stay the same objects; a buffer is replaced.
        """
        for parameter in self.parameters():
            with no_grad():
                if parameter.is_floating_point():
                    parameter.data = convert(parameter)
                    if parameter.grad is not None:
                        parameter.grad.data = convert(parameter.grad)
        for module in self.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = convert(buffer)
        return self

    def double(self) -> Self:
        """Make all floating-point parameters and buffers float64."""
        return self._convert(lambda tensor: tensor.double())

    def float(self) -> Self:
        """Make all floating-point parameters and buffers float32."""
        return self._convert(lambda tensor: tensor.float())

    def half(self) -> Self:
        """Make all floating-point parameters and buffers float16."""
        return self._convert(lambda tensor: tensor.half())

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert all floating-point parameters and buffers as `Tensor.to` does."""
        return self._convert(lambda tensor: tensor.to(*args, **kwargs))

    def state_dict(self) -> dict[str, Tensor]:
        """Return all parameters and buffers by dotted name, detached, on their own memory."""
        state: dict[str, Tensor] = OrderedDict()
        for path, module in self.named_modules():
            for name, value in chain(module._parameters.items(), module._buffers.items()):
                if value is not None:
                    state[f"{path}.{name}" if path else name] = value.detach()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True) -> Keys:
        """Copy the values of `state_dict` into the parameters and buffers, in place, in no-grad mode.

        Raises RuntimeError for a shape that differs and, if `strict`, for keys that do not match.
        """
        own = dict(chain(self._named("_parameters", "", True), self._named("_buffers", "", True)))
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        for name, value in own.items():
            if name not in state_dict:
                continue
            given = state_dict[name]
            if given.shape != value.shape:
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {given.shape} from checkpoint, "
                    f"the shape in current model is {value.shape}."
                )
                continue
            with no_grad():
                value.copy_(given)
        if problems:
            kind = type(self).__name__
            raise RuntimeError(f"Error(s) in loading state_dict for {kind}:\n\t" + "\n\t".join(problems))
        return Keys(missing, unexpected)


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _refused(name: str, value: Any, expected: str) -> str:
    """Return torch's message for a value that cannot take the place of a parameter, buffer or module."""
    given = value._data.type() if isinstance(value, Tensor) else torch.typename(value)
    kinds = {
        "Parameter": ("parameter", "torch.nn.Parameter or None expected"),
        "Tensor": ("buffer", "torch.nn.Buffer, torch.Tensor or None expected"),
        "Module": ("child module", "torch.nn.Module or None expected"),
    }
    what, wanted = kinds[expected]
    return f"cannot assign '{given}' as {what} '{name}' ({wanted})"
