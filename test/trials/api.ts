/**
 * The OpenAPI document against tools that are not ours: `redocly lint`; Schemathesis, which makes requests of the document,
 * right ones and wrong ones, and looks whether each answer is documented; and clients generated for Python and TypeScript.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { preparePython } from '../../examples/python-environment.ts';
import { freePort, LOCAL_DIRECTORY, PROJECT_ROOT } from '../../localstack/child-process.ts';
import { deployLocally } from '../../localstack/deploy.ts';
import { openLocalHistory } from '../../localstack/history/local-history.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { repository } from '../../shared/features/index.ts';
import type { Trial } from './trial.ts';

const FOLDER = join(LOCAL_DIRECTORY, 'api-trial');
const OWN_FILES = join(import.meta.dirname, 'api');
const NODE_TOOLS = ['@redocly/cli@2.77.0', 'openapi-typescript@7.13.0', 'openapi-fetch@0.17.0'];

/** What both clients must be answered. */
const EXPECTED = { sent: 1, labelled: 1, decided: 'applied', again: 'duplicate', average: 7.25 };

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'unsupported_method',
  'allow_header_conformance',
].join(',');

export const api: Trial = {
  name: 'api',
  proves:
    'Every answer is one that the OpenAPI document tells of, and clients generated from it send events and decide.',
  run: async ({ trials = 50, seed = 1 }) => {
    const [python, tools] = await Promise.all([
      preparePython(join(LOCAL_DIRECTORY, 'api-trial-python'), join(OWN_FILES, 'requirements.txt')),
      prepareNodeTools(),
    ]);
    const history = await openLocalHistory({ directory: FOLDER, repository, onError: console.error });
    const server = await startMiniStack({ port: await freePort(), directory: FOLDER });
    try {
      const deployment = await deployLocally({
        endpoint: server.endpoint,
        directory: FOLDER,
        landerUrl: history.url,
        onProgress: () => {},
      });
      history.publishTo(deployment);
      const document = join(FOLDER, 'openapi.json');
      await writeFile(document, await (await fetch(`${deployment.apiUrl}/openapi.json`)).text());
      const lintErrors = await lint(tools, document);
      const clients = {
        python: await answeredByPython(python, document, deployment.apiUrl),
        typescript: await answeredByTypeScript(tools, document, deployment.apiUrl),
      };
      const fuzz = await fuzzed(python, deployment.apiUrl, { trials, seed });
      const areAnswered = Object.values(clients).every(
        (answered) => JSON.stringify(answered) === JSON.stringify(EXPECTED),
      );
      return {
        json: { lintErrors, clients, ...fuzz },
        ok: lintErrors === 0 && areAnswered && fuzz.requests > 0 && fuzz.failures === 0,
      };
    } finally {
      await history.close();
      await server.stop();
    }
  },
};

/** Output of a program, whatever its exit code. */
async function outputOf(program: string, arguments_: readonly string[], cwd = FOLDER): Promise<string> {
  try {
    return (await promisify(execFile)(program, [...arguments_], { cwd, maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    if (error instanceof Error && 'stdout' in error && String(error.stdout) !== '') return String(error.stdout);
    throw error;
  }
}

/** @returns the folder whose `node_modules` has them. */
async function prepareNodeTools(): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, 'package.json'), '{ "type": "module" }\n');
  await outputOf('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...NODE_TOOLS]);
  return join(FOLDER, 'node_modules/.bin');
}

async function lint(tools: string, document: string): Promise<number> {
  const report = await outputOf(join(tools, 'redocly'), ['lint', document, '--format=json']);
  return z.object({ totals: z.object({ errors: z.int() }) }).parse(JSON.parse(report)).totals.errors;
}

/** The last line that a client prints. */
function lastLine(output: string): unknown {
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
}

async function answeredByPython(python: string, document: string, url: string): Promise<unknown> {
  const folder = join(FOLDER, 'python-client');
  const generator = join(python, '../openapi-python-client');
  await outputOf(generator, [
    'generate',
    '--overwrite',
    '--meta=none',
    '--path',
    document,
    '--output-path',
    join(folder, 'feature_store_client'),
  ]);
  return lastLine(await outputOf(python, [join(OWN_FILES, 'client.py'), folder, url]));
}

async function answeredByTypeScript(tools: string, document: string, url: string): Promise<unknown> {
  await outputOf(join(tools, 'openapi-typescript'), [document, '--default-non-nullable=false', '--output', 'api.d.ts']);
  await copyFile(join(OWN_FILES, 'client.ts'), join(FOLDER, 'client.ts'));
  const strict = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--allowImportingTsExtensions',
    '--module',
    'nodenext',
  ];
  const types = ['--types', 'node', '--typeRoots', join(PROJECT_ROOT, 'node_modules/@types')];
  await promisify(execFile)(join(PROJECT_ROOT, 'node_modules/.bin/tsc'), [...strict, ...types, 'client.ts'], {
    cwd: FOLDER,
  });
  return lastLine(await outputOf(process.execPath, ['client.ts', url]));
}

async function fuzzed(
  python: string,
  url: string,
  { trials, seed }: { readonly trials: number; readonly seed: number },
) {
  const report = join(FOLDER, 'schemathesis.json');
  const output = await outputOf(join(python, '../schemathesis'), [
    'run',
    `${url}/openapi.json`,
    '--no-color',
    `--checks=${CHECKS}`,
    `--max-examples=${trials}`,
    `--seed=${seed}`,
    '--phases=examples,coverage,fuzzing',
    // The emulator answers late when the machine is busy.
    '--request-timeout=60',
    '--continue-on-failure',
    '--report=json',
    `--report-json-path=${report}`,
  ]);
  await writeFile(join(FOLDER, 'schemathesis.log'), output);
  const {
    operations,
    test_cases: cases,
    failures,
    errors,
  } = schemathesisReport.parse(JSON.parse(await readFile(report, 'utf8')));
  return {
    requests: cases.generated,
    operations: operations.tested,
    failures: cases.unique_failures + cases.errored + errors.length,
    found: failures.map(({ title, operations: where }) => `${title}: ${where.join(', ')}`),
  };
}

const schemathesisReport = z.object({
  operations: z.object({ tested: z.int() }),
  test_cases: z.object({ generated: z.int(), unique_failures: z.int(), errored: z.int() }),
  failures: z.array(z.object({ title: z.string(), operations: z.array(z.string()) })),
  errors: z.array(z.unknown()),
});
