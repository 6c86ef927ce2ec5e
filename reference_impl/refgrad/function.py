"""Custom functions: operations whose derivative the user writes.

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, grad):
            (result,) = ctx.saved_tensors
            return grad * result

    y = Exp.apply(x)

`apply` runs forward with recording off and makes one node for all of it (`function_node`). What forward
returns becomes the outputs of the node:

    a new tensor                          gets the node as its history
    an input, returned as it is           a view of it with the node as its history: no output is an input
    an input that is marked dirty         the same object with a new history; its old one is behind the node
    a view of an input                    gets the node as its history and must not be written to, since that
                                          would go around the user's backward
    marked as not differentiable, or of   is cut from its history and does not require grad
    a dtype without derivatives
    no tensor                             is passed on; backward is given None in its place

Arguments given by keyword count as inputs after the others. Tensors inside lists or other arguments are not
seen. Sources: "Extending torch.autograd" in https://docs.pytorch.org/docs/stable/notes/extending.html,
torch/autograd/function.py and torch/csrc/autograd/custom_function.cpp.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from .accumulate import edge_of
from .function_node import FunctionCtx, FunctionNode, Metadata
from .function_transforms import check_transforms, push_function, run_forward
from .grad_mode import is_grad_enabled, mode, no_grad
from .levels import LEVELS, below
from .node import LEAF, OBSERVERS, SEQUENCE, Node, observe
from .ops import OPERATIONS
from .outputs import Output
from .tensor import Tensor
from .versions import bump
from .views import IN_CUSTOM_FUNCTION, ONE_OF_SEVERAL, Guard, rebase


class FunctionMeta(type):
    """Gives each custom function the class of its nodes, named like the function followed by `Backward`."""

    _backward_cls: type[FunctionNode]

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        cls._backward_cls = type(f"{name}Backward", (FunctionNode,), {"_forward_cls": cls})
        super().__init__(name, bases, attrs)


class Function(FunctionCtx, metaclass=FunctionMeta):
    """The base class of custom functions: subclasses give static methods, `apply` uses them.

    `forward(ctx, *args)` computes the outputs; or `forward(*args)`, if there is
    `setup_context(ctx, inputs, output)` too. `backward(ctx, *grad_outputs)`, which may also be called `vjp`,
    returns a gradient or None for each argument of forward. `jvp(ctx, *tangents)` returns a tangent for each
    output.
    """

    # backward is given one list instead of a gradient an argument, so that it can let go of them one by one
    boxed_grads_call: bool = False
    # the first access to ctx.saved_tensors is the last
    clear_saved_tensors_on_access: bool = False
    # torch.vmap is to run forward and backward as they are
    generate_vmap_rule: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, "
            f"so you "
            "should invoke them on the class itself. Instantiating an autograd function will raise an "
            "error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002 - as it was called
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; to be given by every subclass."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what backward needs; forward is not given `ctx` if a subclass has this."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return a gradient or None for each argument of forward, given one for each output."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Return a tangent or None for each output, given one for each argument of forward."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Return what `forward` returns, recorded as one operation.

        Raises what forward raises; RuntimeError where forward writes to a leaf that requires grad, marks an
        input dirty and does not return it, or saves in `setup_context` an input that it also returns;
        TypeError where something else than tensors and None is saved.
        """
        separate = cls.setup_context is not Function.setup_context
        check_transforms(separate)
        if separate:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        inputs = (*args, *kwargs.values())
        node = _new_node(cls._backward_cls, inputs)
        with _nothing_recorded():
            if separate:
                output = run_forward(cls, args, kwargs)
                cls.setup_context(node, inputs, output)
            else:
                output = cls.forward(node, *args, **kwargs)
        output = _finish(node, inputs, output, separate)
        if LEVELS:
            push_function(node, inputs, output)
        node.saved_for_forward = None
        return output


@contextmanager
def _nothing_recorded() -> Iterator[None]:
    before, mode.enabled = mode.enabled, False
    try:
        with below(0):
            yield
    finally:
        mode.enabled = before


def _new_node(kind: type[FunctionNode], inputs: Sequence[Any]) -> FunctionNode:
    """Return the node for a call with `inputs`, with the edges of their histories as they are now."""
    node = kind.__new__(kind)
    needs = tuple(isinstance(given, Tensor) and given.requires_grad for given in inputs)
    node.needs_input_grad = needs
    node._recorded = mode.enabled and any(needs)
    edges: tuple[Node, ...] = ()
    if node._recorded:
        node._inputs = tuple(Metadata.of(given) if isinstance(given, Tensor) else None for given in inputs)
        found = (edge_of(given) for given, needed in zip(inputs, needs, strict=True) if needed)
        edges = tuple(edge for edge in found if edge is not None)
    node.attach(edges)
    return node


