"""`refgrad.nn.parameter`: where torch has `Parameter`."""

from .module import Parameter

__all__ = ["Parameter"]
