"""`refgrad.autograd`: backward, grad and Variable, with torch's signatures, checks and messages.

Source: torch/autograd/__init__.py and https://docs.pytorch.org/docs/stable/autograd.html.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from . import anomaly, forward_ad, function, grad_mode, graph
from .accumulate import edge_of
from .anomaly import detect_anomaly, set_detect_anomaly
from .backward import Capture, execute
from .creation import zeros_like
from .function import Function
from .grad_mode import enable_grad, no_grad, set_grad_enabled, set_multithreading_enabled
from .graph import GradientEdge
from .inference_mode import inference_mode
from .levels import LEVELS
from .node import UNTRACKED, Node, Sentinel
from .outputs import Parts
from .placement import misplaced
from .reentrant import Faces
from .tensor import Tensor
from .transform_state import active

__all__ = [
    "Function",
    "Variable",
    "anomaly",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


def backward(  # noqa: PLR0917 - torch's signature
    tensors: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Tensor | Sequence[Tensor | None] | None = None,
    inputs: Tensor | Sequence[Tensor] | dict[str, Tensor] | None = None,
) -> None:
    """Add the vector-Jacobian products of `tensors` to `.grad` of the leaves, or of `inputs` only.

    `grad_tensors` holds one cotangent for each tensor, of its shape; None stands for ones and is allowed
    for real tensors of one element. `retain_graph` keeps saved tensors and defaults to `create_graph`,
    which records the pass. Raises RuntimeError and TypeError where torch does.
    """
    if active():
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch transforms."
        )
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. "
                "Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    targets = None if inputs is None else _inputs_of_backward(inputs)
    roots = _as_tuple(tensors)
    cotangents = _as_optional_tuple(grad_tensors, len(roots))
    seeds = _seeds(roots, cotangents, create_graph or bool(LEVELS))
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter "
            "and its gradient which can cause a memory leak. We recommend using autograd.grad when "
            "creating the graph to avoid this. If you have to use this function, make sure to reset the "
            ".grad fields of your parameters to None after use to break the cycle and avoid the leak.",
            UserWarning,
            stacklevel=2,
        )
    capture = None
    if targets is not None:
        capture = Capture(faces=Faces(cotangents))
        for tensor in targets:
            if isinstance(tensor, Tensor) and not tensor.is_leaf:
                tensor.retain_grad()
            capture.accumulate.add(_input_edge(tensor)[0])
    keep = create_graph if retain_graph is None else retain_graph
    execute(seeds, keep=keep, graph=create_graph, capture=capture, given=cotangents)


def grad(  # noqa: PLR0917 - torch's signature
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: Any,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Return the sum of the gradients of `outputs` with respect to each of `inputs`; `.grad` is not touched.

    The result is a tuple, or a dict if `inputs` is one. An input that was not used is an error, None with
    `allow_unused`, or zeros with `materialize_grads`, which with `create_graph` are leaves that require grad.
    Raises RuntimeError, TypeError and ValueError where torch does.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
            "gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    keys = None
    if isinstance(inputs, dict):
        keys, inputs = list(inputs), list(inputs.values())
    wanted = _as_tuple(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    roots = _as_tuple(outputs)
    cotangents = _as_optional_tuple(grad_outputs, len(roots))
    edges = [_input_edge(tensor) for tensor in wanted]
    keep = create_graph if retain_graph is None else retain_graph

    def vjp(*given: Tensor | None) -> list[Tensor | None]:
        seeds = _seeds(roots, given, create_graph or bool(LEVELS))
        # A gradient that is one of the inputs themselves is that tensor, as a cotangent is that cotangent.
        faces = Faces((*given, *(tensor for tensor in wanted if isinstance(tensor, Tensor))))
        capture = Capture(faces=faces)
        for node, number in edges:
            capture.wanted.setdefault(node, {})[number] = None
        execute(seeds, keep=keep, graph=create_graph, capture=capture)
        return _results(edges, capture, bool(allow_unused or materialize_grads))

    results = _of_batch(vjp, roots, cotangents) if is_grads_batched else vjp(*cotangents)
    if materialize_grads:
        if any(
            result is None and isinstance(tensor, GradientEdge)
            for tensor, result in zip(wanted, results, strict=True)
        ):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        results = [
            zeros_like(tensor, requires_grad=create_graph) if result is None else result
            for tensor, result in zip(wanted, results, strict=True)
        ]
    return tuple(results) if keys is None else dict(zip(keys, results, strict=True))


def _of_batch(
    vjp: Callable[..., list[Tensor | None]], roots: Sequence[Tensor], cotangents: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Return the results of `vjp` for each of a batch of cotangents, the first dimension of each; None where
    it has none.
    """
    from .func.batching import for_each

    batches = [
        root._like(_ones_for(root)) if cotangent is None else cotangent
        for root, cotangent in zip(roots, cotangents, strict=True)
    ]
    for index, (root, batch) in enumerate(zip(roots, batches, strict=True)):
        if cotangents[index] is not None and batch._shape[1:] != root._shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the "
                "batch dimension. The sizes of the remaining dimensions are expected to match the shape of "
                f"corresponding output, but a mismatch was detected: grad_output[{index}] has a shape of "
                f"{batch._shape[2:]} and output[{index}] has a shape of {root._shape}. If you only want "
                "some tensors in `grad_output` to be considered batched, consider using vmap."
            )
    places: list[int] = []
    count = 0

    def found(*given: Tensor) -> list[Tensor]:
        nonlocal count
        results = vjp(*given)
        count = len(results)
        places[:] = [place for place, result in enumerate(results) if result is not None]
        return [result for result in results if result is not None]

    found.__name__ = "vjp"
    batched = for_each(found)(*batches)
    filled = dict(zip(places, batched, strict=True))
    return [filled.get(place) for place in range(count)]


