"""Arithmetic with two operands: formulas of add, sub, rsub, mul, div, pow, maximum, minimum and where."""

from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

rule(
    "add",
    grad_fn="AddBackward0",
    tensors="self other",
    forward="self + other",
    self="grad",
    other="grad",
    saves="",
    elementwise=True,
    number="other",
)
rule(
    "add_scaled",
    grad_fn="AddBackward0",
    tensors="self other",
    args="alpha",
    forward="self.add(other, alpha=alpha)",
    self="grad",
    other="grad * conj(alpha)",
    saves="",
    elementwise=True,
)
rule(
    "sub",
    grad_fn="SubBackward0",
    tensors="self other",
    forward="self - other",
    self="grad",
    other="-grad",
    saves="",
    elementwise=True,
    number="other",
)
rule(
    "sub_scaled",
    grad_fn="SubBackward0",
    tensors="self other",
    args="alpha",
    forward="self.sub(other, alpha=alpha)",
    self="grad",
    other="-grad * conj(alpha)",
    saves="",
    elementwise=True,
)
rule(
    "rsub",
    grad_fn="RsubBackward0",
    tensors="self other",
    args="alpha",
    forward="rsub(self, other, alpha)",
    self="-grad * conj(alpha)",
    other="grad",
    saves="",
    elementwise=True,
)
rule(
    "rsub_number",
    grad_fn="RsubBackward1",
    tensors="self",
    args="other alpha",
    forward="rsub(self, other, alpha)",
    self="-grad if alpha == 1 else -grad * conj(alpha)",
    saves="",
    elementwise=True,
)
rule(
    "mul",
    grad_fn="MulBackward0",
    tensors="self other",
    forward="self * other",
    self="grad * conj(other)",
    other="grad * conj(self)",
    saves="self other",
    elementwise=True,
    diagonal=True,
    number="other",
)
rule(
    "div",
    grad_fn="DivBackward0",
    tensors="self other",
    forward="self / other",
    self="grad / conj(other)",
    other="-grad * conj(self / other / other)",
    saves="self other",
    elementwise=True,
    number="other",
    # Tangents are added up before they are divided, so that infinite ones keep their sign.
    forward_mode={"grad": "grad / conj(other)", "self": "grad", "other": "-grad * conj(result)"},
)
# Factors and divisors that are numbers to torch's own compositions; from Python they are 0-d tensors.
rule(
    "mul_number",
    grad_fn="MulBackward1",
    tensors="self",
    args="other",
    forward="self * other",
    self="grad * conj(other)",
    saves="",
    elementwise=True,
)
rule(
    "div_number",
    grad_fn="DivBackward1",
    tensors="self",
    args="other",
    forward="self / other",
    self="grad / conj(other)",
    saves="",
    elementwise=True,
)
# torch records it under this name, and says so when a gradient arrives.
rule(
    "floor_divide",
    grad_fn="torch::autograd::NotImplemented",
    tensors="self other",
    forward="self // other",
    self=NOT_IMPLEMENTED,
    other=NOT_IMPLEMENTED,
    saves="",
    elementwise=True,
    number="other",
)
rule(
    "pow_number",
    grad_fn="PowBackward0",
    tensors="self",
    args="exponent",
    forward="self ** exponent",
    self="pow_number_backward(grad, self, exponent)",
    saves="self",
    elementwise=True,
    diagonal=True,
)
rule(
    "pow",
    grad_fn="PowBackward1",
    tensors="self exponent",
    forward="self ** exponent",
    self="pow_base_backward(grad, self, exponent)",
    exponent="pow_exponent_backward(grad, self, exponent, result)",
    saves="self exponent result",
    elementwise=True,
    diagonal=True,
)
rule(
    "pow_number_base",
    grad_fn="PowBackward2",
    tensors="exponent",
    args="base",
    forward="base ** exponent",
    exponent="pow_number_base_backward(grad, base, exponent, result)",
    saves="exponent result",
    elementwise=True,
    diagonal=True,
)
rule(
    "maximum",
    grad_fn="MaximumBackward0",
    tensors="self other",
    forward="self.maximum(other)",
    self="split_ties(grad, self == other, self < other)",
    other="split_ties(grad, self == other, self > other)",
    saves="self other",
    elementwise=True,
    # Beside nan the tangent is that of the second tensor.
    forward_mode={
        "self": "split_ties(grad, self == other, ~(self >= other))",
        "other": "split_ties(grad, self == other, self > other)",
    },
)
rule(
    "minimum",
    grad_fn="MinimumBackward0",
    tensors="self other",
    forward="self.minimum(other)",
    self="split_ties(grad, self == other, self > other)",
    other="split_ties(grad, self == other, self < other)",
    saves="self other",
    elementwise=True,
    forward_mode={
        "self": "split_ties(grad, self == other, ~(self <= other))",
        "other": "split_ties(grad, self == other, self < other)",
    },
)
rule(
    "where",
    grad_fn="WhereBackward0",
    tensors="condition self other",
    forward="where(condition, self, other)",
    condition=NON_DIFFERENTIABLE,
    self="where(condition, grad, 0)",
    other="where(condition, 0, grad)",
    saves="condition",
    elementwise=True,
)
rule(
    "masked_fill",
    grad_fn="MaskedFillBackward0",
    tensors="self mask",
    args="value",
    forward="self.masked_fill(mask, value)",
    self="grad.masked_fill(mask, 0)",
    mask=NON_DIFFERENTIABLE,
    saves="mask",
    elementwise=True,
)
