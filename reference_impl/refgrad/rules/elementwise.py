"""Functions of one tensor, element by element."""

from .registry import rule

# sgn of a complex number is neither real nor holomorphic. What comes first to a cotangent comes last to a
# tangent, which is 0 at 0.
_SGN_PULLED = "sgn_backward(grad.masked_fill(self == 0, 0), self, result)"


def _unary(name: str, formula: str, saves: str, grad_fn: str | None = None) -> None:
    rule(
        name,
        grad_fn=grad_fn or f"{name.capitalize()}Backward0",
        tensors="self",
        forward=f"self.{name}()",
        self=formula,
        saves=saves,
        elementwise=True,
        diagonal=name != "sgn",
        forward_mode={"self": _SGN_PULLED} if name == "sgn" else None,
    )


_unary("neg", "-grad", "")
_unary("abs", "grad * self.sgn()", "self")
_unary("sgn", "sgn_backward(grad, self, result)", "self result")
_unary("exp", "grad * conj(result)", "result")
_unary("expm1", "grad * (conj(result) + 1)", "result")
_unary("log", "grad / conj(self)", "self")
_unary("log1p", "grad / conj(self + 1)", "self", "Log1PBackward0")
_unary("sqrt", "grad / (2 * conj(result))", "result")
_unary("rsqrt", "-0.5 * grad * conj(result.pow(3))", "result")
_unary("reciprocal", "-grad * conj(result * result)", "result")
_unary("sin", "grad * conj(self.cos())", "self")
_unary("cos", "grad * -conj(self.sin())", "self")
_unary("tan", "grad * conj(1 + result.pow(2))", "result")
_unary("tanh", "tanh_backward(grad, result)", "result")
_unary("sigmoid", "sigmoid_backward(grad, result)", "result")
_unary("relu", "threshold_backward(grad, result, 0)", "result")

# Constant almost everywhere: the gradient is zero, not missing.
for _name in ("sign", "floor", "ceil", "trunc", "round"):
    _unary(_name, "zeros_like(grad)", "")

# The derivatives of what torch computes in one kernel are operations of their own, and are differentiated
# again.
rule(
    "tanh_backward",
    grad_fn="TanhBackwardBackward0",
    tensors="grad_output output",
    forward="tanh_backward(grad_output, output)",
    grad_output="tanh_backward(grad, conj(output))",
    output="conj(grad) * (-2 * conj(output) * grad_output)",
    saves="grad_output output",
    elementwise=True,
)
rule(
    "sigmoid_backward",
    grad_fn="SigmoidBackwardBackward0",
    tensors="grad_output output",
    forward="sigmoid_backward(grad_output, output)",
    grad_output="sigmoid_backward(grad, conj(output))",
    output="conj(grad) * grad_output * (-2 * conj(output) + 1)",
    saves="grad_output output",
    elementwise=True,
)
rule(
    "threshold_backward",
    grad_fn="ThresholdBackwardBackward0",
    tensors="grad_output self",
    args="threshold",
    forward="threshold_backward(grad_output, self, threshold)",
    grad_output="threshold_backward(grad, self, threshold)",
    self="zeros_like(grad)",
    saves="self",
    elementwise=True,
)
