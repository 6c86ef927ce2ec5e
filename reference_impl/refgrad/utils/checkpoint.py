"""Checkpoints: a function runs again in backward, so that what it saves need not be kept until then.

Without reentrant backward (`use_reentrant=False`) this is a use of hooks for saved tensors. In forward each
tensor that the function saves is replaced by a `_Holder`, which is empty. The first holder that a backward
pass asks for its tensor runs the function again under other hooks, which put what is saved into the holders
in the same order; the run stops at the last holder. Each tensor is given out once and let go, and another
pass runs the function again. The inputs of the function are saved tensors themselves, so checkpoints nest:
what an inner one saved is recomputed by the outer one first.

The reentrant variant is a custom function: forward runs the function with recording off, backward runs it
again with recording on and calls backward on that graph. It sees no tensors but its arguments, and `grad()`
cannot restrict a backward within a backward.

Sources: https://docs.pytorch.org/docs/stable/checkpoint.html and torch/utils/checkpoint.py, of which the
names and messages are.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from refgrad import autograd
from refgrad.function import Function
from refgrad.grad_mode import enable_grad, is_grad_enabled, mode, no_grad
from refgrad.random_state import RandomState
from refgrad.saved import Held, Packed, innermost, packed
from refgrad.saved_hooks import saved_tensors_hooks
from refgrad.tensor import Tensor

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]

_TIP = (
    "\nTip: refgrad keeps no log of the operations that ran; print what the function does in both runs to "
    "see where they part.\n"
)


class CheckpointError(RuntimeError):
    """The function did not save the same tensors when it ran again."""


class _StopRecomputationError(Exception):
    """Everything that was asked for has been recomputed."""


def noop_context_fn() -> Contexts:
    """Return contexts that do nothing, for forward and for recomputation."""
    return nullcontext(), nullcontext()


# --- the variant on hooks ---

_early_stop: bool | None = None
_outside = itertools.count(-2, -1)  # numbers for readings of saved tensors outside of any backward pass


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Let checkpoints whose forward runs in the block stop recomputation at what is needed, or not."""
    global _early_stop  # noqa: PLW0603 - torch has one for the process
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


class _Holder:
    """Stands for one saved tensor; holds it from its recomputation in a backward pass until it is used
    there.
    """

    __slots__ = ("__weakref__", "found", "used")

    def __init__(self) -> None:
        self.found: dict[int, Tensor] = {}
        self.used: set[int] = set()


def _metadata(tensor: Tensor) -> dict[str, Any]:
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


_DETERMINISM_CHECKS: dict[str, Callable[[Tensor], Any]] = {"default": _metadata, "none": lambda _: None}


class _Frame:
    """One call of a checkpointed function, with what it saved; backward passes are told apart by number."""

    def __init__(self, rerun: Callable[..., Any], early_stop: bool, check: Callable[[Tensor], Any]) -> None:
        self.rerun = rerun
        self.early_stop = early_stop
        self.check = check
        self.inputs: list[Any] = []
        self.holders: list[weakref.ref[_Holder]] = []
        self.expected: list[Any] = []
        self.saved_again: defaultdict[int, int] = defaultdict(int)
        self.done: set[int] = set()
        self.forward_completed = False
        # backward ran within the function, so that the two runs save different numbers of tensors
        self.numbers_differ = False

    def save_inputs(self, args: Sequence[Any]) -> None:
        """Keep the arguments of the function, tensors with their versions and through the hooks around."""
        hooks = innermost()
        self.inputs = [
            arg if not isinstance(arg, Tensor) else (Held(arg) if hooks is None else packed(hooks, arg, arg))
            for arg in args
        ]

    def _arguments(self) -> list[Any]:
        return [
            kept.read() if isinstance(kept, Held) else kept.value if isinstance(kept, Packed) else kept
            for kept in self.inputs
        ]

    def pack(self, tensor: Tensor) -> _Holder:
        """Put an empty holder in the place of a tensor that is saved in forward."""
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.expected.append(self.check(tensor))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        """Return what `holder` stands for; run the function again if this pass has not done so yet."""
        number = mode.running if mode.running >= 0 else next(_outside)
        if number not in self.done:
            arguments = self._arguments()
            hooks = _recomputation_hooks(self, number)
            with contextlib.suppress(_StopRecomputationError), hooks, enable_grad():
                self.rerun(*arguments)
            self.done.add(number)
            self._compare(number)
        if number in holder.used:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked "
                "once. If "
                "you are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise "
                "please open an issue with details on your use case."
            )
        holder.used.add(number)
        return holder.found.pop(number)

    def pack_again(self, tensor: Tensor, number: int) -> Tensor:
        """Put a tensor that is saved in recomputation into the holder that waits for it."""
        if tensor.requires_grad:
            tensor = tensor.detach()
        place = self.saved_again[number]
        self.saved_again[number] = place + 1
        if place >= len(self.holders):
            if not self.forward_completed:
                self.numbers_differ = True
                return tensor
            raise CheckpointError(
                "torch.utils.checkpoint: trying to save more tensors during recomputation than during the "
                "original "
                f"forward pass.\n{_TIP}"
            )
        holder = self.holders[place]()
        if holder is not None:
            holder.found[number] = tensor
        if self.early_stop and place + 1 == len(self.holders):
            raise _StopRecomputationError
        return tensor

    def _compare(self, number: int) -> None:
        """Raise CheckpointError if recomputation did not save what forward has saved."""
        if self.numbers_differ:
            return
        if len(self.holders) != self.saved_again[number]:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                "forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\nNumber of "
                f"tensors saved during recomputation: {self.saved_again[number]}.\n{_TIP}"
            )
        different = ""
        for place, (reference, before) in enumerate(zip(self.holders, self.expected, strict=True)):
            holder = reference()
            if holder is None:
                continue
            now = self.check(holder.found[number])
            if now != before:
                different += (
                    f"tensor at position {place}:\nsaved metadata: {before}\nrecomputed metadata: {now}\n"
                )
        if different:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different "
                "metadata than "
                f"during the forward pass.\n{different}.\n{_TIP}"
            )


