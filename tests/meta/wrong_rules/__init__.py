"""Wrong rows in refgrad's table of derivatives, planted one at a time: does the corpus notice?

`faults` makes wrong formulas out of right ones, `planting` puts a row with a wrong formula in the place of
the right one, and `hunt` runs the scenarios that reach the row until one diverges. Nothing here knows any
row. `python benchmarks/wrong_rules.py` does it for the whole table.
"""
