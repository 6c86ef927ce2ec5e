// A tape that does what torch does, as far as it goes: elementwise operations on tensors of one shape, sums and
// grad modes. Held against torch it shows whether the worker library itself adds a difference.

import { table } from "../../examples/javascript/worker/operators.mjs";
import { serve } from "../../examples/javascript/worker/serve.mjs";
import { Unsupported, arrayOf, sizeOf } from "../../examples/javascript/worker/values.mjs";

console.log("what an engine prints is no answer");

let recording = true;
let count = 0;

class Tensor {
  constructor(numbers, requiresGrad = false, node = null) {
    Object.assign(this, { numbers, requiresGrad, node, grad: null });
  }
}

const lacks = (feature) => {
  throw new Unsupported(feature);
};

const number = (one, like, index) => (one instanceof Tensor ? Number(one.numbers.values[index]) : one);

// An operation whose result has the shape of its first tensor. slopes: the derivative by each operand, from the
// operands. saves: whether it has to keep operands for them.
function elementwise(forward, slopes, saves = true) {
  return (...given) => {
    const tensors = given.filter((one) => one instanceof Tensor);
    const { dtype, shape } = tensors[0].numbers;
    if (tensors.some(({ numbers }) => numbers.dtype !== dtype || `${numbers.shape}` !== `${shape}`)) {
      lacks("operands of several shapes or dtypes");
    }
    const each = (call) =>
      arrayOf(
        dtype,
        Array.from({ length: sizeOf(shape) }, (_, index) =>
          call(...given.map((one) => number(one, tensors[0], index))),
        ),
      );
    // Each operand's part of a cotangent.
    const pull = (cotangent) =>
      given.map(
        (one, place) =>
          one instanceof Tensor && each(slopes[place]).map((slope, index) => slope * cotangent[index]),
      );
    return result({ dtype, shape, values: each(forward) }, given, pull, saves);
  };
}

function sum(x) {
  const { dtype, values } = x.numbers;
  const total = arrayOf(dtype, [values.reduce((sum, value) => Math.fround(sum + value), 0)]);
  const pull = ([cotangent]) => [Array.from(values, () => cotangent)];
  return result({ dtype, shape: [], values: total }, [x], pull, false);
}

function result(numbers, operands, pull, saves) {
  const recorded = recording && operands.some((one) => one.requiresGrad);
  return new Tensor(numbers, recorded, recorded ? { operands, pull, saves, number: count++ } : null);
}

// The operations behind a root, the latest first, and how many of them wait for each tensor.
function behind(root) {
  const [found, uses] = [new Set(), new Map()];
  for (const open = [root]; open.length; ) {
    const tensor = open.pop();
    if (!tensor.node || found.has(tensor)) continue;
    found.add(tensor);
    for (const one of tensor.node.operands) {
      if (!one.requiresGrad) continue;
      uses.set(one, (uses.get(one) ?? 0) + 1);
      open.push(one);
    }
  }
  return [[...found].sort((one, other) => other.node.number - one.node.number), uses];
}

function backward({ roots, cotangents, retainGraph = false, createGraph, inputs }) {
  if (roots.length > 1 || createGraph || inputs) lacks("such a backward");
  const [{ numbers, requiresGrad }] = roots;
  if (!requiresGrad) throw new Error("the root does not require grad");
  if (!cotangents && numbers.values.length !== 1)
    throw new Error("a root of several numbers needs a cotangent");
  if (cotangents && !(cotangents[0] instanceof Tensor)) throw new TypeError("a cotangent is a tensor");
  const given = cotangents?.[0].numbers ?? { ...numbers, values: numbers.values.map(() => 1) };
  if (`${given.shape}` !== `${numbers.shape}`)
    throw new Error("the cotangent has another shape than the root");
  const received = new Map([[roots[0], Array.from(given.values, Number)]]);
  const [order, uses] = behind(roots[0]);
  if (!order.length) accumulate(roots[0], received.get(roots[0]));
  for (const tensor of order) {
    const { node } = tensor;
    if (node.freed) throw new Error("the graph has been freed");
    const parts = node.pull(received.get(tensor));
    node.freed = node.saves && !retainGraph;
    node.operands.forEach((one, place) => {
      if (!one.requiresGrad) return;
      const before = received.get(one);
      received.set(one, before ? before.map((value, index) => value + parts[place][index]) : parts[place]);
      uses.set(one, uses.get(one) - 1);
      if (!one.node && !uses.get(one)) accumulate(one, received.get(one));
    });
  }
}

function accumulate(leaf, cotangent) {
  if (leaf.grad)
    leaf.grad.numbers.values.forEach((value, index, own) => (own[index] = value + cotangent[index]));
  else
    leaf.grad = new Tensor({
      ...leaf.numbers,
      values: leaf.numbers.values.map((_, index) => cotangent[index]),
    });
}

function assigned(leaf, grad) {
  const fits =
    !grad ||
    (`${grad.numbers.shape}` === `${leaf.numbers.shape}` && grad.numbers.dtype === leaf.numbers.dtype);
  if (!fits) throw new Error("a gradient has the shape and the dtype of its tensor");
  leaf.grad = grad;
}

function mode(enabled) {
  return (body) => {
    const before = recording;
    recording = enabled;
    try {
      body();
    } finally {
      recording = before;
    }
  };
}

const one = () => 1;

await serve({
  name: "tape",
  version: "1",
  dtypes: ["float32", "float64", "int64", "bool"],
  operators: table({
    "add(input, other)": elementwise((a, b) => a + b, [one, one], false),
    "sub(input, other)": elementwise((a, b) => a - b, [one, () => -1], false),
    "mul(input, other)": elementwise((a, b) => a * b, [(a, b) => b, (a) => a]),
    "neg(input)": elementwise((a) => -a, [() => -1], false),
    "exp(input)": elementwise(Math.exp, [Math.exp]),
    "sin(input)": elementwise(Math.sin, [Math.cos]),
    "cos(input)": elementwise(Math.cos, [(a) => -Math.sin(a)]),
    "clone(input)": elementwise((a) => a, [one], false),
    "sum(input)": sum,
    "detach(input)": ({ numbers }) => new Tensor(numbers),
    "ones_like(input)": ({ numbers }) => new Tensor({ ...numbers, values: numbers.values.map(() => 1) }),
    "requires_grad_(input, requires_grad)": (x, wanted = true) => Object.assign(x, { requiresGrad: wanted }),
  }),
  tensor: (numbers, requiresGrad) => new Tensor(numbers, requiresGrad),
  numbers: ({ numbers }) => numbers,
  isTensor: (value) => value instanceof Tensor,
  backward,
  attributes: {
    grad: ({ grad }) => grad,
    requires_grad: ({ requiresGrad }) => requiresGrad,
    is_leaf: ({ node }) => node === null,
    grad_fn: ({ node }) => node,
  },
  assign: { grad: assigned },
  modes: { no_grad: mode(false), enable_grad: mode(true) },
  isGradEnabled: () => recording,
  identities: true,
  around(work) {
    recording = true;
    return work();
  },
});
