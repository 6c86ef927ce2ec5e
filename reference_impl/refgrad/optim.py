"""`refgrad.optim`: stochastic gradient descent, as torch computes it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .grad_mode import enable_grad, no_grad
from .tensor import Tensor
from .versions import bump

if TYPE_CHECKING:
    import torch


class SGD:
    """Stochastic gradient descent with momentum, weight decay and Nesterov's variant.

    Raises ValueError for no parameters and for a non-leaf, TypeError for something that is no tensor.
    """

    def __init__(  # noqa: PLR0917 - torch's signature
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        for name, value in (
            ("learning rate", lr),
            ("momentum value", momentum),
            ("weight_decay value", weight_decay),
        ):
            if value < 0:
                raise ValueError(f"Invalid {name}: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{params._data.type()}"
            )
        self.defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        listed: list[Any] = list(params)
        if not listed:
            raise ValueError("optimizer got an empty parameter list")
        groups = listed if isinstance(listed[0], dict) else [{"params": listed}]
        self.param_groups: list[dict[str, Any]] = [
            {**self.defaults, **group, "params": _listed(group)} for group in groups
        ]
        self.state: dict[Tensor, torch.Tensor] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set each `.grad` to None, or to zeros in place, cut from its history."""
        for group in self.param_groups:
            zero_grads(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter that has a `.grad` in place; return what `closure` returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._update(parameter, parameter.grad._data, group)
        return loss

    def _update(self, parameter: Tensor, grad: torch.Tensor, group: dict[str, Any]) -> None:
        if group["maximize"]:
            grad = -grad
        if group["weight_decay"] != 0:
            grad = grad.add(parameter._data, alpha=group["weight_decay"])
        momentum = group["momentum"]
        if momentum != 0:
            kept = self.state.get(parameter)
            if kept is None:
                kept = self.state[parameter] = grad.clone()
            else:
                kept.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(kept, alpha=momentum) if group["nesterov"] else kept
        parameter._data.add_(grad, alpha=-group["lr"])
        bump(parameter)


def _listed(group: dict[str, Any]) -> list[Tensor]:
    """Return the parameters of a group as a list, after torch's checks."""
    params = group["params"]
    listed = [params] if isinstance(params, Tensor) else list(params)
    for parameter in listed:
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {type(parameter).__name__}"
            )
        if not (parameter.is_leaf or parameter.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")
    return listed


def zero_grads(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Set `.grad` of each parameter to None, or to zeros in place, cut from its history."""
    for parameter in parameters:
        grad = parameter._grad
        if grad is None:
            continue
        if set_to_none:
            parameter.grad = None
            continue
        if grad.grad_fn is not None:
            grad.detach_()
        else:
            grad.requires_grad_(False)
        grad.zero_()
