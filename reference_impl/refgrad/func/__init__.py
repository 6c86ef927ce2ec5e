"""`refgrad.func`: transforms of functions, with torch's names and signatures.

    grad, grad_and_value, vjp, jacrev    backward (`reverse`)
    jvp, jacfwd, linearize, hessian      forward (`forward`)
    vmap                                 over a batch (`batching`)
    functional_call, stack_module_state  modules as functions of their parameters (`modules`)

Transforms nest in any order. A transform never touches `.grad`, works in grad mode whatever the mode around
it, and its results can be differentiated by what is around it. Source:
https://docs.pytorch.org/docs/stable/func.html
"""

from .batching import vmap
from .forward import hessian, jacfwd, jvp, linearize
from .modules import functional_call, stack_module_state
from .reverse import grad, grad_and_value, jacrev, vjp

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]
