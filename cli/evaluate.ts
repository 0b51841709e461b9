import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import Table from 'cli-table3';
import { parseDuration } from '../shared/definitions/duration.ts';
import type { Duration } from '../shared/definitions/index.ts';
import { type Evaluation, evaluate } from './evaluation/evaluate.ts';
import type { ThresholdCost } from './evaluation/measures.ts';
import { type ReadRows, readScores, readServed } from './evaluation/read-rows.ts';
import { htmlEvaluation, MEASURE_NAMES, measured, titleOf, verdicts } from './evaluation/report.ts';
import { scoredRows } from './evaluation/scored-rows.ts';
import { withDownloads } from './s3.ts';
import { globOf } from './training-set.ts';
import { UserError } from './user-error.ts';

export interface EvaluateOptions {
  /** A Parquet file of scores and `is_fraud`; or else `served` and `labels`. */
  readonly scores?: string;
  readonly served?: string;
  readonly labels?: string;
  /** ISO 8601: labels that arrived later are not known. */
  readonly asOf?: string;
  readonly maturity: string;
  readonly champion: string;
  /** Default: every other model. */
  readonly challenger?: readonly string[];
  /** `name@version=0.4` each. */
  readonly threshold?: readonly string[];
  readonly falseAlarmCost: string;
  readonly cardsChecked: string;
  readonly draws: string;
  readonly seed: string;
  readonly card: string;
  readonly time: string;
  readonly amount: string;
  readonly report: string;
  readonly json?: string;
}

export interface EvaluationSummary {
  readonly evaluation: Evaluation;
  /** Rows that not every compared model had scored. */
  readonly leftOut: number;
}

/** Compares models on what became of the transactions, and writes the report. @throws UserError */
export async function evaluateModels(options: EvaluateOptions): Promise<EvaluationSummary> {
  const { champion } = options;
  const settings = {
    champion,
    cardsChecked: numberOf('--cards-checked', options.cardsChecked, { isWhole: true, least: 1 }),
    falseAlarmCost: numberOf('--false-alarm-cost', options.falseAlarmCost, { least: 0 }),
    thresholds: Object.fromEntries((options.threshold ?? []).map(thresholdOf)),
    bootstrapDraws: numberOf('--draws', options.draws, { isWhole: true, least: 1 }),
    seed: numberOf('--seed', options.seed, { isWhole: true }),
  };
  const read = await readRows(options);
  const models = [champion, ...(options.challenger ?? read.models.filter((key) => key !== champion))];
  const unknown = [...models, ...Object.keys(settings.thresholds)].find((key) => !read.models.includes(key));
  if (unknown !== undefined)
    throw new UserError(`nothing was scored by ${unknown}, but by ${read.models.join(', ') || 'no model'}`);
  const rows = read.rows.filter(({ scores }) => models.every((key) => scores[key] !== undefined));
  const frauds = rows.filter(({ isFraud }) => isFraud).length;
  if (frauds === 0 || frauds === rows.length) {
    throw new UserError(
      `of ${rows.length} rows that all models scored, ${frauds} are frauds: some must be, and some not`,
    );
  }
  const evaluation = evaluate(scoredRows(rows, models), settings);
  await writeText(options.report, await htmlEvaluation(evaluation));
  if (options.json !== undefined) await writeText(options.json, jsonOf(evaluation));
  return { evaluation, leftOut: read.rows.length - rows.length };
}

async function readRows(options: EvaluateOptions): Promise<ReadRows> {
  const { scores, served, labels, asOf, card, time, amount } = options;
  const names = { card, time, amount };
  if (scores !== undefined && served === undefined) {
    return withDownloads(async (download) => readScores(await globOf(scores, download), names));
  }
  if (scores !== undefined || served === undefined)
    throw new UserError('give either --scores, or --served with --labels');
  if (labels === undefined || asOf === undefined) throw new UserError('--served also needs --labels and --as-of');
  const asOfMillis = Date.parse(asOf);
  if (Number.isNaN(asOfMillis)) throw new UserError(`--as-of ${asOf}: write an instant such as 2026-11-20T06:00:00Z`);
  const maturityMillis = parseDuration('--maturity', options.maturity as Duration);
  return withDownloads(async (download) => {
    const files = { served: await globOf(served, download), labels: await globOf(labels, download) };
    return readServed(files, names, { asOfMillis, maturityMillis });
  });
}

function thresholdOf(entry: string): [string, number] {
  const [key = '', text = ''] = entry.split('=');
  return [key, numberOf(`--threshold ${key}`, text, { least: 0 })];
}

function numberOf(
  option: string,
  text: string,
  bounds: { readonly isWhole?: boolean; readonly least?: number },
): number {
  const { isWhole = false, least = Number.NEGATIVE_INFINITY } = bounds;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= least && (!isWhole || Number.isSafeInteger(value))) return value;
  const kind = isWhole ? 'a whole number' : 'a number';
  throw new UserError(`${option} ${text}: write ${kind}${Number.isFinite(least) ? ` of at least ${least}` : ''}`);
}

/** Everything but the curves, which the report has. */
function jsonOf(evaluation: Evaluation): string {
  const models = evaluation.models.map(({ curves: _curves, costs: _costs, ...model }) => model);
  return `${JSON.stringify({ ...evaluation, models }, null, 2)}\n`;
}

async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** The figures of an evaluation, for a terminal. */
export function evaluationText({ evaluation, leftOut }: EvaluationSummary): string {
  const { rows, frauds, models } = evaluation;
  const table = new Table({
    head: ['', ...MEASURE_NAMES.map((measure) => titleOf(measure, evaluation)), 'chosen threshold', 'cheapest'],
    style: { head: [], border: [] },
  });
  for (const { key, quality, cheapest, chosen } of models) {
    const cells = MEASURE_NAMES.map((measure) => measured(measure, quality[measure]));
    const costs = [thresholdText(chosen), thresholdText(cheapest)];
    table.push([key, ...cells, ...costs]);
  }
  return [
    `${rows.toLocaleString('en-US')} transactions, ${frauds.toLocaleString('en-US')} frauds`,
    ...(leftOut > 0 ? [`${leftOut.toLocaleString('en-US')} that not every model had scored are left out`] : []),
    table.toString(),
    ...verdicts(evaluation),
  ].join('\n');
}

function thresholdText(cost: ThresholdCost | undefined): string {
  return cost === undefined
    ? '–'
    : `${cost.threshold.toFixed(4)}, costs ${Math.round(cost.cost).toLocaleString('en-US')}`;
}
