"""Products of matrices and vectors. Other ranks are put together from these, as torch does."""

from .registry import rule

rule(
    "mm",
    grad_fn="MmBackward0",
    tensors="self mat2",
    forward="self.mm(mat2)",
    self="grad.mm(conj(mat2.t()))",
    mat2="conj(self.t()).mm(grad)",
    saves="self mat2",
)
rule(
    "mv",
    grad_fn="MvBackward0",
    tensors="self vec",
    forward="self.mv(vec)",
    self="grad.unsqueeze(1) * conj(vec)",
    vec="conj(self.t()).mv(grad)",
    saves="self vec",
)
rule(
    "dot",
    grad_fn="DotBackward0",
    tensors="self tensor",
    forward="self.dot(tensor)",
    self="grad * conj(tensor)",
    tensor="grad * conj(self)",
    saves="self tensor",
)
rule(
    "bmm",
    grad_fn="BmmBackward0",
    tensors="self mat2",
    forward="self.bmm(mat2)",
    self="grad.bmm(conj(mat2.transpose(1, 2)))",
    mat2="conj(self.transpose(1, 2)).bmm(grad)",
    saves="self mat2",
)
