/** `cdk` for the configuration of the folder where it is called. Where AWS fails for a common reason, it says what to do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withCode } from '../cli/errors.ts';
import { explainAws } from '../cli/explain-aws.ts';
import { PROJECT_ROOT, WORKING_DIRECTORY } from '../shared/registry/working-directory.ts';

/** Enough for the reason, which is among the last lines. */
const KEPT_CHARACTERS = 20_000;

const colours = process.stderr.isTTY ? { FORCE_COLOR: '1' } : {};
const given = process.argv.slice(2);
/** Two stores may be synthesized at once: each beside its own configuration. */
const output =
  WORKING_DIRECTORY === PROJECT_ROOT || given.some((word) => /^(-o|--output)\b/.test(word))
    ? []
    : ['--output', join(WORKING_DIRECTORY, '.local/cdk.out')];
const child = spawn(join(PROJECT_ROOT, 'node_modules/.bin/cdk'), [...given, ...output], {
  cwd: PROJECT_ROOT,
  env: { ...colours, ...process.env, INIT_CWD: WORKING_DIRECTORY },
  stdio: ['inherit', 'inherit', 'pipe'],
});
let kept = '';
child.stderr.on('data', (text: Buffer) => {
  process.stderr.write(text);
  kept = (kept + text.toString()).slice(-KEPT_CHARACTERS);
});
const [exitCode] = await once(child, 'close');
const explained = exitCode === 0 ? undefined : explainAws(kept);
if (explained) console.error(`\nfeature-store: ${withCode(explained.message, explained.code)}`);
process.exitCode = exitCode ?? 1;
