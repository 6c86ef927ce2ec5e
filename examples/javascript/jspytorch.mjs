// js-pytorch (https://github.com/eduardoleao052/js-pytorch): a tape in the manner of torch, float32.

import { createRequire } from "node:module";

import { serve } from "./worker/serve.mjs"; // first: what an engine prints is for standard error
import { table } from "./worker/operators.mjs";
import { Unsupported } from "./worker/values.mjs";
import { torch } from "js-pytorch";

const { version } = createRequire(import.meta.url)("./node_modules/js-pytorch/package.json");

// The engine has no tensors without dimensions: one of shape [1] stands for each of them, and is noted here.
const scalars = new WeakSet();

// The zeros that the engine gives a leaf as its gradient before any backward.
const initial = new WeakSet();

const noted = (tensor, scalar) => (scalar && tensor.length === 1 && scalars.add(tensor), tensor);
const isTensor = (value) => value instanceof torch.Tensor;
const lacks = (feature) => {
  throw new Unsupported(feature);
};

// Nested lists, as the engine keeps its numbers.
function nested(values, shape) {
  if (shape.length < 2) return Array.from(values);
  const size = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, index) =>
    nested(values.subarray(index * size, (index + 1) * size), shape.slice(1)),
  );
}

function made({ shape, values }, requiresGrad) {
  if (!values.length) lacks("tensors without elements");
  const tensor = noted(torch.tensor(nested(values, shape)), shape.length === 0);
  return requiresGrad ? declared(tensor) : tensor;
}

function numbers(tensor) {
  const shape = scalars.has(tensor) && tensor.length === 1 ? [] : tensor.shape;
  const values = Float32Array.from(tensor.data.flat(Infinity));
  return { dtype: "float32", shape, values };
}

// Operations that keep shapes: what comes of tensors without dimensions has none.
const alike =
  (call) =>
  (...given) =>
    noted(
      call(...given),
      given.filter(isTensor).every((one) => scalars.has(one)),
    );

// Over the last dimension, unless another one is named: what is left of one dimension is none.
const reduced =
  (name) =>
  (x, dim = -1, keepdim = false) => {
    if (Array.isArray(dim)) lacks(`${name} over several dimensions`);
    return noted(x[name](dim, keepdim), x.ndims === 1 && !keepdim);
  };

const filled = (name) => (size) => noted(torch[name](size.length ? size : [1]), size.length === 0);

// A leaf as the engine makes it.
function declared(tensor, wanted = true) {
  if (tensor.operation || !wanted) lacks("requires_grad_ that declares no leaf");
  Object.assign(tensor, torch.tensor(tensor.data, true));
  initial.add(tensor._grad);
  return tensor;
}

function backward({ roots: [root, ...others], cotangents: [cotangent = null] = [], createGraph, inputs }) {
  if (others.length) lacks("several roots at once");
  if (createGraph) lacks("create_graph");
  if (inputs) lacks("backward(inputs=...)");
  root.backward(cotangent);
}

await serve({
  name: "js-pytorch",
  version,
  dtypes: ["float32"],
  operators: table({
    "add(input, other)": alike((a, b) => (isTensor(a) ? a.add(b) : b.add(a))),
    "sub(input, other)": alike((a, b) => (isTensor(a) ? a.sub(b) : lacks("sub of a number and a tensor"))),
    "mul(input, other)": alike((a, b) => (isTensor(a) ? a.mul(b) : b.mul(a))),
    "div(input, other)": alike((a, b) => torch.div(a, b)),
    "pow(input, exponent)": alike((x, n) =>
      isTensor(x) && !isTensor(n) ? x.pow(n) : lacks("pow by a tensor"),
    ),
    "neg(input)": alike((x) => x.neg()),
    "sqrt(input)": alike((x) => x.sqrt()),
    "exp(input)": alike((x) => x.exp()),
    "log(input)": alike((x) => x.log()),
    "relu(input)": alike((x) => new torch.nn.ReLU().forward(x)),
    "nn.functional.relu(input)": alike((x) => new torch.nn.ReLU().forward(x)),
    "sum(input, dim, keepdim)": reduced("sum"),
    "mean(input, dim, keepdim)": reduced("mean"),
    "var(input, dim, keepdim, correction)": (x, dim, keepdim, correction = 1) =>
      correction === 0 ? reduced("variance")(x, dim, keepdim) : lacks("var(correction=1)"),
    "softmax(input, dim)": alike((x, dim) => new torch.nn.Softmax().forward(x, dim)),
    "nn.functional.softmax(input, dim)": alike((x, dim) => new torch.nn.Softmax().forward(x, dim)),
    "nn.functional.mse_loss(input, target)": (x, target) =>
      noted(new torch.nn.MSELoss().forward(x, target), true),
    "matmul(input, other)": (a, b) => a.matmul(b),
    "mm(input, mat2)": (a, b) => a.matmul(b),
    "bmm(input, mat2)": (a, b) => a.matmul(b),
    "transpose(input, dim0, dim1)": (x, one, other) => x.transpose(one, other),
    "t(input)": (x) => (x.ndims === 2 ? x.transpose(0, 1) : lacks("t of one dimension")),
    "reshape(input, *shape)": reshaped,
    "view(input, *shape)": reshaped,
    "ones_like(input)": alike((x) => torch.ones(x.shape)),
    "zeros_like(input)": alike((x) => torch.zeros(x.shape)),
    "ones(*size, dtype)": filled("ones"),
    "zeros(*size, dtype)": filled("zeros"),
    "requires_grad_(input, requires_grad)": declared,
  }),
  tensor: made,
  numbers,
  isTensor,
  backward,
  attributes: { requires_grad: (x) => x.requires_grad, grad: gradient },
  // All tensors have gradients there, zeros before any backward. Where torch has none, one is shown to a program
  // that reads it, and the harness's own looks pass it over: it would be the one difference in every program.
  looks: {
    grad: (x) => (x.operation || initial.has(x._grad) ? lacks("gradients that torch has not") : gradient(x)),
  },
  identities: true,
});

function reshaped(x, shape) {
  if (shape.includes(-1)) lacks("sizes that are left open");
  return noted(x.reshape(shape.length ? shape : [1]), shape.length === 0);
}

function gradient(tensor) {
  return tensor._grad ? noted(tensor._grad, scalars.has(tensor)) : null;
}
