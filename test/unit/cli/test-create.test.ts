import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../cli/main.ts';
import { GivenPolicies } from '../../../functions/testing/options.ts';
import { PROJECT_ROOT } from '../../../localstack/child-process.ts';
import { repository } from '../../../shared/features/index.ts';
import { playDay, writeDay } from '../../support/served-day.ts';
import { smallModelPackage } from '../../support/small-model.ts';

const FEATURES = join(PROJECT_ROOT, 'shared/features/fraud.ts');

let directory: string;
let declarations: string;
let day: Awaited<ReturnType<typeof playDay>>;
const path = (name: string) => join(directory, name);

beforeAll(async () => {
  // Below the project, so that the tests find it by its name.
  directory = await mkdtemp(join(import.meta.dirname, '.created-'));
  const text = await readFile(FEATURES, 'utf8');
  declarations = `${text.replace('eventSource,', 'eventSource, featureRepository,')}
    export const repository = featureRepository({
      views: [userTransactions, merchantRisk],
      services: [fraudDetection],
      aliases: { predict_fraud: fraudDetection },
    });`;
  const policies = new GivenPolicies(repository, { clock: 0, model: smallModelPackage(repository, { intercept: -1 }) });
  await writeFile(path('model'), smallModelPackage(repository, { intercept: -1 }));
  await writeFile(path('other-model'), smallModelPackage(repository, { intercept: -2 }));
  day = await playDay({ users: 6, transactions: 600, lagMillis: 240_000 });
  const scored = await playDay({ users: 6, transactions: 600, lagMillis: 240_000, policies });
  await writeDay(path('.'), day);
  await writeDay(path('scored'), scored);
});
afterAll(() => rm(directory, { recursive: true }));

let outputs = 0;

/** Makes a test of declarations of its own, which may be changed afterwards. */
async function create(id: string, options: { readonly folder?: string; readonly more?: readonly string[] } = {}) {
  const { folder = '.', more = [] } = options;
  const lines: string[] = [];
  const errors: string[] = [];
  const number = ++outputs;
  const features = path(`features-${number}.ts`);
  const output = path(`tests/created-${number}.test.ts`);
  await writeFile(features, declarations);
  const histories = ['transactions', 'labels'].flatMap((source) => [
    '--history',
    `${source}=${path(`${folder}/${source}.parquet`)}`,
  ]);
  const files = [
    '--served',
    path(`${folder}/served.parquet`),
    ...histories,
    '--features',
    features,
    '--output',
    output,
  ];
  const code = await main(['test', 'create', '--decision', id, ...files, ...more], {
    print: (line) => lines.push(line),
    printError: (line) => errors.push(line),
  });
  return { code, output: lines.join('\n'), errors: errors.join('\n'), file: output, features };
}

/** Runs it as its owner would. @returns what it printed where it failed. */
async function failureOf(file: string): Promise<string | undefined> {
  const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...environment } = process.env;
  return promisify(execFile)(process.execPath, ['--test', file], { cwd: directory, env: environment }).then(
    () => undefined,
    ({ stdout }: Error & { readonly stdout?: string }) => String(stdout),
  );
}

const change = async (features: string, from: string, to: string) => {
  expect(declarations).toContain(from);
  await writeFile(features, declarations.replace(from, to));
};

