"""`refgrad.nn.functional`: the functions that modules are made of, from the modules where they are defined.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

from refgrad import activations as _activations
from refgrad import attention as _attention
from refgrad import class_losses as _class_losses
from refgrad import convolution as _convolution
from refgrad import distances as _distances
from refgrad import embedding as _embedding
from refgrad import functional as _functional
from refgrad import interpolation as _interpolation
from refgrad import linear_cross_entropy as _linear_cross_entropy
from refgrad import losses as _losses
from refgrad import lp_pooling as _lp_pooling
from refgrad import multi_head_attention as _multi_head_attention
from refgrad import normalization as _normalization
from refgrad import pooling as _pooling
from refgrad import rearrangement as _rearrangement
from refgrad.activations import *  # noqa: F403 - one module to its users
from refgrad.attention import *  # noqa: F403 - one module to its users
from refgrad.class_losses import *  # noqa: F403 - one module to its users
from refgrad.convolution import *  # noqa: F403 - one module to its users
from refgrad.distances import *  # noqa: F403 - one module to its users
from refgrad.embedding import *  # noqa: F403 - one module to its users
from refgrad.functional import *  # noqa: F403 - one module to its users
from refgrad.interpolation import *  # noqa: F403 - one module to its users
from refgrad.linear_cross_entropy import *  # noqa: F403 - one module to its users
from refgrad.losses import *  # noqa: F403 - one module to its users
from refgrad.lp_pooling import *  # noqa: F403 - one module to its users
from refgrad.multi_head_attention import *  # noqa: F403 - one module to its users
from refgrad.normalization import *  # noqa: F403 - one module to its users
from refgrad.pooling import *  # noqa: F403 - one module to its users
from refgrad.rearrangement import *  # noqa: F403 - one module to its users

from . import dropout as _dropout
from .dropout import *  # noqa: F403 - one module to its users

__all__: list[str] = []
__all__ += _activations.__all__
__all__ += _class_losses.__all__
__all__ += _convolution.__all__
__all__ += _distances.__all__
__all__ += _dropout.__all__
__all__ += _functional.__all__
__all__ += _multi_head_attention.__all__
__all__ += _linear_cross_entropy.__all__
__all__ += _embedding.__all__
__all__ += _attention.__all__
__all__ += _interpolation.__all__
__all__ += _losses.__all__
__all__ += _lp_pooling.__all__
__all__ += _normalization.__all__
__all__ += _pooling.__all__
__all__ += _rearrangement.__all__
