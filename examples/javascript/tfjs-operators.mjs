// The functions of TensorFlow.js by torch's names. A row means what torch's operator means; what TensorFlow.js
// has no function of its own for is not here, even where it could be put together.

import * as tf from "@tensorflow/tfjs";

import { ELLIPSIS, Slice, Unsupported } from "./worker/values.mjs";

const SAME = [
  ...[
    "abs",
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "square",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
  ],
  ...[
    "asin",
    "acos",
    "atan",
    "asinh",
    "acosh",
    "atanh",
    "sigmoid",
    "relu",
    "floor",
    "ceil",
    "round",
    "sign",
    "neg",
  ],
  ...["expm1", "log1p", "erf", "clone"],
];

const ALSO = {
  isnan: "isNaN",
  isinf: "isInf",
  isfinite: "isFinite",
  logical_not: "logicalNot",
  zeros_like: "zerosLike",
  ones_like: "onesLike",
  "nn.functional.relu": "relu",
  "nn.functional.relu6": "relu6",
  "nn.functional.elu": "elu",
  "nn.functional.selu": "selu",
  "nn.functional.softplus": "softplus",
  "nn.functional.logsigmoid": "logSigmoid",
};

const BINARY = {
  ...{
    add: "add",
    sub: "sub",
    mul: "mul",
    div: "div",
    maximum: "maximum",
    minimum: "minimum",
    atan2: "atan2",
  },
  ...{ remainder: "mod", mm: "matMul", bmm: "matMul", dot: "dot", outer: "outerProduct" },
  ...{ eq: "equal", ne: "notEqual", lt: "less", le: "lessEqual", gt: "greater", ge: "greaterEqual" },
};

const REDUCTIONS = {
  sum: "sum",
  mean: "mean",
  prod: "prod",
  amax: "max",
  amin: "min",
  logsumexp: "logSumExp",
};

const rows = (names, parameters, call) =>
  Object.fromEntries(Object.entries(names).map(([name, own]) => [`${name}(${parameters})`, call(tf[own])]));

export const operators = {
  ...rows(Object.fromEntries(SAME.map((name) => [name, name])), "input", (own) => own),
  ...rows(ALSO, "input", (own) => (x) => own(x)),
  ...rows(BINARY, "input, other", (own) => (a, b) => own(a, b)),
  ...rows(REDUCTIONS, "input, dim, keepdim", (own) => (x, dim, keepdim) => own(x, dim, keepdim)),
  ...rows({ max: "max", min: "min" }, "input", (own) => (x) => own(x)), // with a dim torch gives indices too
  // Of these and of transpose it takes no negative dimensions.
  ...rows(
    { cumsum: "cumsum", cumprod: "cumprod" },
    "input, dim",
    (own) => (x, dim) => own(x, counted(x, dim)),
  ),
  ...rows({ view: "reshape", reshape: "reshape", tile: "tile" }, "input, *shape", (own) => own),
  ...rows({ cat: "concat", stack: "stack" }, "tensors, dim", (own) => own),
  ...rows({ zeros: "zeros", ones: "ones" }, "*size, dtype", (own) => (size, dtype) => own(size, dtype?.name)),
  "pow(input, exponent)": (x, exponent) => tf.pow(x, exponent),
  "nn.functional.leaky_relu(input, negative_slope)": (x, slope = 0.01) => tf.leakyRelu(x, slope),
  "prelu(input, weight)": prelu,
  "nn.functional.prelu(input, weight)": prelu,
  "clamp(input, min, max)": (x, min = -Infinity, max = Infinity) =>
    tf.clipByValue(x, number(min), number(max)),
  "where(condition, input, other)": (condition, a, b) =>
    b === undefined ? lacks("where(condition)") : tf.where(condition, a, b),
  "matmul(input, other)": matmul,
  "einsum(equation, *operands)": (equation, operands) => tf.einsum(equation, ...operands),
  "norm(input, p, dim)": (x, p = "fro", dim) => tf.norm(x, order(p), dim),
  "var(input, dim, correction)": (x, dim, correction = 1) => tf.moments(x, dim, biased(correction)).variance,
  "softmax(input, dim)": (x, dim) => tf.softmax(x, last(x, dim)),
  "nn.functional.softmax(input, dim)": (x, dim) => tf.softmax(x, last(x, dim)),
  "log_softmax(input, dim)": (x, dim) => tf.logSoftmax(x, last(x, dim)),
  "nn.functional.log_softmax(input, dim)": (x, dim) => tf.logSoftmax(x, last(x, dim)),
  "nn.functional.mse_loss(input, target)": (x, target) => tf.losses.meanSquaredError(target, x),
  "nn.functional.l1_loss(input, target)": (x, target) => tf.losses.absoluteDifference(target, x),
  "nn.functional.huber_loss(input, target, reduction, delta)": (x, target, reduction = "mean", delta = 1) =>
    tf.losses.huberLoss(
      target,
      x,
      undefined,
      reduction === "mean" ? delta : lacks(`huber_loss(reduction=${reduction})`),
    ),
  "transpose(input, dim0, dim1)": (x, one, other) => tf.transpose(x, swapped(x.rank, one, other)),
  "t(input)": (x) => (x.rank < 3 ? tf.transpose(x) : lacks("t of a stack of matrices")),
  "permute(input, *dims)": (x, dims) =>
    tf.transpose(
      x,
      dims.map((dim) => counted(x, dim)),
    ),
  "flatten(input)": (x) => tf.reshape(x, [-1]),
  "unsqueeze(input, dim)": (x, dim) => tf.expandDims(x, dim),
  "squeeze(input, dim)": squeezed,
  "expand(input, *shape)": expanded,
  "broadcast_to(input, size)": expanded,
  "expand_as(input, other)": (x, other) => tf.broadcastTo(x, other.shape),
  "unbind(input, dim)": (x, dim) => tf.unstack(x, dim),
  "flip(input, dims)": (x, dims) => tf.reverse(x, dims),
  "tril(input)": (x) => tf.linalg.bandPart(x, -1, 0),
  "triu(input)": (x) => tf.linalg.bandPart(x, 0, -1),
  "full(size, fill_value, dtype)": (size, value, dtype) => tf.fill([size].flat(), value, dtype?.name),
  "full_like(input, fill_value)": (x, value) => tf.fill(x.shape, value),
  "eye(n, m, dtype)": (n, m, dtype) => tf.eye(n, m, undefined, dtype?.name),
  "linspace(start, end, steps)": (start, end, steps) => tf.linspace(start, end, steps),
  "getitem(input, index)": getitem,
};

