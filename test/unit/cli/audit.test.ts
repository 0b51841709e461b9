import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../cli/main.ts';
import type { SkewReport } from '../../../shared/offline/audit/report.ts';
import { DAY, playDay, writeDay } from '../../support/served-day.ts';

let directory: string;
let day: Awaited<ReturnType<typeof playDay>>;
const path = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'audit-test-'));
  day = await playDay({ users: 12, transactions: 400, lagMillis: 240_000 });
  await writeDay(directory, day);
});
afterAll(() => rm(directory, { recursive: true }));

async function run(...more: string[]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const histories = ['transactions', 'labels'].flatMap((source) => [
    '--history',
    `${source}=${path(`${source}.parquet`)}`,
  ]);
  const reports = ['--report', path('out/report.html'), '--json', path('out/report.json')];
  const options = ['--served', path('served.parquet'), '--from', DAY, '--to', '2026-11-21'];
  const code = await main(['audit', ...options, ...histories, ...reports, ...more], {
    print: (line) => lines.push(line),
    printError: (line) => errors.push(line),
  });
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

const reportOf = async (): Promise<SkewReport> => JSON.parse(await readFile(path('out/report.json'), 'utf8'));

describe('an audit of files', () => {
  it('explains every difference of a day on which the consumer lagged behind decisions', async () => {
    const { code, output, errors } = await run();
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('360 rows compared; 0 differences without an explanation');
    const report = await reportOf();
    expect(report).toMatchObject({ rows: 360, unreadable: 0 });
    const skew = report.features.find(({ feature }) => feature === 'tx_count_24h');
    expect(skew).toMatchObject({ rows: 360, otherDefinition: 0, notAnswered: 0, unexplained: 0 });
    expect(skew?.lateArrival).toBeGreaterThan(0);
    expect(skew?.equal).toBeGreaterThan(0);
    expect(report.features.map(({ feature }) => feature)).toEqual(
      expect.arrayContaining(['amount_to_avg_ratio', 'is_burst', 'label_count_7d']),
    );
  });

  it('writes a page that shows every feature, and no entity', async () => {
    await run();
    const html = await readFile(path('out/report.html'), 'utf8');
    for (const { feature } of (await reportOf()).features)
      expect(html).toContain(`<span class="feature">${feature}</span>`);
    expect(html).not.toContain('user-');
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  });

  it('takes the same sample again, and another one with another seed', async () => {
    const sampled = async (seed: string) => {
      await run('--sample', '30', '--seed', seed);
      const { rows, features } = await reportOf();
      return { rows, features };
    };
    const first = await sampled('a');
    expect(first.rows).toBe(30);
    expect(await sampled('a')).toEqual(first);
    expect(await sampled('b')).not.toEqual(first);
  });

  it('ends with 1 where a served value has no explanation', async () => {
    const [row = {}, ...others] = day.served;
    const features = { ...JSON.parse(String(row.features)), total_amount_1h: 12_345.67 };
    await writeDay(directory, { ...day, served: [{ ...row, features: JSON.stringify(features) }, ...others] });
    const { code, output } = await run();
    await writeDay(directory, day);
    expect(code).toBe(1);
    expect(output).toContain('1 differences without an explanation');
    expect((await reportOf()).examples[0]).toMatchObject({
      feature: 'total_amount_1h',
      served: 12_345.67,
      cause: 'unexplained',
      entityHash: expect.stringMatching(/^[0-9a-f]{8}$/),
    });
  });

  it('leaves out what the id of an event has forced', async () => {
    const [row = {}, ...others] = day.served;
    const features = { ...JSON.parse(String(row.features)), total_amount_1h: 12_345.67 };
    const forced = { ...row, event_id: 'feature-store-test:block', features: JSON.stringify(features) };
    await writeDay(directory, { ...day, served: [forced, ...others] });
    const { code, output } = await run();
    await writeDay(directory, day);
    expect(code).toBe(0);
    expect(output).toContain('359 rows compared; 0 differences without an explanation');
  });

  it.each([
    ['an instant that is none', ['--from', 'yesterday'], '--from yesterday: write a date such as'],
    ['a time that ends before it begins', ['--to', '2026-11-19'], '--from must lie before --to'],
    [
      'a sample of nothing',
      ['--sample', '0'],
      "'--sample <rows>' argument '0' is invalid. It must be a whole number from 1.",
    ],
    ['a report that is a folder', ['--report', tmpdir()], 'cannot be written (EISDIR)'],
    ['a duration without a unit', ['--in-flight', '5'], '"5" is not a duration'],
    ['a source that is not declared', ['--history', 'payments=x'], 'there is no source "payments"'],
    ['files that are not there', ['--served', '/nowhere/*.parquet'], 'served rows, /nowhere/*.parquet, cannot be read'],
  ])('%s is refused with one sentence and code 2', async (_case, options, message) => {
    const { code, errors } = await run(...options);
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });

  it('history that is not given is named', async () => {
    const common = ['--from', DAY, '--to', '2026-11-21', '--report', path('out/report.html')];
    const errors: string[] = [];
    const code = await main(
      ['audit', '--served', path('served.parquet'), '--history', `labels=${path('labels.parquet')}`, ...common],
      {
        print: () => undefined,
        printError: (line) => errors.push(line),
      },
    );
    expect(code).toBe(2);
    expect(errors.join()).toContain('the history of source transactions is not given');
  });
});
