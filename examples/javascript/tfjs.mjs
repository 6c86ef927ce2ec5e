// TensorFlow.js (https://www.tensorflow.org/js): functional, float32.
//
// `policies` declares the conventions in which it differs from torch by choice: they are checked, shown in
// reports, and count neither as differences nor as conforming.

import { serve } from "./worker/serve.mjs"; // first: the engine prints when it is loaded
import { functional } from "./worker/functional.mjs";
import { table } from "./worker/operators.mjs";
import { Unsupported } from "./worker/values.mjs";
import { operators } from "./tfjs-operators.mjs";
import * as tf from "@tensorflow/tfjs";

await tf.ready();

const COMPARISONS = ["Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"];

// It has no derivative of some operations. That it asks for one of a comparison is no lack but its own mistake.
function vjp(f, primals, cotangent) {
  try {
    return tf.grads(f)(primals, cotangent);
  } catch (error) {
    const [, kernel] = /gradient function not found for (\w+)/.exec(error.message) ?? [];
    if (kernel && !COMPARISONS.includes(kernel)) throw new Unsupported(`the derivative of ${kernel}`);
    throw error;
  }
}

// Its gradients of some operations free the cotangent that they were given, which has no numbers then.
function numbers(tensor) {
  const values = tensor.isDisposed ? new Float32Array() : tensor.dataSync();
  return { dtype: tensor.dtype, shape: tensor.shape, values };
}

await serve(
  functional({
    name: "tfjs",
    version: tf.version["tfjs-core"],
    dtypes: ["float32", "bool"],
    operators: table(operators),
    policies: {
      "abs-at-zero": "minus-one",
      "abs-at-nan": "nan",
      "ties-between-tensors": "first",
      "nan-between-tensors": "none",
      "ties-within-a-tensor": "each",
      "zero-to-the-zero": "nan",
      "norm-at-zero": "nan",
      "atan2-at-the-origin": "nan",
      views: "copies",
    },
    array: ({ dtype, shape, values }) => tf.tensor(values, shape, dtype),
    numbers,
    isArray: (value) => value instanceof tf.Tensor,
    composed: {
      flatten: "reshape(input, -1)",
      getitem: "slice(input), squeeze",
      var: "moments(input).variance",
    },
    vjp,
    // What a program makes is freed when it ends.
    around: (work) => tf.tidy(work),
  }),
);
