"""What a graph keeps alive, and for how long."""

import weakref

import torch


class Mark:
    pass


x = torch.ones(2, requires_grad=True)
middle = x.exp()
end = (middle * 2).sum()
middle.grad_fn.metadata["mark"] = mark = Mark()
node = weakref.ref(mark)
tensor = weakref.ref(middle)
del middle, mark
print(tensor() is None, node() is None)
end.backward()
del end
print(node() is None)
y = x * x
held = weakref.ref(x)
del x
print(held() is None)
y.sum().backward()
print(held().grad)
del y
print(held() is None)
