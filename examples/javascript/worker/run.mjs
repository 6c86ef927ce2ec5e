// Runs a program step by step and keeps what can be seen of it: a trace.
//
// A program is a flat list of steps over names; only `within` and `expect` hold steps of their own. What is not
// here (functions, classes, hooks, threads, warnings, ...) is unsupported, and never skipped.

import { AdapterError, Observer, attribute } from "./look.mjs";
import { OWN, bound, made } from "./operators.mjs";
import { Dtype, Unsupported, decodeNumbers, foundIn, resolved } from "./values.mjs";

// Steps after which all names are looked at where `detail` is "changes": they can change what is there already.
const CHANGING = new Set(["backward", "call", "expect", "grad", "invoke", "mutate", "set", "unset"]);

const BACKWARD = {
  name: "backward",
  parameters: ["roots", "cotangents", "retainGraph", "createGraph", "inputs"],
};
const GRAD = {
  name: "grad",
  parameters: ["outputs", "inputs", "cotangents", "retainGraph", "createGraph", "onlyInputs", "allowUnused"],
};
// The names that torch gives them.
const OPTIONS = {
  gradient: "cotangents",
  grad_tensors: "cotangents",
  grad_outputs: "cotangents",
  retain_graph: "retainGraph",
  create_graph: "createGraph",
  only_inputs: "onlyInputs",
  allow_unused: "allowUnused",
};

// An exception of the engine, on its way to the `expect` that waits for it or to the end of the program.
class Raised extends Error {
  constructor(error, step, phase) {
    super(String(error?.message ?? error));
    this.seen = { step, phase, classes: classesOf(error), message: this.message };
  }
}

/** The trace of a program. Throws Unsupported, and whatever is the adapter's own fault. */
export function run(engine, program, detail) {
  return new Run(engine, program, detail).trace();
}

class Run {
  constructor(engine, program, detail) {
    Object.assign(this, { engine, program, detail });
    this.observer = new Observer(engine);
    this.names = new Map();
    this.states = [];
    this.facts = {};
    this.caught = {};
  }

  trace() {
    for (const input of this.program.inputs) this.names.set(input.name, this.input(input));
    const error = this.caughtIn(this.program.steps, 0);
    this.states.push(this.observer.state(count(this.program.steps) - 1, this.names));
    return { states: this.states, facts: this.facts, caught: this.caught, error };
  }

  // Of the layouts of memory JavaScript has the contiguous one.
  input({ requires_grad: requiresGrad, ...numbers }) {
    return made(this.engine, decodeNumbers(numbers), requiresGrad);
  }

  // What some steps raise, or null.
  caughtIn(steps, first) {
    try {
      this.block(steps, first);
      return null;
    } catch (error) {
      if (error instanceof Raised) return error.seen;
      throw error;
    }
  }

  // Steps in order. Each has a number; those that a step holds come right after it.
  block(steps, first) {
    let number = first;
    for (const step of steps) {
      try {
        this.step(step, number);
      } catch (error) {
        if ([Raised, Unsupported, AdapterError].some((kind) => error instanceof kind)) throw error;
        throw new Raised(
          error,
          number,
          step.do === "backward" || step.do === "grad" ? "backward" : "forward",
        );
      }
      if (this.detail === "steps" || (this.detail === "changes" && CHANGING.has(step.do))) {
        this.states.push(this.observer.state(number, this.names));
      }
      number += count([step]);
    }
  }

  step(step, number) {
    const { engine, names } = this;
    switch (step.do) {
      case "apply":
      case "mutate":
        return this.give(step.target, this.operate(step));
      case "backward":
        return engine.backward(this.derivative(BACKWARD, step));
      case "grad":
        if (!engine.grad) throw new Unsupported("autograd.grad");
        return this.give(step.target, engine.grad(this.derivative(GRAD, step)));
      case "get":
        if (step.attribute === "dtype" || step.attribute === "device")
          throw new Unsupported(`${step.attribute}s as values`);
        return this.give(step.target, attribute(engine, names.get(step.object), step.attribute));
      case "set":
        return this.set(step);
      case "let":
        return this.give(step.target, this.value(step.value));
      case "delete":
        return names.delete(step.name);
      case "within":
        return this.within(step, number);
      case "expect":
        this.caught[number] = null;
        this.caught[number] = this.caughtIn(step.body, number + 1);
        return this.dropTemporaries();
      case "fact":
        return this.fact(step, number);
      case "invoke":
        return engine.refuse(step.method, `method ${step.method}`);
      case "class":
        return engine.refuse(step.base, `class ${step.base}`);
      default:
        return engine.refuse(step.do, KINDS[step.do] ?? `verb ${step.do}`);
    }
  }

