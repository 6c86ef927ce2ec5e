"""TensorFlow on the CPU, eagerly, by its gradient tapes. `pip install gradconform[tensorflow]`"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

from gradconform.engines.functional import FunctionalEngine
from gradconform.engines.recorded import Array, Function
from gradconform.engines.tensorflow_words import DTYPES, LACKS, OPERATORS

POLICIES = {
    "abs-at-nan": "nan",
    "atan2-at-the-origin": "nan",
    "extremes-of-nan": "nan",
    "norm-at-zero": "nan",
    "relu-at-nan": "zero",
    "ties-along-a-dimension": "share",
    "ties-between-tensors": "first",
    "views": "copies",
    "zero-to-the-zero": "nan",
}


class Tensorflow(FunctionalEngine):
    """TensorFlow's functions, each run at once: what its graphs make of them is another question."""

    def __init__(self) -> None:
        tf.config.set_visible_devices([], "GPU")
        super().__init__(
            name="tensorflow", version=tf.__version__, operators=OPERATORS, dtypes=DTYPES, policies=POLICIES
        )

    def array_of(self, tensor: torch.Tensor) -> Array:
        if tensor.dtype == torch.bfloat16:  # numpy has it from TensorFlow alone
            return tf.bitcast(tensor.contiguous().view(torch.int16).numpy().copy(), tf.bfloat16)
        return tf.constant(tensor.numpy().copy())

    def tensor_of(self, array: Array) -> torch.Tensor:
        if array.dtype == tf.bfloat16:
            return torch.from_numpy(np.array(tf.bitcast(array, tf.int16))).view(torch.bfloat16)
        return torch.from_numpy(np.array(array))

    def is_array(self, value: object) -> bool:
        return isinstance(value, tf.Tensor)

    def lacks(self, error: Exception) -> bool:
        return isinstance(error, tf.errors.UnimplementedError) or any(words in str(error) for words in LACKS)

    def vjp(
        self, function: Function, primals: Sequence[Array], cotangents: Sequence[Array]
    ) -> Sequence[Array | None]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # One array may be two primals: to a tape they are one tensor.
            sources = [tf.identity(primal) for primal in primals]
            tape.watch(sources)
            results = function(*sources)
        found = tape.gradient(results, sources, output_gradients=list(cotangents))
        # Gradients of rows that were taken come as slices.
        return [None if each is None else tf.convert_to_tensor(each) for each in found]


def engine() -> Tensorflow:
    """Makes the engine; named by the `gradconform.engines` entry point `tensorflow`."""
    return Tensorflow()
