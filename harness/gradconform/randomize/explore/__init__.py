"""Whole random programs: everything the step language can say, written while torch runs it.

writer       one program under way: what is live, what can come next, what it has covered
operations   arithmetic, functions of single numbers, reductions, conversions
table        any row of the operator tables, on what is live
memory       views, in-place writes, detached and deleted tensors
passes       backward, autograd.grad, what is done with .grad
surroundings grad modes, hooks, retained gradients, custom functions
faults       errors on purpose
generate     the moves of all of them, by weight: a program from a chooser
"""
