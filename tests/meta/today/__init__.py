"""What people hold an autograd engine against today, so that it can be seen what they notice of a bug.

`gradchecks` is gradcheck with gradgradcheck, `sums` a script that calls `sum().backward()` on both sides and
compares, `differences` a check of gradients by finite differences or complex steps. They go through the same
ordinary functions (`functions`): the calls of the operator tables at their examples and at random inputs, and
small networks (`networks`). Each is as good as people have it, and knows nothing of scenarios.
"""

from __future__ import annotations

from .base import Check
from .differences import DIFFERENCES
from .gradchecks import GRADCHECK
from .sums import SUMS

CHECKS: tuple[Check, ...] = (GRADCHECK, SUMS, DIFFERENCES)
