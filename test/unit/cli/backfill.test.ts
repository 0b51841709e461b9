import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { backfillText } from '../../../cli/backfill.ts';
import { main } from '../../../cli/main.ts';

let directory: string;
const NOW = Date.now();

/** A module of views that are live from different instants. */
async function writeFeatures(): Promise<string> {
  const imported = (path: string) => JSON.stringify(resolve(import.meta.dirname, '../../..', path));
  const path = join(directory, 'features.ts');
  await writeFile(
    path,
    `import { everyAggregateView } from ${imported('test/support/arbitraries.ts')};
     import { featureRepository } from ${imported('shared/registry/manifest.ts')};
     const choice = { windows: [{ length: '1h', hop: '1min' }], lateness: '0s', lanes: 1, filtered: false, endpoints: false };
     const named = (name, liveFromMillis) => ({ ...everyAggregateView({ ...choice, liveFromMillis }), name, key: name + '@1' });
     export const repository = featureRepository({
       views: [named('always'), named('later', ${NOW + 3_600_000}), named('now', ${NOW - 60_000})].map((view, _, [first]) => ({
         ...view, source: first.source, entity: first.entity,
       })),
       services: [],
     });`,
  );
  return path;
}

let features: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backfill-cli-test-'));
  features = await writeFeatures();
});
afterAll(() => rm(directory, { recursive: true }));

async function run(...commandLine: string[]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const terminal = { print: (line: string) => lines.push(line), printError: (line: string) => errors.push(line) };
  const code = await main(['backfill', ...commandLine], terminal);
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

const backfill = (view: string, ...more: string[]) =>
  run('--view', view, '--features', features, '--history', 'test_events=x', '--table', 'online', ...more);

it.each([
  ['a view that there is not', ['nope'], 'there is no view "nope"; there is always@1, later@1, now@1'],
  ['a view whose stream counts all', ['always'], 'declare liveFrom in a new version of it'],
  ['a view that is not live yet', ['later'], `view later@1 is live from ${new Date(NOW + 3_600_000).toISOString()}`],
  ['history that may not have landed', ['now'], `${new Date(NOW - 60_000 + 900_000).toISOString()}; try again then`],
  ['another delay, still to come', ['now', '--landing-delay', '2h'], new Date(NOW - 60_000 + 7_200_000).toISOString()],
  ['a delay that is none', ['now', '--landing-delay', 'soon'], 'write a whole number and a unit'],
  ['a concurrency of nobody', ['now', '--concurrency', '0'], 'must be a whole number from 1'],
  [
    'the history of another source',
    ['now', '--landing-delay', '1s', '--history', 'other=y'],
    'takes the history of test_events alone, not test_events, other',
  ],
])('%s is refused with one sentence and code 2', async (_case, [view = '', ...more], message) => {
  const { code, errors, output } = await backfill(view, ...more);
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(errors).toContain(message);
});

it('sums up what became of the items, and names what is left', () => {
  const summary = { entities: 5_000, events: 499_000, seconds: 12.34, writeUnits: 5_100, error: undefined };
  const items = { written: 4_990, done: 0, expired: 0, tooLarge: 0, refused: 0, failed: 0 };
  expect(backfillText({ ...summary, items })).toBe(
    '4,990 items written, with 499,000 events; 5,000 entities in history; 12.3 s, 5,100 write units',
  );
  const error = new Error('DynamoDB throttled the request');
  const text = backfillText({ ...summary, error, items: { ...items, done: 7, expired: 1, tooLarge: 2, failed: 3 } });
  expect(text.split('\n').slice(1)).toEqual([
    '  7 done before',
    '  1 so old that they would have expired',
    '  2 too large for an item: give the view lanes, in a new version',
    '  3 failed, run it again: DynamoDB throttled the request',
  ]);
});

it('explains itself', async () => {
  const { code, output } = await run('--help');
  expect(code).toBe(0);
  expect(output).toContain('--landing-delay <duration>');
});
