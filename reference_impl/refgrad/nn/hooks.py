"""Hooks of modules.

    register_forward_pre_hook         hook(module, args)                      before; may replace args
    register_forward_hook             hook(module, args, output)              after; may replace output
    register_full_backward_pre_hook   hook(module, grad_output)               may replace grad_output
    register_full_backward_hook       hook(module, grad_input, grad_output)   may replace grad_input
    register_backward_hook            the same, on the node of the output alone; deprecated

A module is no node of the graph. For the full backward hooks its inputs and its outputs therefore pass
through an identity each, and hooks on the nodes of these two call the user's: the node of the outputs runs
first and leaves their gradients to that of the inputs. Where no input requires grad, the first calls all.

Source: torch/utils/hooks.py (BackwardHook), _call_impl in torch/nn/modules/module.py, and
https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from refgrad.function import Function
from refgrad.grad_mode import is_grad_enabled
from refgrad.hooks import RemovableHandle
from refgrad.node import Node
from refgrad.tensor import Tensor

from .old_hooks import hook_last_node

_KINDS_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one "
    "of them."
)
_NO_INPUT_REQUIRES_GRAD = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
    "require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
    "#torch.nn.Module.register_full_backward_hook for more details."
)


@dataclass(frozen=True, slots=True)
class _ForwardHook:
    """A hook around forward, and how it wants to be called."""

    hook: Callable[..., Any]
    with_kwargs: bool
    always_call: bool = False


def _table() -> OrderedDict[int, Any]:
    return OrderedDict()


@dataclass(slots=True)
class _Hooks:
    """The hooks of one module, by the numbers of their handles."""

    forward_pre: OrderedDict[int, _ForwardHook] = field(default_factory=_table)
    forward: OrderedDict[int, _ForwardHook] = field(default_factory=_table)
    backward_pre: OrderedDict[int, Callable[..., Any]] = field(default_factory=_table)
    backward: OrderedDict[int, Callable[..., Any]] = field(default_factory=_table)
    # whether `backward` holds full backward hooks; None before there was any
    full: bool | None = None

    def any(self) -> bool:
        """Return whether there is anything to call."""
        return bool(self.forward_pre or self.forward or self.backward_pre or self.backward)


def _add(table: OrderedDict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class Hooked:
    """The part of a module that has hooks and calls them."""

    _hooks: _Hooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result for one input; subclasses define it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        hooks = self._hooks
        if hooks is None or not hooks.any():
            return self.forward(*args, **kwargs)
        return _Call(self, hooks).run(args, kwargs)

    def _own_hooks(self) -> _Hooks:
        if self._hooks is None:
            self._hooks = _Hooks()
        return self._hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward, or `hook(module, args, kwargs)`.

        It may return other arguments: one value or a tuple; with kwargs a pair of both.
        """
        return _add(self._own_hooks().forward_pre, _ForwardHook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward, or `hook(module, args, kwargs, output)`.

        It may return another output. With `always_call` it is also called where forward raises.
        """
        return _add(self._own_hooks().forward, _ForwardHook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the gradients of the module are computed.

        It may return a tuple of the same length to go on with.
        """
        return _add(self._own_hooks().backward_pre, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are computed.

        Both are tuples with None for what is no tensor; positional inputs count. It may return a tuple that
        replaces `grad_input`. Raises RuntimeError if the module has hooks of `register_backward_hook`.
        """
        hooks = self._own_hooks()
        if hooks.full is False:
            raise RuntimeError(_KINDS_MIXED)
        hooks.full = True
        return _add(hooks.backward, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` with the gradients around the node of the output.

        Deprecated: these are not the gradients of the module where it consists of several operations.
        Raises RuntimeError if the module has full backward hooks.
        """
        hooks = self._own_hooks()
        if hooks.full is True:
            raise RuntimeError(_KINDS_MIXED)
        hooks.full = False
        return _add(hooks.backward, hook)


class _Call:
    """One call of a module with hooks."""

    def __init__(self, module: Hooked, hooks: _Hooks) -> None:
        self.module = module
        self.hooks = hooks
        self.result: Any = None
        self.called: set[int] = set()

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the output of the module, with all hooks called."""
        try:
            return self._run(args, kwargs)
        except Exception:
            self._call_those_left(args, kwargs)
            raise

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module, hooks = self.module, self.hooks
        backward = list(hooks.backward.values())
        full = _BackwardHooks(module, backward if hooks.full else [], list(hooks.backward_pre.values()))
        args, kwargs = self._before(args, kwargs)
        if full:
            args = full.take_inputs(args)
        self.result = module.forward(*args, **kwargs)
        for number, entry in list(hooks.forward.items()):
            self.called.add(number)
            self._after(entry, args, kwargs)
        if full:
            if not isinstance(self.result, Tensor | tuple):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                    f"but received {type(self.result)}",
                    stacklevel=4,
                )
            self.result = full.take_outputs(self.result)
        if hooks.full is False and backward:
            hook_last_node(module, backward, args, self.result)
        return self.result

    def _before(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for entry in list(self.hooks.forward_pre.values()):
            if entry.with_kwargs:
                both = entry.hook(self.module, args, kwargs)
                if both is None:
                    continue
                if not (isinstance(both, tuple) and len(both) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{both}."
                    )
                args, kwargs = both
            else:
                replaced = entry.hook(self.module, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        return args, kwargs

    def _after(self, entry: _ForwardHook, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if entry.with_kwargs:
            replaced = entry.hook(self.module, args, kwargs, self.result)
        else:
            replaced = entry.hook(self.module, args, self.result)
        if replaced is not None:
            self.result = replaced

    def _call_those_left(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Call the hooks that want to be called in any case, after an exception."""
        for number, entry in list(self.hooks.forward.items()):
            if not entry.always_call or number in self.called:
                continue
            try:
                self._after(entry, args, kwargs)
            except Exception as error:  # noqa: BLE001 - the first exception is the one that counts
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                    f"another error was raised in forward: {error}",
                    stacklevel=4,
                )


class BackwardHookFunction(Function):
    """The identity on several tensors, as one node."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Return the tensors; those that do not require grad stay so."""
        ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
        return args

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:  # noqa: ARG004 - nothing was saved
        """Return the gradients."""
        return args


class _BackwardHooks:
    """The full backward hooks of one call of a module."""

    def __init__(
        self, module: Hooked, hooks: list[Callable[..., Any]], pre_hooks: list[Callable[..., Any]]
    ) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        # the gradients of the outputs, between the two nodes
        self.grad_outputs: tuple[Any, ...] | None = None
        self.inputs: list[int] | None = None
        self.outputs: list[int] = []
        self.input_count = self.output_count = 0

    def __bool__(self) -> bool:
        return bool(self.hooks or self.pre_hooks)

    def take_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments with the tensors in them behind an identity."""
        self.input_count = len(args)
        args, self.inputs = _pass(args, lambda node: node.register_hook(self._at_inputs))
        return args

    def take_outputs(self, result: Any) -> Any:
        """Return the result with the tensors in it behind an identity."""
        results = result if isinstance(result, tuple) else (result,)
        self.output_count = len(results)
        results, found = _pass(results, lambda node: node.register_hook(self._at_outputs))
        self.outputs = found or []
        return results if isinstance(result, tuple) else results[0]

    def _at_outputs(self, _: Any, grads: tuple[Any, ...]) -> Any:
        """Call the pre-hooks, and the hooks too if there will be no gradients of inputs."""
        self.grad_outputs = _spread(self.outputs, grads, self.output_count)
        for hook in self.pre_hooks:
            replaced = hook(self.module, self.grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(self.grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(replaced)}, but expected {len(self.grad_outputs)}"
                )
            self.grad_outputs = replaced
        grad_outputs = self.grad_outputs
        if self.inputs is None:
            warnings.warn(_NO_INPUT_REQUIRES_GRAD, stacklevel=5)
            self._call_without_inputs()
        return tuple(grad_outputs[index] for index in self.outputs)

    def _call_without_inputs(self) -> None:
        for hook in self.hooks:
            result = hook(self.module, (None,) * self.input_count, self.grad_outputs)
            if result is not None and not (isinstance(result, tuple) and all(one is None for one in result)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or "
                    "None for all gradients."
                )
        self.grad_outputs = None

    def _at_inputs(self, grads: tuple[Any, ...], _: Any) -> Any:
        """Call the hooks."""
        if self.grad_outputs is None:
            return None  # the gradient came to the inputs around the outputs, as in a second-order pass
        inputs = self.inputs or []
        result = _spread(inputs, grads, self.input_count)
        for hook in self.hooks:
            replaced = hook(self.module, result, self.grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(result):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(replaced)}, but expected {len(result)}"
                )
            result = replaced
        self.grad_outputs = None
        return tuple(result[index] for index in inputs)


def _spread(places: Iterable[int], values: Iterable[Any], length: int) -> tuple[Any, ...]:
    """Return a tuple with `values` at `places` and None elsewhere."""
    spread: list[Any] = [None] * length
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return tuple(spread)


def _pass(
    values: tuple[Any, ...], hook: Callable[[Node], object]
) -> tuple[tuple[Any, ...], list[int] | None]:
    """Return `values` with the tensors in it behind one identity, and their places; `hook` gets its node.

    Where nothing would be recorded the values are returned as they are, with None.
    """
    places = [place for place, value in enumerate(values) if isinstance(value, Tensor)]
    if not (is_grad_enabled() and any(values[place].requires_grad for place in places)):
        return values, None
    passed = BackwardHookFunction.apply(*(values[place] for place in places))
    nodes = [tensor.grad_fn for tensor in passed if tensor.grad_fn is not None]
    hook(nodes[0])
    replaced = list(values)
    for place, tensor in zip(places, passed, strict=True):
        replaced[place] = tensor
    return tuple(replaced), places
