// The values of programs and traces: what is written in a document, and what stands for it here.
//
// Numbers of a tensor are `{dtype, shape, values}`: the dtype by torch's name, the sizes, and a typed array in
// the order of the indices, the last one fastest.

import { endianness } from "node:os";

/** The engine does not have something. Never a pass, never a failure. shim: the adapter would have to imitate it. */
export class Unsupported extends Error {
  constructor(feature, { shim = false } = {}) {
    super(feature);
    this.feature = feature;
    this.shim = shim;
  }
}

/** Python's 2.0, which is no 2. A number of JavaScript stands for an integer where a program holds it. */
export class Float {
  constructor(value) {
    this.value = value;
  }
}

/** `start:stop:step` in an index; null for what is left out. */
export class Slice {
  constructor(start, stop, step) {
    Object.assign(this, { start, stop, step });
  }
}

/** A dtype by torch's name. */
export class Dtype {
  constructor(name) {
    this.name = name;
  }
}

export const ELLIPSIS = Symbol("...");

// What a name of a program refers to.
class Ref {
  constructor(name) {
    this.name = name;
  }
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
};

if (endianness() !== "LE")
  throw new Error("typed arrays have the order of bytes of this machine; documents are little-endian");

/** A typed array for a dtype, of a length or with these numbers. Throws Unsupported where JavaScript has none. */
export function arrayOf(dtype, content) {
  const kind = ARRAYS[dtype];
  if (!kind) throw new Unsupported(`dtype ${dtype}`);
  if (kind === BigInt64Array && Array.isArray(content)) return kind.from(content, BigInt);
  return new kind(content);
}

/** How many numbers a tensor of this shape has. */
export const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** The numbers of `{dtype, shape, data}`. */
export function decodeNumbers({ dtype, shape, data }) {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  return { dtype, shape, values: arrayOf(dtype, bytes.buffer) };
}

/** `{dtype, shape, data}` of numbers, every bit of them. */
export function encodeNumbers({ dtype, shape, values }) {
  const { buffer, byteOffset, byteLength } = values;
  return { dtype, shape, data: Buffer.from(buffer, byteOffset, byteLength).toString("base64") };
}

const FLOATS = { nan: NaN, inf: Infinity, "-inf": -Infinity, "-0.0": -0 };

const decodeFloat = (value) => (typeof value === "string" ? FLOATS[value] : value);

/** A number as documents have it: JSON has no nan, no infinities, and JavaScript writes -0 as 0. */
export function encodeFloat(value) {
  if (Number.isNaN(value)) return "nan";
  if (Object.is(value, -0)) return "-0.0";
  return Number.isFinite(value) ? value : value > 0 ? "inf" : "-inf";
}

const TAGS = {
  ref: (name) => new Ref(name),
  float: (value) => new Float(decodeFloat(value)),
  dtype: (name) => new Dtype(name),
  slice: (parts) => new Slice(...parts.map(decodeArgument)),
  list: (items) => items.map(decodeArgument),
  tuple: (items) => items.map(decodeArgument),
  ellipsis: () => ELLIPSIS,
};

/** An argument of a step; names are still to be looked up. */
export function decodeArgument(argument) {
  if (typeof argument === "number" && !Number.isSafeInteger(argument))
    throw new Unsupported("integers of 64 bits");
  if (argument === null || typeof argument !== "object") return argument;
  const [[tag, inner]] = Object.entries(argument);
  if (!TAGS[tag])
    throw new Unsupported(tag === "complex" ? "complex numbers" : `arguments of the kind ${tag}`);
  return TAGS[tag](inner);
}

/** An argument with all that is of a class in it changed: in lists and slices too. */
export function mapped(argument, kind, change) {
  if (argument instanceof kind) return change(argument);
  if (Array.isArray(argument)) return argument.map((item) => mapped(item, kind, change));
  if (argument instanceof Slice) {
    const { start, stop, step } = argument;
    return new Slice(...[start, stop, step].map((part) => mapped(part, kind, change)));
  }
  return argument;
}

/** All that is of a class in an argument. */
export function foundIn(argument, kind) {
  const found = [];
  mapped(argument, kind, (one) => (found.push(one), one));
  return found;
}

/** An argument with its names looked up: `look(name)`. */
export const resolved = (argument, look) => mapped(decodeArgument(argument), Ref, ({ name }) => look(name));
