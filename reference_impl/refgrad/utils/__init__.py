"""`refgrad.utils`: what is built on top of autograd, as in `torch.utils`."""

from . import checkpoint

__all__ = ["checkpoint"]