def _results(edges: Sequence[tuple[Node, int]], capture: Capture, allow_unused: bool) -> list[Tensor | None]:
    """Return what arrived at each edge as tensors: one object for one gradient, as torch has it."""
    results: list[Tensor | None] = []
    for index, (node, number) in enumerate(edges):
        value = capture.wanted[node][number]
        if value is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {index} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        if isinstance(value, torch.Tensor):
            value = capture.faces.of(value)
        results.append(value)
    return results


def _as_tuple(tensors: Any) -> tuple[Any, ...]:
    single = type(tensors) is Tensor or isinstance(tensors, Tensor | GradientEdge)
    return (tensors,) if single else tuple(tensors)


def _as_optional_tuple(tensors: Any, length: int) -> tuple[Any, ...]:
    return (None,) * length if tensors is None else _as_tuple(tensors)


def _inputs_of_backward(inputs: Any) -> tuple[Any, ...]:
    """Return the argument `inputs` of backward as a tuple of what gradients are asked for."""
    if isinstance(inputs, Mapping):
        if not isinstance(inputs, dict):
            raise TypeError(
                f"`inputs` argument to `backward()` must be a dict, not {type(inputs).__name__}. "
                "Other Mapping types are not supported."
            )
        inputs = tuple(inputs.values())
    targets = _as_tuple(inputs)
    if not targets:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    return targets


def _seeds(roots: Sequence[Any], given: Sequence[Any], graph: bool) -> list[tuple[Node, Any]]:
    """Return the nodes to start from, each with its cotangent: the given one after its checks, or ones.

    The cotangent has the dtype of its root; it is plain data unless the pass is recorded.
    """
    seeds: list[tuple[Node, Any]] = []
    missing = None
    elsewhere = None
    index = 0
    for root, cotangent in zip(roots, given, strict=False):
        edge = root if isinstance(root, GradientEdge) else None
        if edge is not None:
            root = edge.stand_in()  # noqa: PLW2901 - from here on it is a root like any other
        node = edge_of(root) if edge is None else edge.node
        if cotangent is not None:
            _check_cotangent(root, cotangent, index)
            value: Any = cotangent if graph else cotangent._data
            if cotangent._dtype is not root._dtype:
                expected = root.grad_dtype if root.is_leaf else root._dtype
                value = value if expected is None else value.to(expected)
            if cotangent._data.device != root._data.device:
                elsewhere = elsewhere or misplaced(root, cotangent, index)
                value = value if cotangent._shape else value.to(root._data.device)
        elif node is not None:
            value = root._like(_ones_for(root)) if graph else _ones_for(root)
        else:
            value = None
        if node is None or node is UNTRACKED:
            missing = index if missing is None else missing
        else:
            if edge is not None and node.output_count() > 1:
                value = Parts({edge.output_nr: value})
            seeds.append((node, value))
        index += 1
    if len(roots) > index:
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    if missing is not None:
        raise RuntimeError(f"element {missing} of tensors does not require grad and does not have a grad_fn")
    if elsewhere is not None:
        raise elsewhere
    return seeds


def _check_cotangent(root: Tensor, cotangent: Any, index: int) -> None:
    """Raise torch's error if `cotangent` is not one for `root`."""
    if not isinstance(cotangent, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(cotangent).__name__}")
    if cotangent._shape != root._shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{index}] has a shape of {cotangent._shape} and "
            f"output[{index}] has a shape of {root._shape}."
        )
    if cotangent._dtype.is_complex != root._dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{index}] has a dtype of {cotangent._dtype} and "
            f"output[{index}] has a dtype of {root._dtype}."
        )


def _ones_for(root: Tensor) -> torch.Tensor:
    """Return ones for a real tensor of one element; raise RuntimeError for any other."""
    data = root._data
    if data.numel() != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if not root._dtype.is_floating_point:
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {root._dtype}"
        )
    return torch.ones_like(data)


def _input_edge(tensor: Any) -> tuple[Node, int]:
    """Return where the gradient of an input arrives: at which node, for which output of it."""
    if isinstance(tensor, GradientEdge):
        return tensor.node, tensor.output_nr
    if not isinstance(tensor, Tensor):
        raise RuntimeError(  # noqa: TRY004 - torch's class
            f"all inputs have to be Tensors or GradientEdges, but got {type(tensor).__name__}"
        )
    node = edge_of(tensor)
    if node is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    # A view without a history is reached by nothing, not even by what was computed from it.
    owner, number = (Sentinel(), 0) if node is UNTRACKED else node.as_edge()
    return owner or node, number


class _VariableType(type):
    """Makes every tensor an instance of Variable."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableType):
    """Deprecated: returns a tensor on the memory of `data`. Tensors have been variables since PyTorch 0.4."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Any:
        """Return a new leaf on the memory of `data`; `volatile` has no effect and warns.

        Raises ValueError for a volatile variable that should require grad.
        """
        if volatile:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
                UserWarning,
                stacklevel=2,
            )
            if requires_grad:
                raise ValueError("Variable can't be volatile and require_grad at the same time!")
        made = data.detach()
        return made.requires_grad_() if requires_grad else made


# These are made of what is above.
from . import autograd_functional as functional  # noqa: E402
from . import gradcheck as _gradcheck  # noqa: E402
from .gradcheck import gradcheck, gradgradcheck  # noqa: E402

for _name, _module in {
    "anomaly_mode": anomaly,
    "forward_ad": forward_ad,
    "function": function,
    "functional": functional,
    "grad_mode": grad_mode,
    "gradcheck": _gradcheck,
    "graph": graph,
}.items():
    sys.modules[f"{__name__}.{_name}"] = _module