def _finish(node: FunctionNode, inputs: Sequence[Any], output: Any, separate: bool) -> Any:
    """Make what forward returned the outputs of `node`."""
    raw = output if isinstance(output, tuple) else (output,)
    to_save = node.to_save
    _check_tensors(node, to_save)
    given = {id(value) for value in inputs if isinstance(value, Tensor)}
    dirty = {id(value) for value in node.dirty_tensors}
    constant = {id(value) for value in node.non_differentiable}
    for tensor in node.dirty_tensors:
        bump(tensor)
    returned = {id(value) for value in raw}
    saved_apart = {id(value) for value in to_save} if separate else set()
    for value in raw:
        if id(value) in given - dirty and id(value) in saved_apart:
            raise RuntimeError(_RETURNED_AND_SAVED)
    node._single = len(raw) == 1
    node._outputs = tuple(Metadata.of(value) if isinstance(value, Tensor) else None for value in raw)
    outputs, differentiable = [], 0
    for index, value in enumerate(raw):
        if not isinstance(value, Tensor):
            outputs.append(value)
            continue
        differs = node._recorded and id(value) not in constant and _has_derivatives(value)
        differentiable += differs
        outputs.append(_output(node, index, value, id(value) in given, id(value) in dirty, differs))
    if differentiable > 1:
        for made in outputs:
            if isinstance(made, Tensor):
                _guard(made, ONE_OF_SEVERAL)
    if not dirty <= returned:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The "
            "inputs that are modified inplace must all be outputs of the Function."
        )
    if node._recorded:
        if to_save:
            node.keep_saved()
        if OBSERVERS:
            observe(node, None)
    return outputs[0] if not isinstance(output, tuple) else tuple(outputs)


_RETURNED_AND_SAVED = (
    "An input that has been returned as-is as output is being saved for backward. This is not supported if "
    "you override setup_context. You should return and save a view of the input instead, e.g. with "
    "x.view_as(x) or setup ctx inside the forward function itself."
)


def _check_tensors(node: FunctionNode, to_save: Sequence[Any]) -> None:
    """Raise torch's errors if something that was marked or saved is no tensor."""
    for what, marked in (
        ("mark_dirty can only accept variables, but argument ", node.dirty_tensors),
        ("mark_non_differentiable only accepts variable arguments, but got ", node.non_differentiable),
    ):
        for place, value in enumerate(marked):
            if not isinstance(value, Tensor):
                raise RuntimeError(f"{what}{place} is of type {type(value).__name__}")  # noqa: TRY004
    for place, value in enumerate(to_save):
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {place} is of type "
                f"{type(value).__name__}"
            )


def _has_derivatives(tensor: Tensor) -> bool:
    return tensor._dtype.is_floating_point or tensor._dtype.is_complex


def _output(  # noqa: PLR0917 - what is known of one output
    node: FunctionNode, index: int, value: Tensor, is_input: bool, is_dirty: bool, differentiable: bool
) -> Tensor:
    """Return `value`, which forward returned, with the history that it has as output `index` of `node`."""
    if not differentiable:
        return _constant(value, is_input, is_dirty)
    if is_dirty:
        if value._node is LEAF:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        if value._view is not None and value._view.base._node is LEAF:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
        if is_input:
            rebase(value, node.output(index))
            return value
        warnings.warn(
            "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been "
            "mutated should be passed to ctx.mark_dirty().",
            UserWarning,
            stacklevel=4,
        )
    out = _same(value) if is_input else value
    _guard(out, IN_CUSTOM_FUNCTION)
    out._node = node.output(index)
    return out


def _constant(value: Tensor, is_input: bool, is_dirty: bool) -> Tensor:
    """Return `value` as an output without a derivative."""
    if value._node is None:
        return _same(value) if is_input and not is_dirty else value
    if is_input:
        return value.detach()
    if value._view is None:
        value._node = None
    return value


def _same(value: Tensor) -> Tensor:
    """Return a view of all of `value`."""
    with _nothing_recorded():
        return OPERATIONS["alias"].apply(value)  # type: ignore[no-any-return]


def _guard(tensor: Tensor, guard: Guard) -> None:
    """State how `tensor` came about if it is a view."""
    if tensor._view is not None:
        tensor._view = replace(tensor._view, guard=guard)


# --- functions that are differentiable once ---


class Error(Node):
    """The node of a gradient that is not differentiable; raises when a gradient arrives."""

    __slots__ = ("count", "message")

    count: int
    message: str
    label = "torch::autograd::Error"

    def output_count(self) -> int:
        """Return how many gradients share this node."""
        return self.count

    def input_mask(self) -> tuple[bool, ...]:
        """Return that nothing is behind this node that a gradient could flow to."""
        return ()

    def vjp(self, grad: Any, keep: bool) -> NoReturn:  # noqa: ARG002 - raises whatever arrives
        """Raise RuntimeError."""
        raise RuntimeError(self.message)

    vjp_graph = vjp

    def nothing(self, keep: bool) -> NoReturn:  # noqa: ARG002 - as above
        """Raise RuntimeError."""
        raise RuntimeError(self.message)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the backward of a custom function whose result is not differentiable again.

    Nothing is recorded while it runs. If one of the gradients that it is given requires grad, what it returns
    requires grad too, and a backward through it raises RuntimeError; without the error it would count as a
    constant, silently.
    """

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            results = backward(ctx, *grads)
        if not is_grad_enabled() or not any(
            isinstance(grad, Tensor) and grad.requires_grad for grad in grads
        ):
            return results
        found = results if isinstance(results, tuple) else (results,)
        node = Error.__new__(Error)
        node.next, node.seq, node.hooks, node.count = (), next(SEQUENCE), None, len(found)
        node.message = "trying to differentiate twice a function that was marked with @once_differentiable"
        marked = tuple(
            None if result is None else _fails(node, place, result) for place, result in enumerate(found)
        )
        return marked if len(marked) > 1 else marked[0]

    return wrapped


def _fails(node: Error, place: int, result: Tensor) -> Tensor:
    """Return `result` as output `place` of `node`."""
    out = Tensor._of(result._data)
    if node.count == 1:
        out._node = node
        return out
    made = Output.__new__(Output)
    made.next, made.seq, made.hooks, made.index = node, next(SEQUENCE), None, place
    out._node = made
    return out
