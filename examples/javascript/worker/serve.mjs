// The dialogue with the harness: one JSON document a line, version 1 of the protocol.
//
//     hello     the engine introduces itself
//     run       a program; the answer is a trace, `unsupported` or `error`
//     shutdown  the end
//
// Standard output is the harness's alone. What the engine prints goes to standard error; so import this module
// before the engine, which may print when it is loaded.

import { createInterface } from "node:readline";

import { run } from "./run.mjs";
import { Unsupported } from "./values.mjs";

const PROTOCOL = 1;

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

const say = (message) => write(`${JSON.stringify(message)}\n`);

/**
 * Serves an engine until the harness says `shutdown`, or is gone.
 *
 * engine:
 *   name, version   for reports
 *   dtypes          by torch's names
 *   operators       a `table`
 *   tensor(numbers, requiresGrad)   a new tensor with `{dtype, shape, values}`
 *   numbers(tensor)                 and back
 *   isTensor(value)
 *   backward({roots, cotangents, retainGraph, createGraph, inputs})
 *   attributes      what programs read of a tensor, `{grad: (tensor) => ..., requires_grad: ...}`
 * and where the engine has it:
 *   policies        the conventions that it declares (docs/adapters.md)
 *   composed        operators that the table makes of others: `{flatten: "reshape(input, -1)"}`
 *   grad({outputs, inputs, cotangents, retainGraph, createGraph, allowUnused})   torch's `autograd.grad`
 *   assign          what programs write, `{grad: (tensor, value) => ...}`
 *   modes           `{no_grad: (body) => ...}`
 *   looks           attributes that the harness's own looks read in another way than programs do
 *   isGradEnabled() the grad mode
 *   identities      whether one tensor is always one object
 *   refuse(word, feature)           throws Unsupported: for an operator, attribute, mode or verb that is not here
 *   around(work)                    calls `work` and returns what it returns: makes and ends what a program needs
 *
 * All of them throw Unsupported for what the engine does not have. What else they throw while a step runs is
 * an observation, and shown as the engine's exception.
 */
export async function serve(given) {
  const engine = { around: (work) => work(), refuse, ...given };
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const message = JSON.parse(line);
    if (message.type === "shutdown") break;
    if (message.type === "hello") say(hello(engine));
    if (message.type === "run") say({ id: message.id, ...answer(engine, message) });
  }
  process.exit(0);
}

function hello({ name, version, dtypes, policies = {}, composed = {} }) {
  return {
    type: "hello",
    protocol: PROTOCOL,
    engine: name,
    version,
    language: `JavaScript (Node ${process.versions.node})`,
    torch_errors: false,
    policies,
    composed,
    capabilities: { dtypes, devices: ["cpu"] },
  };
}

function answer(engine, { program, device, detail }) {
  try {
    if (device !== "cpu") throw new Unsupported(`device ${device}`);
    return { type: "trace", trace: engine.around(() => run(engine, program, detail)) };
  } catch (error) {
    if (error instanceof Unsupported)
      return { type: "unsupported", feature: error.feature, shim: error.shim };
    return { type: "error", message: String(error?.stack ?? error) };
  }
}

function refuse(word, feature) {
  throw new Unsupported(feature);
}
