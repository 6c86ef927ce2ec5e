"""Mutants of refgrad's own text: small slips, made anywhere outside of the table of derivatives.

`sites` makes them, `hunt` runs the scenarios that reach the changed line until one diverges, and `page` tells
what survives. `python benchmarks/mutation.py` does it for a sample; the rows of the table have their own
(`python benchmarks/wrong_rules.py`).
"""

from __future__ import annotations
