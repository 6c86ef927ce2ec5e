"""PyTorch's own samples of its operators, as programs: `gradconform run ENGINE --corpus opinfo`.

`samples` is the one module that knows where torch keeps them, `record` turns a call of torch into steps,
`programs` makes the programs of a sample, and `corpus` the tests of a run.
"""
