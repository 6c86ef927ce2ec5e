// Tables of operators, and those operators by which numbers come in and go out, which every engine has.

import { cotangent } from "./cotangent.mjs";
import { Dtype, Float, Unsupported, arrayOf, mapped } from "./values.mjs";

/**
 * An operator table from rows such as `"sum(input, dim, keepdim)": (x, dim, keepdim = false) => ...`.
 *
 * The names are torch's: programs give arguments by position or by name. `*shape` takes what is left over, one by
 * one or as a list. A row has to mean what torch's operator means; what it has no parameter for is unsupported.
 */
export function table(rows) {
  const found = new Map();
  for (const [signature, call] of Object.entries(rows)) {
    const [, name, names] = /^([\w.]+)\((.*)\)$/.exec(signature);
    found.set(name, { name, parameters: names.split(", "), call });
  }
  return found;
}

/** The arguments of a call in the order of a row's parameters. Python's None is undefined, so that defaults hold. */
export function bound({ name, parameters }, positional, options) {
  const given = positional.map(plain);
  const rest = parameters.findIndex((parameter) => parameter.startsWith("*"));
  if (rest >= 0) {
    const left = given.splice(rest);
    given[rest] = left.length === 1 && Array.isArray(left[0]) ? left[0] : left;
  }
  if (given.length > parameters.length) throw new Unsupported(`${name} of ${given.length} arguments`);
  for (const [option, value] of Object.entries(options)) {
    const place = parameters.indexOf(option);
    if (place >= 0) given[place] = plain(value);
    else if (value !== null) throw new Unsupported(`${name}(${option}=...)`);
  }
  return Array.from(given, (value) => value ?? undefined);
}

// For an engine, 2.0 and 2 are one number.
const plain = (value) => mapped(value, Float, (float) => float.value);

/** The library's own operators: functions of the engine and the arguments as they stand in the program. */
export const OWN = {
  cotangent: (engine, [like, seed = 0]) => engine.tensor(cotangent(engine.numbers(like), seed), false),
  tensor: (engine, [data], { dtype, requires_grad: requiresGrad = false }) =>
    made(engine, numbersOf(data, dtype), requiresGrad),
  item: (engine, [tensor]) => python(engine.numbers(tensor), 0),
  numel: (engine, [tensor]) => engine.numbers(tensor).values.length,
  dim: (engine, [tensor]) => engine.numbers(tensor).shape.length,
  getitem: (engine, [list, index]) => itemOf(list, index),
};

/** An engine's tensor with these numbers. Throws Unsupported for a dtype that the engine does not have. */
export function made(engine, numbers, requiresGrad) {
  if (!engine.dtypes.includes(numbers.dtype)) throw new Unsupported(`dtype ${numbers.dtype}`);
  return engine.tensor(numbers, requiresGrad);
}

// Of a list of tensors, or of a shape, which is no operation of the engine.
function itemOf(list, index) {
  if (!Array.isArray(list)) throw new Unsupported("operator getitem");
  if (!Number.isInteger(index)) throw new Unsupported("slices of lists");
  if (index >= list.length || index < -list.length) throw new RangeError("the index is beyond the list");
  return list.at(index);
}

// A number of a tensor as the value of Python that torch's `item()` gives.
function python({ dtype, values }, index) {
  if (values.length !== 1) throw new Error(`a tensor with ${values.length} elements has no item`);
  if (dtype === "bool") return values[index] === 1;
  return dtype.startsWith("float") ? new Float(values[index]) : Number(values[index]);
}

// The numbers of nested lists, in the dtype that torch gives them.
function numbersOf(data, dtype) {
  const shape = [];
  for (let level = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat = [data].flat(Infinity);
  const named = (dtype instanceof Dtype && dtype.name) || usual(flat);
  return { dtype: named, shape, values: arrayOf(named, plain(flat)) };
}

function usual(flat) {
  if (!flat.length || flat.some((item) => item instanceof Float)) return "float32";
  if (flat.every((item) => typeof item === "boolean")) return "bool";
  if (flat.every((item) => typeof item === "number" || typeof item === "boolean")) return "int64";
  throw new Unsupported("tensor() of what is no number");
}
