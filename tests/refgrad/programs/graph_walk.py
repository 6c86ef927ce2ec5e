"""Print a graph the way people do who want to understand it."""

import torch


def walk(node, depth=0):
    print("  " * depth + (node.name() if node is not None else "None"))
    if node is not None:
        for following, number in node.next_functions:
            walk(following, depth + 1)


x = torch.ones(2, 3, requires_grad=True)
w = torch.ones(3, 1, requires_grad=True)
b = torch.zeros(1)
y = torch.sigmoid(x @ w + b)
loss = -torch.log(y).mean()
walk(loss.grad_fn)
print(loss.grad_fn.next_functions[0][0].next_functions[0][0].__class__.__name__)
leaf = loss.grad_fn
while leaf.next_functions and leaf.next_functions[0][0] is not None:
    leaf = leaf.next_functions[0][0]
is_x = leaf.variable is x
