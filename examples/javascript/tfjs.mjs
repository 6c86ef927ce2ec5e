// TensorFlow.js (https://www.tensorflow.org/js): functional, float32.

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
    array: ({ dtype, shape, values }) => tf.tensor(values, shape, dtype),
    numbers: (tensor) => ({ dtype: tensor.dtype, shape: tensor.shape, values: tensor.dataSync() }),
    isArray: (value) => value instanceof tf.Tensor,
    vjp: (f, primals, cotangent) => tf.grads(f)(primals, cotangent),
    // What a program makes is freed when it ends.
    around: (work) => tf.tidy(work),
  }),
);