  // A value of a step. A temporary is used once, and is gone then.
  value(argument) {
    const found = resolved(argument, (name) => {
      const value = this.names.get(name);
      if (name.startsWith("_")) this.names.delete(name);
      return value;
    });
    const lacking = foundIn(found, Dtype).find(({ name }) => !this.engine.dtypes.includes(name));
    if (lacking) throw new Unsupported(`dtype ${lacking.name}`);
    return found;
  }

  arguments({ arguments: positional, options }) {
    const named = Object.entries(options).map(([name, value]) => [name, this.value(value)]);
    return [positional.map((argument) => this.value(argument)), Object.fromEntries(named)];
  }

  operate(step) {
    const { engine } = this;
    const row = engine.operators.get(step.operator);
    const own = OWN[step.operator];
    if (!row && !own) return engine.refuse(step.operator, `operator ${step.operator}`);
    const [positional, options] = this.arguments(step);
    if (!row || (own && Array.isArray(positional[0]))) return own(engine, positional, options);
    if (row.parameters[0] === "input" && !positional.flat(Infinity).some((one) => engine.isTensor(one))) {
      throw new Unsupported(`${step.operator} without tensors`);
    }
    // Factories take it, and it means the same for each of them.
    const { requires_grad: declared, ...others } = options;
    if (declared === undefined || row.parameters.includes("requires_grad")) {
      return row.call(...bound(row, positional, options));
    }
    const result = row.call(...bound(row, positional, others));
    return declared ? engine.operators.get("requires_grad_").call(result) : result;
  }

  // What a derivative is asked for, by name; roots, outputs and what belongs to them are lists.
  derivative(row, step) {
    const [positional, options] = this.arguments(step);
    const named = Object.entries(options).map(([name, value]) => [OPTIONS[name] ?? name, value]);
    const given = bound(row, positional, Object.fromEntries(named));
    const asked = Object.fromEntries(row.parameters.map((name, index) => [name, given[index]]));
    for (const name of ["roots", "outputs", "inputs", "cotangents"]) {
      if (asked[name] !== undefined) asked[name] = [asked[name]].flat();
    }
    return asked;
  }

  give(target, result) {
    if (typeof target === "string") {
      if (target) this.names.set(target, result);
      return;
    }
    if (!target.length) return;
    if (!Array.isArray(result)) throw new Unsupported("unpacking a tensor");
    if (result.length !== target.length)
      throw new Error(`${result.length} values for ${target.length} names`);
    target.forEach((name, index) => this.names.set(name, result[index]));
  }

  set({ object, attribute: name, value }) {
    const assign = this.engine.assign?.[name];
    if (!assign) return this.engine.refuse(name, `writing attribute ${name}`);
    return assign(this.names.get(object), this.value(value));
  }

  within(step, number) {
    const mode = this.engine.modes?.[step.mode];
    if (!mode) return this.engine.refuse(step.mode, `mode ${step.mode}`);
    return mode(() => this.block(step.body, number + 1), ...this.arguments(step)[0]);
  }

  fact({ places }, number) {
    const shown = places.map((place) => this.observer.place(place, this.names));
    (this.facts[number] ??= []).push(shown);
  }

  // What the expressions that an exception has cut short had computed.
  dropTemporaries() {
    for (const name of this.names.keys()) if (name.startsWith("_")) this.names.delete(name);
  }
}

const KINDS = {
  define: "functions of the program",
  call: "functions of the program",
  warns: "warnings",
  record: "functions of the program",
  watch: "lifetimes",
  unset: "deleting attributes",
};

// How many steps these are, with those that they hold.
const count = (steps) =>
  steps.reduce((sum, step) => sum + 1 + count(step.body ?? []) + count(step.methods ?? []), 0);

// The class of an exception and its bases, nearest first.
function classesOf(error) {
  const classes = [];
  for (let kind = error; kind && kind !== Object.prototype; kind = Object.getPrototypeOf(kind)) {
    if (Object.hasOwn(kind, "constructor")) classes.push(kind.constructor.name);
  }
  return classes.length ? classes : ["Error"];
}