describe('a test of a served decision', () => {
  it('passes, and fails when a feature or a rule is declared otherwise', async () => {
    const { code, output, errors, file, features } = await create('t599');
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toMatch(/^a decision of fraud_detection@1 after \d+ events\n {2}test {2}/);
    const text = await readFile(file, 'utf8');
    expect(text).toContain('assert.equal(decision.decision,');
    expect(await failureOf(file)).toBeUndefined();
    await change(features, "max_amount: max('amount')", "max_amount: mean('amount')");
    expect(await failureOf(file)).toContain('max_amount_24h');
    await change(features, 'amount.isGreaterThan(1000)', 'amount.isGreaterThan(0)');
    await change(features, 'tx_count_1min.isGreaterThan(5)', 'tx_count_1min.isAtLeast(1)');
    expect(await failureOf(file)).toContain('HIGH_VELOCITY');
  });

  it('can be made of every decision, though the consumer was behind', async () => {
    const served = day.served.filter((_, index) => index % 12 === 0).map(({ event_id }) => String(event_id));
    expect(served.length).toBeGreaterThan(25);
    let behind = 0;
    for (const id of served) {
      const { code, errors, file } = await create(id);
      expect({ id, code, errors }).toEqual({ id, code: 0, errors: '' });
      const text = await readFile(file, 'utf8');
      const row = day.served.find(({ event_id }) => event_id === id);
      const { user_id: user, merchant_id: merchant } = JSON.parse(String(row?.event));
      const known = day.history.filter(
        (one) => one.user_id === user && Number(one.arrived_at) < Number(row?.served_at) && one.transaction_id !== id,
      );
      const sent = [...text.matchAll(/"transactions", (\{.*\})\],$/gm)].map(([, event = '']) => JSON.parse(event));
      // No event of anybody else, and each that had been counted.
      expect(sent.every((event) => event.user_id === user || event.merchant_id === merchant)).toBe(true);
      if (sent.length < known.length) behind++;
      expect(known.length - sent.length).toBeLessThanOrEqual(2);
    }
    expect(behind).toBeGreaterThan(0);
  });

  it('expects score and decision of a model that is given', async () => {
    const { code, errors, file } = await create('t598', { folder: 'scored', more: ['--model', path('model')] });
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    const text = await readFile(file, 'utf8');
    expect(text).toContain('model: new URL("../model", import.meta.url)');
    expect(text).toMatch(/assert\.equal\(decision\.score, 0\.\d+\);\n {2}assert\.equal\(decision\.decision, "\w+"\);/);
    expect(await failureOf(file)).toBeUndefined();
    await writeFile(file, text.replace('"../model"', '"../other-model"'));
    expect(await failureOf(file)).toContain('Expected values to be strictly equal');
  });

  it('says why it expects neither without the model', async () => {
    const { code, output, file } = await create('t598', { folder: 'scored' });
    expect(code).toBe(0);
    expect(output).toContain('note: the decision itself is not expected: small@1 had a part in the decision');
    const text = await readFile(file, 'utf8');
    expect(text).toContain(
      '// The decision itself is not expected here: small@1 had a part in the decision; with --model',
    );
    expect(text).not.toContain('decision.score');
    expect(await failureOf(file)).toBeUndefined();
  });

  it('does not replace what is there', async () => {
    const first = await create('t599');
    const { code, errors } = await create('t599', { more: ['--output', first.file] });
    expect(code).toBe(2);
    expect(errors).toContain('is there already');
  });

  it.each([
    ['an id of nothing', 'nobody', [], 'nothing was served for an event of this id'],
    ['an id that was forced', 'feature-store-test:block', [], 'was forced by its id'],
    ['a service that there is not', 't599', ['--service', 'logins'], 'there is no service "logins"'],
    [
      'files that are not there',
      't599',
      ['--served', '/nowhere/*.parquet'],
      'served rows, /nowhere/*.parquet, cannot be read',
    ],
    ['a model that is none', 't599', ['--model', '/nowhere'], '--model /nowhere cannot be read'],
    [
      'a model that scored something else',
      't598',
      ['--model', 'other-model'],
      'give the package that was deployed',
      'scored',
    ],
  ] as const)('%s is refused with one sentence', async (_what, id, more, message, folder?: string) => {
    const given = more.map((word) => (word === 'other-model' ? path(word) : word));
    const { code, errors } = await create(id, { more: given, ...(folder !== undefined && { folder }) });
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });

  it('is refused for other declarations, or a history that lacks what was counted', async () => {
    const other = path('other.ts');
    await writeFile(other, declarations.replace("max_amount: max('amount')", "max_amount: mean('amount')"));
    expect((await create('t599', { more: ['--features', other] })).errors).toContain(
      'user_transactions@1 has another definition today',
    );
    await writeDay(path('lacking'), { ...day, history: [] });
    const { code, errors } = await create('t599', { folder: 'lacking' });
    expect(code).toBe(2);
    expect(errors).toMatch(/this decision cannot be made again: .*tx_count_24h/);
  });

  it('is explained by its help, with an example', async () => {
    const lines: string[] = [];
    await main(['test', 'create', '--help'], { print: (line) => lines.push(line), printError: () => {} });
    const help = lines.join('\n').replaceAll(/\s+/g, ' ');
    expect(help).toContain('The events are written as they are');
    expect(help).toContain('feature-store test create --decision');
  });
});
