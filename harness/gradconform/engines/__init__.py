"""Engines: the two verbs-over-handles bases, the registry, and one small file per engine that ships."""

from gradconform.engines.base import Engine, Handle
from gradconform.engines.functional import FunctionalEngine
from gradconform.engines.torch_like import TorchLikeEngine
from gradconform.errors import Unsupported

__all__ = ["Engine", "FunctionalEngine", "Handle", "TorchLikeEngine", "Unsupported"]
