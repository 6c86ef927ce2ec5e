// For engines that differentiate functions and have no tape.
//
// A program runs forwards at once, and each operation on what depends on a leaf is noted. A backward, or
// `autograd.grad`, runs the way from the leaves to the root again as a pure function and asks the engine for its
// vector-Jacobian product. With `create_graph=True` that product is noted as an operation itself, so that second
// order is the engine's own nested one.
//
// What is a matter of tapes is not imitated. To have accumulation, freed graphs, grad modes, hooks, in-place
// writes or flags would be this module's merit and not the engine's: it is unsupported, and marked as such.

import { Unsupported, foundIn, mapped } from "./values.mjs";

const TAPES = {
  "grad modes": ["no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "is_grad_enabled"],
  hooks: ["register_hook", "register_post_accumulate_grad_hook", "autograd.graph.register_multi_grad_hook"],
  "saved tensors": ["autograd.graph.saved_tensors_hooks", "autograd.graph.save_on_cpu"],
  "custom functions": ["autograd.Function"],
  retain_grad: ["retain_grad"],
  warnings: ["warns"],
  lifetimes: ["watch"],
  "detached tensors": ["detach", "data"],
  graphs: ["grad_fn", "next_functions", "autograd.graph.get_gradient_edge"],
  flags: [
    "requires_grad",
    "is_leaf",
    "retains_grad",
    "output_nr",
    "_version",
    "_base",
    "_is_view",
    "is_inference",
  ],
};
const FEATURES = new Map(
  Object.entries(TAPES).flatMap(([feature, words]) => words.map((word) => [word, feature])),
);

const shim = (feature) => new Unsupported(feature, { shim: true });

/** A handle: a name for a value, which becomes another one when the program declares it a leaf. */
class Tensor {
  constructor(value) {
    this.value = value;
    this.grad = null;
  }

  /** From now on this is a leaf, whatever it was computed from. */
  declare() {
    this.value = new Value(this.value.array, { owner: this });
    return this;
  }
}

/** An array, and where it comes from: a leaf's `owner`, or a `node` (and the number of its result). */
class Value {
  constructor(array, { owner = null, node = null, item = null } = {}) {
    Object.assign(this, { array, owner, node, item });
  }

  get depends() {
    return this.owner !== null || this.node !== null;
  }
}

/** One operation: what was called with which arguments. */
class Node {
  static count = 0;

  constructor(call, given) {
    Object.assign(this, { call, given, inputs: foundIn(given, Value), number: Node.count++, spent: false });
  }

  /** Calls it again, with other arrays in the place of values. */
  run(arrayOf) {
    return this.call(...mapped(this.given, Value, arrayOf));
  }
}

/**
 * An engine for `serve` from one that differentiates functions:
 *
 *   name, version, dtypes, around   as `serve` takes them
 *   operators                       a `table` of functions over the engine's own arrays
 *   array(numbers), numbers(array)  numbers in and out
 *   isArray(value)
 *   vjp(f, primals, cotangent)      the gradient of each primal, or null for one that `f` does not reach
 */
export function functional(engine) {
  // What an operation gave, as handles.
  function handles(result, node) {
    if (engine.isArray(result)) return new Tensor(new Value(result, { node }));
    if (!Array.isArray(result)) return result;
    return result.map((each, item) =>
      engine.isArray(each) ? new Tensor(new Value(each, { node, item })) : each,
    );
  }

  function noted(call, given) {
    const node = new Node(call, given);
    const result = node.run(({ array }) => array);
    return handles(result, node.inputs.some((value) => value.depends) ? node : null);
  }

  // The vector-Jacobian products along some ways, each as one operation.
  function gradients(ways, cotangent, createGraph) {
    const found = ways.flatMap((way) => along(way, cotangent, createGraph));
    if (!createGraph) for (const { nodes } of ways) for (const node of nodes) node.spent = true;
    return found;
  }

  function along({ sources, leaves, again }, cotangent, createGraph) {
    const known = [...sources, ...leaves];
    const pull = (...arrays) => {
      const received = arrays.pop();
      const fixed = leaves.map((leaf, index) => [leaf, arrays[sources.length + index]]);
      const f = (...primals) =>
        again(new Map([...fixed, ...sources.map((source, index) => [source, primals[index]])]));
      return engine.vjp(f, arrays.slice(0, sources.length), received);
    };
    if (createGraph) return noted(pull, [...known, cotangent]);
    return handles(pull(...[...known, cotangent].map(({ array }) => array)), null);
  }

  function root(roots, cotangents = []) {
    if (roots.length !== 1) throw new Unsupported("several roots at once");
    const [{ value }] = roots;
    if (!value?.depends) throw shim("errors of the tape");
    if (cotangents.length) return [value, cotangents[0].value];
    const numbers = engine.numbers(value.array);
    if (numbers.values.length !== 1) throw shim("errors of the tape");
    return [value, new Value(engine.array({ ...numbers, values: numbers.values.map(() => 1) }))];
  }

  function backward({ roots, cotangents, retainGraph, createGraph = false, inputs }) {
    if (inputs) throw shim("backward(inputs=...)");
    requirePlain(retainGraph, createGraph);
    const [from, cotangent] = root(roots, cotangents);
    const { leaves } = wayTo(from, []);
    if (leaves.some(({ owner }) => owner.grad !== null)) throw shim("accumulation");
    const found = gradients([wayTo(from, leaves)], cotangent, createGraph);
    leaves.forEach(({ owner }, index) => (owner.grad = found[index]));
  }

  function grad({ outputs, inputs, cotangents, retainGraph, createGraph = false, allowUnused = false }) {
    requirePlain(retainGraph, createGraph);
    const [from, cotangent] = root(outputs, cotangents);
    const sources = inputs.map(({ value }) => value);
    if (!sources.every((value) => value?.depends)) throw shim("errors of the tape");
    const behind = sources.map((source) => reached(from, source));
    if (!allowUnused && behind.includes(false)) throw shim("errors of the tape");
    // As arguments of one function, sources that lead to each other would hide each other.
    const apart = sources.some((one) => sources.some((other) => one !== other && reached(one, other)));
    const ways = (apart ? sources.map((source) => [source]) : [sources]).map((group) => wayTo(from, group));
    return gradients(ways, cotangent, createGraph);
  }

  const declared = (tensor, wanted = true) => {
    if (!wanted || !engine.numbers(tensor.value.array).dtype.startsWith("float")) throw shim("flags");
    return tensor.value.depends ? tensor : tensor.declare();
  };

  return {
    ...engine,
    operators: new Map([
      ...[...engine.operators].map(([name, row]) => [
        name,
        { ...row, call: (...given) => lifted(row.call, given) },
      ]),
      ["requires_grad_", { name: "requires_grad_", parameters: ["input", "requires_grad"], call: declared }],
    ]),
    tensor(numbers, requiresGrad) {
      const tensor = new Tensor(new Value(engine.array(numbers)));
      return requiresGrad ? tensor.declare() : tensor;
    },
    numbers: (tensor) => engine.numbers(tensor.value.array),
    isTensor: (value) => value instanceof Tensor,
    attributes: {
      grad({ grad }) {
        if (grad === null) throw shim("a gradient that no backward gave");
        return grad;
      },
    },
    assign: {
      grad(tensor, value) {
        if (value !== null) throw shim("writing gradients");
        tensor.grad = null;
      },
    },
    backward,
    grad,
    refuse(word, feature) {
      if (FEATURES.has(word)) throw shim(FEATURES.get(word));
      throw word.endsWith("_") || word === "setitem" ? shim("in-place writes") : new Unsupported(feature);
    },
  };

  function lifted(call, given) {
    return noted(
      call,
      mapped(given, Tensor, ({ value }) => value),
    );
  }
}

// Keeping a graph, or giving it up, by request is a matter of tapes.
function requirePlain(retainGraph, createGraph) {
  if (retainGraph !== undefined && retainGraph !== createGraph) throw shim("retain_graph");
}

// The way from sources, and from the leaves beside them, to a root. Nothing recurses along it: chains of any
// length work.
function wayTo(root, sources) {
  const seen = new Set(sources);
  const [nodes, leaves] = [new Set(), []];
  for (const open = [root]; open.length; ) {
    const value = open.pop();
    if (seen.has(value)) continue;
    seen.add(value);
    if (value.owner) leaves.push(value);
    else if (value.node && !nodes.has(value.node)) {
      nodes.add(value.node);
      open.push(...value.node.inputs);
    }
  }
  const ordered = [...nodes].sort((one, other) => one.number - other.number);
  if (ordered.some(({ spent }) => spent)) throw shim("a second backward through a graph");
  const again = (known) => {
    const results = new Map();
    const arrayOf = (value) => {
      if (known.has(value)) return known.get(value);
      if (!results.has(value.node)) return value.array;
      const result = results.get(value.node);
      return value.item === null ? result : result[value.item];
    };
    for (const node of ordered) results.set(node, node.run(arrayOf));
    return arrayOf(root);
  };
  return { nodes: ordered, sources, leaves, again };
}

function reached(root, source) {
  const seen = new Set();
  for (const open = [root]; open.length; ) {
    const value = open.pop();
    if (value === source) return true;
    if (!seen.has(value)) open.push(...(value.node?.inputs ?? []));
    seen.add(value);
  }
  return false;
}
