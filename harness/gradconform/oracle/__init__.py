"""From two traces and the facts to a verdict: comparison, tolerance, second opinions.

`judge.judge` is the way in; `compare.compare` and `facts.check` are its two halves.
"""
