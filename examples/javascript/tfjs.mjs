// TensorFlow.js (https://www.tensorflow.org/js): functional, float32.
//
// `policies` declares the conventions in which it differs from torch by choice: they are checked, shown in
// reports, and count neither as differences nor as conforming.

import { serve } from "./worker/serve.mjs"; // first: the engine prints when it is loaded
import { functional } from "./worker/functional.mjs";
import { table } from "./worker/operators.mjs";
import { operators } from "./tfjs-operators.mjs";
import * as tf from "@tensorflow/tfjs";

await tf.ready();

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
    numbers: (tensor) => ({ dtype: tensor.dtype, shape: tensor.shape, values: tensor.dataSync() }),
    isArray: (value) => value instanceof tf.Tensor,
    vjp: (f, primals, cotangent) => tf.grads(f)(primals, cotangent),
    // What a program makes is freed when it ends.
    around: (work) => tf.tidy(work),
  }),
);
