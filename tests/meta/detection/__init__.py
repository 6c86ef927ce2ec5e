"""Which bug is caught by what: the columns of the kill matrix, its cells, and the page that shows them.

`python benchmarks/detection.py` measures them.
"""

from __future__ import annotations