const lacks = (feature) => {
  throw new Unsupported(feature);
};

const counted = (x, dim) => (dim < 0 ? dim + x.rank : dim);
const number = (bound) => (typeof bound === "number" ? bound : lacks("clamp to tensors"));
const biased = (correction) => (correction === 0 ? false : lacks("var(correction=1)"));
const order = (p) =>
  p === "fro" ? "euclidean" : [1, 2, Infinity, -Infinity].includes(p) ? p : lacks(`norm(p=${p})`);
const last = (x, dim) =>
  dim === -1 || dim === x.rank - 1 ? -1 : lacks("softmax along another dimension than the last");

// Of several weights torch gives one to each channel, and TensorFlow.js one to each of the last dimension.
function prelu(x, weight) {
  return weight.size === 1 && weight.rank < 2 ? tf.prelu(x, weight) : lacks("prelu of several weights");
}

function matmul(a, b) {
  if (a.rank > 1 && b.rank > 1) return tf.matMul(a, b);
  return a.rank > 2 || b.rank > 2 ? lacks("matmul of a stack and a vector") : tf.dot(a, b);
}

// Where there is nothing to be dropped torch drops nothing.
function squeezed(x, dim) {
  if (dim === undefined) return tf.squeeze(x);
  const dropped = [dim].flat().filter((one) => (x.shape.at(one) ?? 1) === 1);
  return dropped.length ? tf.squeeze(x, dropped) : x.clone();
}

function expanded(x, shape) {
  return tf.broadcastTo(
    x,
    shape.map((size, dim) => (size < 0 ? x.shape.at(dim - shape.length) : size)),
  );
}

function swapped(rank, one, other) {
  const order = Array.from({ length: rank }, (_, dim) => dim);
  const [first, second] = [order.at(one), order.at(other)];
  [order[first], order[second]] = [second, first];
  return order;
}

// Whole numbers, `start:stop` and `...`; the rest is another function there, or none.
function getitem(x, index) {
  const parts = [index].flat();
  const place = parts.indexOf(ELLIPSIS);
  if (place >= 0)
    parts.splice(place, 1, ...Array(x.rank - parts.length + 1).fill(new Slice(null, null, null)));
  const [begin, size, dropped] = [[], [], []];
  parts.forEach((part, dim) => {
    const length = x.shape[dim];
    const inside = (at, otherwise) =>
      at === null ? otherwise : Math.min(Math.max(at < 0 ? at + length : at, 0), length);
    if (Number.isInteger(part)) {
      begin.push(part < 0 ? part + length : part);
      size.push(1);
      dropped.push(dim);
    } else if (part instanceof Slice && (part.step === null || part.step === 1)) {
      begin.push(inside(part.start, 0));
      size.push(Math.max(inside(part.stop, length) - begin.at(-1), 0));
    } else lacks("indexing by what is no number and no plain slice");
  });
  const cut = tf.slice(x, begin, [...size, ...x.shape.slice(parts.length)]);
  return dropped.length ? tf.squeeze(cut, dropped) : cut;
}
