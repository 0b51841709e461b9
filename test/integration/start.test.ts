/** `npm start`, and the commands over the history that it landed: everything against naive computations. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Evaluation } from '../../cli/evaluation/evaluate.ts';
import { main } from '../../cli/main.ts';
import { freePort } from '../../localstack/child-process.ts';
import type { SkewReport } from '../../shared/offline/audit/report.ts';
import { evaluationDifferences, LandedDay, middleScore, writeSpine } from '../support/landed-day.ts';
import { readParquet } from '../support/parquet.ts';

const EVENTS = 1_500;
/** The model that ships. */
const CHAMPION = 'boosted_trees@1';

describe('npm start', () => {
  let directory: string;
  let output: string;
  let day: LandedDay;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'npm-start-'));
    const port = String(await freePort());
    const options = ['--once', '--port', port, '--events', String(EVENTS), '--directory', directory];
    const start = promisify(execFile)(process.execPath, ['localstack/start.ts', ...options], { timeout: 290_000 });
    output = (await start).stdout;
    day = await LandedDay.read(join(directory, 'history'));
  }, 300_000);

  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function cli(...commandLine: string[]): Promise<string> {
    const [lines, errors]: [string[], string[]] = [[], []];
    const code = await main(commandLine, {
      print: (line) => lines.push(line),
      printError: (line) => errors.push(line),
    });
    expect({ code, errors }).toEqual({ code: 0, errors: [] });
    return lines.join('\n');
  }

  it('deploys to a local endpoint, streams traffic and finds every feature equal to the oracle’s', () => {
    expect(output).toMatch(/features of \d+ entities equal the oracle's/);
    expect(output).toMatch(/events and \d+ answers landed as Parquet/);
    expect(output).toMatch(/40 rows with 1,440 features by POST \/training-sets equal the oracle's/);
    expect(output).toContain('HIGH_VELOCITY');
  });

  it('leaves a file of everything that a shell needs to know', async () => {
    const text = await readFile(join(directory, 'env'), 'utf8');
    const names = [...text.matchAll(/^export (\w+)='[^']+'$/gm)].map(([, name]) => name);
    expect(names).toHaveLength(text.trimEnd().split('\n').length);
    expect(names).toEqual(
      expect.arrayContaining([
        'API',
        'TABLE',
        'HISTORY',
        'DECISIONS',
        'AWS_ENDPOINT_URL',
        'AWS_REGION',
        'AWS_ACCESS_KEY_ID',
        'AWS_SECRET_ACCESS_KEY',
      ]),
    );
    expect(text).toContain(`export HISTORY='${join(directory, 'history')}'`);
  });

  it('lands a history of which `training-set` makes what the oracle says', async () => {
    const [spine, made] = [join(directory, 'spine.parquet'), join(directory, 'made.parquet')];
    const rows = day.spine(200, Date.now());
    await writeSpine(spine, rows);
    await cli('training-set', '--service', 'fraud_detection', '--spine', spine, '--output', made, ...day.historyFlags);
    const { differences, silent, ...compared } = day.compare(rows, await readParquet(made));
    expect(differences).toEqual([]);
    expect(compared).toEqual({ rows: 200, compared: 200 * 36 });
    // Every feature has something to say, those of what became of earlier transactions, too.
    expect(silent).toEqual([]);
  });

  it('lands answers that `audit` finds equal to the history, all of them', async () => {
    const json = join(directory, 'audit.json');
    const instants = ['--from', '2020-01-01', '--to', new Date(Date.now() + 60_000).toISOString()];
    const report = ['--report', join(directory, 'audit.html'), '--json', json];
    await cli('audit', '--served', day.served, ...day.historyFlags, ...instants, ...report);
    const audit: SkewReport = JSON.parse(await readFile(json, 'utf8'));
    expect(audit.rows).toBe(day.answers.length);
    expect(audit.rows).toBeGreaterThan(0);
    expect(audit.unreadable).toBe(0);
    for (const feature of audit.features) expect(feature).toMatchObject({ equal: feature.rows, unexplained: 0 });
  });

  it('lands decisions and labels that `evaluate` measures as a naive count does', async () => {
    const json = join(directory, 'evaluation.json');
    const asOf = Date.now() + 60_000;
    const scored = day.scoredBy(CHAMPION, asOf);
    const threshold = middleScore(scored);
    const truth = ['--labels', day.labelsFolder, '--as-of', new Date(asOf).toISOString(), '--maturity', '1ms'];
    const models = ['--champion', CHAMPION, '--threshold', `${CHAMPION}=${threshold}`, '--draws', '10'];
    const report = ['--report', join(directory, 'evaluation.html'), '--json', json];
    await cli('evaluate', '--served', day.served, ...truth, ...models, ...report);
    const evaluation: Evaluation = JSON.parse(await readFile(json, 'utf8'));
    expect(evaluationDifferences(evaluation, scored, threshold)).toEqual([]);
    expect(evaluation.frauds).toBeGreaterThan(0);
  });
});
