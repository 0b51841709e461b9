import { execFile } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { FeaturesModuleError, loadRepository, moduleFile } from './load-repository.ts';
import { IMPORTABLE } from './own-modules.ts';
import { PROJECT_ROOT, WORKING_DIRECTORY } from './working-directory.ts';

const TSC = join(PROJECT_ROOT, 'node_modules/.bin/tsc');
const SHOWN_MAX = 8;

/** What an editor is told by `"extends": "fraud-feature-store/tsconfig.json"`, and where what is imported lies. */
const COMPILER_OPTIONS = {
  paths: Object.fromEntries(Object.entries(IMPORTABLE).map(([name, file]) => [name, [file]])),
};

/**
 * Checks the types of modules of declarations, which Node only strips.
 * @param modules absolute, or below the working directory.
 * @throws FeaturesModuleError with places and reasons, the first of them if there are many.
 * @throws DefinitionError of a declaration that cannot be built either.
 */
export async function checkTypes(modules: readonly string[]): Promise<void> {
  const files = modules.map(moduleFile);
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'feature-store-types-'));
  try {
    const config = join(folder, 'tsconfig.json');
    const extended = join(PROJECT_ROOT, 'shared/tsconfig.json');
    await writeFile(
      config,
      JSON.stringify({ extends: extended, compilerOptions: COMPILER_OPTIONS, include: [], files }),
    );
    const output = await outputOfTsc(config);
    if (output === '') return;
    // What a declaration says of a mistake names the fix, which the compiler does not know.
    for (const file of files) await loadRepository(file);
    // Lines that begin with a space go on with the fault before them.
    const faults = output.split(/\n(?! )/).flatMap((text) => faultOf(text.split('\n')) ?? []);
    const left = faults.length - SHOWN_MAX;
    throw new FeaturesModuleError(
      ['the declarations have faults of types:', ...(faults.length > 0 ? faults : [output]).slice(0, SHOWN_MAX)]
        .concat(left > 0 ? [`and ${left} more`] : [])
        .join('\n  '),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the compiler prints; nothing when it finds no fault. */
function outputOfTsc(config: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // By this Node, whichever PATH has.
    execFile(process.execPath, [TSC, '-p', config, '--pretty', 'false'], (error, stdout, stderr) => {
      // It exits with 1 or 2 for faults, which it prints.
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve(error === null ? '' : stdout.trim() || stderr.trim());
    });
  });
}

/** `features.ts:16:58 Cannot find name 'x'.` of a line that begins a fault. */
function faultOf([line = '', ...further]: readonly string[]): string | undefined {
  const [, file, row, column, first] = /^(\S.*)\((\d+),(\d+)\): error TS\d+: (.*)$/.exec(line) ?? [];
  if (file === undefined) return undefined;
  // Which of several ways to call a function was meant, only the last line says.
  const reason = first?.startsWith('No overload') ? (further.at(-1)?.trim() ?? first) : first;
  // As seen from where the command was called; npm runs its scripts elsewhere.
  const below = relative(WORKING_DIRECTORY, file);
  return `${below.startsWith('..') ? resolve(file) : below}:${row}:${column} ${reason}`;
}
