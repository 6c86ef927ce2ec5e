// Looking at an engine's values: from handles to what a trace holds.

import { Float, Unsupported, encodeFloat, encodeNumbers, sizeOf } from "./values.mjs";

/** The adapter failed, and not the engine. */
export class AdapterError extends Error {}

// As documents have it: what the engine does not let be seen, and so is never compared.
const UNSEEN = { unseen: true };

// A value of which nothing but its kind is seen.
class Opaque {
  constructor(opaque) {
    this.opaque = opaque;
  }
}

// What is read off the numbers of a tensor.
const MEASURES = {
  shape: ({ shape }) => shape,
  ndim: ({ shape }) => shape.length,
  dtype: ({ dtype }) => dtype,
  device: () => "cpu",
};

// What a tensor shows beside its numbers, by the attribute that it is read from.
const FLAGS = {
  requires_grad: ["requires_grad", Boolean],
  is_leaf: ["is_leaf", Boolean],
  grad_fn: ["has_grad_fn", (node) => node !== null],
};

/** An attribute of a tensor, as a program reads it. Throws Unsupported where the engine has none. */
export function attribute(engine, handle, name) {
  const own = engine.attributes[name];
  if (own) return own(handle) ?? null;
  if (name in MEASURES) return MEASURES[name](engine.numbers(handle));
  return engine.refuse(name, `attribute ${name}`);
}

/** Sees the values of one run. */
export class Observer {
  constructor(engine) {
    this.engine = engine;
    this.labels = new Map();
  }

  /** All live names after the step with this number; the program's temporaries are not looked at. */
  state(number, names) {
    const live = {};
    for (const [name, value] of names) if (!name.startsWith("_")) live[name] = this.see(value);
    return { step: number, live, grad_enabled: this.engine.isGradEnabled?.() };
  }

  /** A value of any kind. */
  see(value) {
    if (value === UNSEEN || value instanceof Opaque) return value;
    if (value === null || ["boolean", "string", "number"].includes(typeof value)) return value;
    if (value instanceof Float) return { float: encodeFloat(value.value) };
    if (Array.isArray(value)) return value.map((item) => this.see(item));
    if (!this.engine.isTensor(value)) return new Opaque("object");
    const seen = this.tensor(value);
    if (seen instanceof Opaque) return seen;
    const grad = this.read(value, "grad", this.engine.looks);
    return { ...seen, grad: this.engine.isTensor(grad) ? this.tensor(grad) : this.see(grad) };
  }

  /** A tensor, but for its gradient. */
  tensor(handle) {
    const numbers = this.numbers(handle);
    const [count, size] = [numbers.values.length, sizeOf(numbers.shape)];
    // It is the engine that has broken it, and not the adapter: a difference from torch like any other.
    if (count !== size) return new Opaque(`${count} numbers in the shape [${numbers.shape}]`);
    const seen = encodeNumbers(numbers);
    for (const [name, [flag, meaning]] of Object.entries(FLAGS)) {
      const value = this.read(handle, name);
      seen[flag] = value === UNSEEN || value instanceof Opaque ? value : meaning(value);
    }
    if (this.engine.identities) seen.identity = this.label(handle);
    return seen;
  }

  numbers(handle) {
    try {
      return this.engine.numbers(handle);
    } catch (error) {
      if (error instanceof Unsupported) throw error;
      throw new AdapterError(`the numbers of a tensor cannot be read: ${error}`, { cause: error });
    }
  }

  /** What a place of a fact shows: a name, and attributes one after the other. */
  place({ name, path }, names) {
    if (!name) return (path[0] === "is_grad_enabled" ? this.engine.isGradEnabled?.() : null) ?? UNSEEN;
    let value = names.get(name);
    for (const part of path) {
      if (value === null) return new Opaque(`nothing: ${name}.${path.join(".")}`);
      if (!this.engine.isTensor(value)) return UNSEEN;
      value = this.read(value, part);
    }
    return this.see(value);
  }

  /** An attribute; that reading it throws is an observation too. looks: how the harness's own looks read some. */
  read(handle, name, looks = {}) {
    try {
      return looks[name] ? looks[name](handle) : attribute(this.engine, handle, name);
    } catch (error) {
      if (error instanceof Unsupported) return UNSEEN;
      return new Opaque(`reading .${name} raises ${error?.name}`);
    }
  }

  // Equal labels mean one and the same object.
  label(handle) {
    if (!this.labels.has(handle)) this.labels.set(handle, this.labels.size);
    return this.labels.get(handle);
  }
}
