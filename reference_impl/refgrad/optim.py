"""`refgrad.optim`: stochastic gradient descent and Adam, as torch computes them.

Source: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from .grad_mode import enable_grad, no_grad
from .tensor import Tensor
from .versions import bump

if TYPE_CHECKING:
    Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer:
    """Parameters in groups with options of their own, and what an optimizer remembers of each parameter.

    Raises ValueError for no parameters and for a non-leaf, TypeError for something that is no tensor.
    """

    def __init__(self, params: Parameters, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{params._data.type()}"
            )
        self.defaults = defaults
        listed: list[Any] = list(params)
        if not listed:
            raise ValueError("optimizer got an empty parameter list")
        groups = listed if isinstance(listed[0], dict) else [{"params": listed}]
        self.param_groups: list[dict[str, Any]] = [
            {**self.defaults, **group, "params": _listed(group)} for group in groups
        ]
        self.state: dict[Tensor, dict[str, Any]] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set each `.grad` to None, or to zeros in place, cut from its history."""
        for group in self.param_groups:
            zero_grads(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter that has a `.grad` in place; return what `closure` returns.

        The closure runs with grad mode enabled, whatever the mode is around the step.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        grad = parameter.grad._data
                        self._update(parameter, -grad if group["maximize"] else grad, group)
                        bump(parameter)
        return loss

    def _update(self, parameter: Tensor, grad: torch.Tensor, group: dict[str, Any]) -> None:
        """Change the data of `parameter`; `grad` is its gradient, or minus that to maximize."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, weight decay and Nesterov's variant.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    def __init__(  # noqa: PLR0917 - torch's signature
        self,
        params: Parameters,
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
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _update(self, parameter: Tensor, grad: torch.Tensor, group: dict[str, Any]) -> None:
        if group["weight_decay"] != 0:
            grad = grad.add(parameter._data, alpha=group["weight_decay"])
        momentum = group["momentum"]
        if momentum != 0:
            state = self.state.setdefault(parameter, {})
            kept = state.get("momentum_buffer")
            if kept is None:
                kept = state["momentum_buffer"] = grad.clone()
            else:
                kept.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(kept, alpha=momentum) if group["nesterov"] else kept
        parameter._data.add_(grad, alpha=-group["lr"])


class Adam(Optimizer):
    """Adam, with weight decay in the gradient and the variant that keeps the largest second moment.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    def __init__(  # noqa: PLR0917 - torch's signature
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        for name, value in (
            ("learning rate", lr),
            ("epsilon value", eps),
            ("weight_decay value", weight_decay),
        ):
            if not value >= 0:
                raise ValueError(f"Invalid {name}: {value}")
        for index, beta in enumerate(betas):
            if not 0 <= beta < 1:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def _update(self, parameter: Tensor, grad: torch.Tensor, group: dict[str, Any]) -> None:
        data, (first, second) = parameter._data, group["betas"]
        state = self.state.get(parameter)
        if state is None:
            moments = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
            state = self.state[parameter] = {"step": 0, **{name: torch.zeros_like(data) for name in moments}}
        state["step"] += 1
        if group["weight_decay"] != 0:
            grad = grad.add(data, alpha=group["weight_decay"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - first)
        square.mul_(second).addcmul_(grad, grad.conj(), value=1 - second)
        if group["amsgrad"]:
            square = torch.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
        # Both averages began with zeros, which these corrections make up for.
        missing = (1 - first ** state["step"], 1 - second ** state["step"])
        scale = (square.sqrt() / missing[1] ** 0.5).add_(group["eps"])
        data.addcdiv_(mean, scale, value=-group["lr"] / missing[0])


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
