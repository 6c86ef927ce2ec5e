// The parts of the worker library that need no engine. `npm test`

import assert from "node:assert/strict";
import { test } from "node:test";

import { cotangent, twister } from "../worker/cotangent.mjs";
import { bound, table } from "../worker/operators.mjs";
import {
  Float,
  Slice,
  Unsupported,
  arrayOf,
  decodeArgument,
  decodeNumbers,
  encodeFloat,
  encodeNumbers,
  resolved,
} from "../worker/values.mjs";

test("the Mersenne Twister is the one that everybody has", () => {
  const next = twister(5489);
  assert.equal(next(), 3499211612);
  for (let index = 2; index < 10000; index++) next();
  assert.equal(next(), 4123659995); // the ten-thousandth, which the C++ standard states
});

test("cotangents have the shape and dtype that is asked for", () => {
  const { dtype, shape, values } = cotangent({ dtype: "float64", shape: [2, 3] }, 7);
  assert.deepEqual([dtype, shape, values.constructor], ["float64", [2, 3], Float64Array]);
  assert.ok(values.every((value) => Math.abs(value) <= 2 && Number.isInteger(value * 8)));
});

for (const [dtype, content] of Object.entries({
  float32: [1, -0, Infinity, NaN, 1e-45],
  float64: [0.1, 5e-324],
  int64: [2n ** 63n - 1n, -(2n ** 63n)],
  bool: [1, 0],
  int8: [],
})) {
  test(`numbers in ${dtype} come back bit by bit`, () => {
    const numbers = { dtype, shape: [content.length], values: arrayOf(dtype, content) };
    assert.deepStrictEqual(decodeNumbers(encodeNumbers(numbers)), numbers);
  });
}

test("only the numbers of a view into a longer array are written", () => {
  const part = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
  assert.deepEqual(
    [...decodeNumbers(encodeNumbers({ dtype: "float32", shape: [2], values: part })).values],
    [2, 3],
  );
});

test("what JavaScript has no array for is unsupported", () => {
  assert.throws(() => decodeNumbers({ dtype: "bfloat16", shape: [], data: "" }), {
    feature: "dtype bfloat16",
  });
});

test("floats are no integers, also where they are whole", () => {
  assert.deepEqual(decodeArgument({ float: 2 }), new Float(2));
  assert.equal(decodeArgument(2), 2);
  assert.ok(Object.is(decodeArgument({ float: "-0.0" }).value, -0));
  assert.equal(decodeArgument({ float: "-inf" }).value, -Infinity);
});

test("floats that JSON has not are text", () => {
  assert.deepEqual([NaN, Infinity, -Infinity, -0, 0.5].map(encodeFloat), ["nan", "inf", "-inf", "-0.0", 0.5]);
});

test("arguments that are not understood are unsupported, and not passed on", () => {
  for (const argument of [{ complex: [1, 2] }, { named: "strided" }, 2 ** 60]) {
    assert.throws(() => decodeArgument(argument), Unsupported);
  }
});

test("names are looked up in lists and slices too", () => {
  const look = (name) => name.toUpperCase();
  assert.deepEqual(resolved({ list: [{ ref: "x" }, 1] }, look), ["X", 1]);
  assert.deepEqual(resolved({ slice: [{ ref: "n" }, null, null] }, look), new Slice("N", null, null));
});

const rows = table({
  "sum(input, dim, keepdim)": () => {},
  "nn.functional.pad(input, *sizes)": () => {},
});

test("arguments come in the order of the parameters, and None as what was not given", () => {
  const sum = rows.get("sum");
  assert.deepEqual(bound(sum, ["x"], { keepdim: true }), ["x", undefined, true]);
  assert.deepEqual(bound(sum, ["x", null], {}), ["x", undefined]);
  assert.deepEqual(bound(sum, ["x", new Float(2)], {}), ["x", 2]);
});

test("what is left over is a list, whichever way it was given", () => {
  const pad = rows.get("nn.functional.pad");
  assert.deepEqual(bound(pad, ["x", 1, 2], {}), ["x", [1, 2]]);
  assert.deepEqual(bound(pad, ["x", [1, 2]], {}), ["x", [1, 2]]);
  assert.deepEqual(bound(pad, ["x"], {}), ["x", []]);
});

test("what a row has no parameter for is unsupported", () => {
  assert.throws(() => bound(rows.get("sum"), ["x"], { dtype: "float64" }), { feature: "sum(dtype=...)" });
  assert.throws(() => bound(rows.get("sum"), ["x", 1, true, 3], {}), { feature: "sum of 4 arguments" });
});
