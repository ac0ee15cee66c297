// A list of checks, run one after another: each is a named function that must not throw. The Python side has the same.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The clients are installed outside the checkout, where `import` by name does not look.
const require = createRequire(`${process.env.ASSAY_NODE_MODULES}/`);
export const client = (name) => import(pathToFileURL(require.resolve(name)));

// Runs every check on `subject`, also after failures, and resolves to how many failed.
export async function run(leg, checks, subject) {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(subject);
      console.log(`PASS ${leg}: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${leg}: ${name}\n${error?.stack ?? error}`);
    }
  }
  console.log(`${leg}: ${Object.keys(checks).length - failed} passed, ${failed} failed`);
  return failed;
}
