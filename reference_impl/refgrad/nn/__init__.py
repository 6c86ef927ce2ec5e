"""`refgrad.nn`: modules, their parameters, and the functions that they are made of.

Source: https://docs.pytorch.org/docs/stable/nn.html
"""

from . import functional, init, utils
from .containers import ParameterList, Sequential
from .layers import BatchNorm1d, Linear, MSELoss
from .module import Module, Parameter

__all__ = [
    "BatchNorm1d",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ParameterList",
    "Sequential",
    "functional",
    "init",
    "utils",
]