def _recomputation_hooks(frame: _Frame, number: int) -> saved_tensors_hooks:
    """Return the hooks for the run in pass `number`; its own graph keeps its tensors, for a backward
    within.
    """
    return saved_tensors_hooks(lambda tensor: frame.pack_again(tensor, number), lambda tensor: tensor)


def _call_with_frame(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    frame: _Frame,
    context: AbstractContextManager[Any],
) -> Any:
    """Run the function in forward."""
    if not is_grad_enabled():
        return function(*args, **kwargs)
    frame.save_inputs(args)
    with saved_tensors_hooks(frame.pack, frame.unpack), context:
        result = function(*args, **kwargs)
        frame.forward_completed = True
        return result
    raise RuntimeError(
        "torch.utils.checkpoint: the forward context provided by context_fn suppressed an exception raised "
        "during "
        "the checkpointed forward. This is not supported because checkpoint cannot return a value for a "
        "failed forward."
    )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return `function(*args, **kwargs)`, which runs again in backward instead of saving tensors until then.

    `context_fn` returns a context for forward and one for recomputation. `preserve_rng_state` gives both the
    same random numbers. `determinism_check` is "default" (shapes, dtypes and devices of what is saved have
    to agree) or "none". `early_stop` ends recomputation at the last tensor that is needed. Without
    `use_reentrant` a UserWarning is issued and the reentrant variant chosen; that one takes neither keyword
    arguments nor `context_fn` nor `debug` (ValueError). Backward raises CheckpointError if the function
    saves other tensors when it runs again.
    """
    if use_reentrant is None:
        _warn_of_default(
            "torch.utils.checkpoint:",
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception.",
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if debug:
        raise NotImplementedError("refgrad keeps no log of operations: debug=True is not implemented")
    check = _DETERMINISM_CHECKS.get(determinism_check)
    if check is None:
        raise ValueError(
            f"determinism_check should be one of {list(_DETERMINISM_CHECKS)}, but got {determinism_check}"
        )
    forward_context, recompute_context = context_fn()
    state = RandomState(preserve_rng_state)

    def rerun(*again: Any) -> None:
        with state.again(), recompute_context:
            function(*again, **kwargs)

    frame = _Frame(rerun, early_stop if _early_stop is None else _early_stop, check)
    return _call_with_frame(function, args, kwargs, frame, forward_context)


def _warn_of_default(who: str, consequence: str) -> None:
    warnings.warn(
        f"{who} the use_reentrant parameter should be passed explicitly. {consequence} use_reentrant=False "
        f"is "
        "recommended, but if you need to preserve the current default behavior, you can pass "
        "use_reentrant=True. Refer to docs for more details on the differences between the two variants.",
        UserWarning,
        stacklevel=3,
    )


# --- the reentrant variant ---


class CheckpointFunction(Function):
    """The operation that runs a function now and again in backward."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        """Run the function with recording off and keep its arguments."""
        if not any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None",
                UserWarning,
                stacklevel=2,
            )
        ctx.function, ctx.random_state = function, RandomState(preserve_rng_state)
        ctx.inputs = [None if isinstance(arg, Tensor) else arg for arg in args]
        ctx.places = [place for place, arg in enumerate(args) if isinstance(arg, Tensor)]
        ctx.save_for_backward(*(args[place] for place in ctx.places))
        with no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Run the function again on leaves of its own, and backward from its outputs."""
        if mode.restricted:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
                "`inputs` parameter to .backward(). To resolve this error, you can either set "
                "use_reentrant=False, or call .backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.inputs)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            leaf = inputs[place] = tensor.detach()
            leaf.requires_grad = tensor.requires_grad
        with ctx.random_state.again(), enable_grad():
            outputs = ctx.function(*inputs)
        pairs = [
            (output, grad)
            for output, grad in zip(
                (outputs,) if isinstance(outputs, Tensor) else outputs, grads, strict=True
            )
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        autograd.backward([output for output, _ in pairs], [grad for _, grad in pairs])
        return None, None, *(value.grad if isinstance(value, Tensor) else None for value in inputs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return `input` passed through all `functions`, in segments that are each a checkpoint but for the
    last.
    """
    if use_reentrant is None:
        _warn_of_default(
            "torch.utils.checkpoint.checkpoint_sequential:",
            "In version 2.9 we will raise an exception if use_reentrant is not passed.",
        )
        use_reentrant = True
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    listed = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(listed) // segments

    def run(start: int, stop: int) -> Callable[[Any], Any]:
        def segment(value: Any) -> Any:
            for function in listed[start:stop]:
                value = function(value)
            return value

        return segment

    value = input
    for start in range(0, size * (segments - 1), size):
        value = checkpoint(
            run(start, start + size),
            value,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return run(size * (segments - 1), len(listed))(value)
