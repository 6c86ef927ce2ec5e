"""refgrad: PyTorch's autograd semantics over torch storage, written to be read.

Names and signatures are torch's, so that `import refgrad as torch` runs code that was written for torch. The data of
a tensor is a plain torch tensor, on whatever device it is; torch's kernels compute; torch's autograd has no part.

    grad_mode    whether operations are recorded: a thread's own state
    tensor       data, and a place in the graph
    node         the tape: what an operation leaves behind for its backward
    rules        the derivatives, one row for each operation
    compile      turns rows into node classes and functions
    accumulate   leaves and their .grad
    backward     the loop over the nodes
    versions     how in-place writes are noticed
    views        how in-place writes move histories
    autograd     backward() and grad() with torch's checks

`from_torch` and `Tensor.to_torch` are the bridge to torch: both share memory and neither shares history.
Source: https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

import torch as _torch
from torch import (
    Generator,
    Size,
    channels_last,
    contiguous_format,
    device,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    manual_seed,
    preserve_format,
    set_default_dtype,
    set_printoptions,
)

from . import autograd, creation, nn, optim, pointwise
from .creation import allclose, as_tensor, equal, from_numpy, from_torch, tensor
from .grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .methods import OPERATIONS as _OPERATIONS
from .multiple import cat, chunk, split, stack, unbind
from .pointwise import (
    add,
    conj,
    div,
    imag,
    masked_fill,
    maximum,
    minimum,
    mul,
    positive,
    pow,
    real,
    rsub,
    square,
    sub,
    where,
)
from .shapes import (
    bmm,
    clone,
    dot,
    flatten,
    matmul,
    mean,
    mm,
    mv,
    narrow,
    permute,
    reshape,
    select,
    squeeze,
    sum,
    t,
    transpose,
    unsqueeze,
)
from .tensor import Tensor

globals().update({name: pointwise.unary(name) for name in pointwise.UNARY})
globals().update({name: creation.factory(name) for name in creation.FACTORIES})
globals().update({name: value for name, value in vars(_torch).items() if isinstance(value, _torch.dtype)})
