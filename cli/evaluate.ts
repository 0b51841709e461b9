import Table from 'cli-table3';
import { parseDuration } from '../shared/definitions/duration.ts';
import type { Duration } from '../shared/definitions/index.ts';
import { type Evaluation, evaluate } from './evaluation/evaluate.ts';
import { type InputFiles, inputFiles } from './evaluation/input-files.ts';
import type { ThresholdCost } from './evaluation/measures.ts';
import { type Compared, type ReadRows, rowsText } from './evaluation/read-rows.ts';
import { readScores } from './evaluation/read-scores.ts';
import { readServed } from './evaluation/read-served.ts';
import { htmlEvaluation, measured, measuresOf, titleOf, verdicts } from './evaluation/report.ts';
import { scoredRows } from './evaluation/scored-rows.ts';
import { repositoryOf } from './repository.ts';
import { withDownloads } from './s3.ts';
import { globOf } from './training-set.ts';
import { UserError } from './user-error.ts';
import { writeOutput } from './write-output.ts';

export interface EvaluateOptions {
  /** A Parquet file of scores and outcomes; or else `served` and `labels`. */
  readonly scores?: string;
  readonly served?: string;
  readonly labels?: string;
  readonly features?: string;
  readonly service?: string;
  readonly labelSource?: string;
  readonly labelledEvent?: string;
  /** ISO 8601: labels that arrived later are not known. */
  readonly asOf?: string;
  readonly maturity: string;
  readonly label?: string;
  readonly card?: string;
  readonly time?: string;
  readonly amount?: string;
  readonly champion: string;
  /** Default: every other model. */
  readonly challenger?: readonly string[];
  /** `name@version=0.4` each. */
  readonly threshold?: readonly string[];
  /** Default: 10; without amounts 1, which is what a missed fraud costs then. */
  readonly falseAlarmCost?: string;
  readonly cardsChecked: string;
  readonly draws: string;
  readonly seed: string;
  readonly report: string;
  readonly json?: string;
  /** What the report says of how it was made: the arguments, without the program. */
  readonly commandLine: readonly string[];
}

export interface EvaluationSummary {
  readonly evaluation: Evaluation;
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

interface Read extends ReadRows {
  readonly inputs: readonly InputFiles[];
}

/** Compares models on what became of rows, and writes the report. @throws UserError */
export async function evaluateModels(options: EvaluateOptions, clock = Date.now): Promise<EvaluationSummary> {
  const { champion, challenger: challengers, falseAlarmCost } = options;
  const thresholds = Object.fromEntries((options.threshold ?? []).map(thresholdOf));
  const settings = {
    champion,
    thresholds,
    cardsChecked: numberOf('--cards-checked', options.cardsChecked, { isWhole: true, least: 1 }),
    bootstrapDraws: numberOf('--draws', options.draws, { isWhole: true, least: 1 }),
    seed: numberOf('--seed', options.seed, { isWhole: true }),
    ...(falseAlarmCost !== undefined && {
      falseAlarmCost: numberOf('--false-alarm-cost', falseAlarmCost, { least: 0 }),
    }),
  };
  const { rows, models, names, notes, inputs } = await readRows(options, { champion, challengers });
  const unknown = Object.keys(thresholds).find((key) => !models.includes(key));
  if (unknown !== undefined) {
    throw new UserError(`--threshold ${unknown}: that is not compared; compared are ${models.join(', ')}`);
  }
  if (rows.length === 0) throw new UserError(`no row whose outcome is known was scored by all of ${models.join(', ')}`);
  const frauds = rows.filter(({ isFraud }) => isFraud).length;
  if (frauds === 0 || frauds === rows.length) {
    throw new UserError(
      `of ${rowsText(rows.length)} that all models scored, ${names.label} is true of ${frauds}: models can be told apart only where ` +
        'it is true of some and false of others',
    );
  }
  const evaluation = evaluate(scoredRows(rows, models), {
    falseAlarmCost: names.amount === undefined ? 1 : 10,
    ...settings,
    names,
  });
  const made = {
    madeAt: new Date(clock()).toISOString(),
    commandLine: ['feature-store', ...options.commandLine].map(shellWord).join(' '),
    inputs,
    notes: [...notes, ...withoutNames(evaluation)],
  };
  await writeOutput(options.report, await htmlEvaluation(evaluation, made));
  if (options.json !== undefined) await writeOutput(options.json, jsonOf({ ...made, ...evaluation }));
  return { evaluation, notes: made.notes };
}

/** As a shell takes it. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** What cannot be said without a card, or without an amount. */
function withoutNames({ settings: { names, falseAlarmCost } }: Evaluation): string[] {
  const { label, card, amount } = names;
  return [
    ...(card === undefined ? ['card precision is left out: name whose rows they are with --card'] : []),
    ...(amount === undefined
      ? [`there are no amounts: a missed ${label} costs 1, a false alarm ${falseAlarmCost}; name them with --amount`]
      : []),
  ];
}

async function readRows(options: EvaluateOptions, compared: Compared): Promise<Read> {
  const { scores, served, labels, label, card, time, amount, service, labelSource, labelledEvent } = options;
  const columns = { label, card, time, amount };
  if (scores !== undefined && served === undefined) {
    return withDownloads(async (download) => {
      const glob = await globOf(scores, download);
      const read = await readScores(glob, columns, compared);
      return { ...read, inputs: [await inputFiles('--scores', scores, glob)] };
    });
  }
  if (scores !== undefined || served === undefined)
    throw new UserError('give either --scores, or --served with --labels');
  if (labels === undefined || options.asOf === undefined)
    throw new UserError('--served also needs --labels and --as-of');
  const maturity = maturityOf(options.asOf, options.maturity);
  const repository = await repositoryOf(options);
  return withDownloads(async (download) => {
    const files = { served: await globOf(served, download), labels: await globOf(labels, download) };
    const names = { ...columns, service, labelSource, labelledEvent };
    const read = await readServed(files, repository, { names, compared, maturity });
    const inputs = [
      await inputFiles('--served', served, files.served),
      await inputFiles('--labels', labels, files.labels),
    ];
    return { ...read, inputs };
  });
}

function maturityOf(asOf: string, maturity: string) {
  const asOfMillis = Date.parse(asOf);
  if (Number.isNaN(asOfMillis)) throw new UserError(`--as-of ${asOf}: write an instant such as 2026-11-20T06:00:00Z`);
  return { asOfMillis, maturityMillis: parseDuration('--maturity', maturity as Duration) };
}

function thresholdOf(entry: string): [string, number] {
  // A column may be called anything.
  const separator = entry.lastIndexOf('=');
  if (separator <= 0) throw new UserError(`--threshold ${entry}: write the model and its threshold, as in trees@1=0.4`);
  const key = entry.slice(0, separator);
  return [key, numberOf(`--threshold ${key}`, entry.slice(separator + 1), { least: 0, most: 1 })];
}

function numberOf(
  option: string,
  text: string,
  bounds: { readonly isWhole?: boolean; readonly least?: number; readonly most?: number },
): number {
  const { isWhole = false, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = bounds;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= least && value <= most && (!isWhole || Number.isSafeInteger(value)))
    return value;
  const kind = isWhole ? 'a whole number' : 'a number';
  const range = Number.isFinite(most)
    ? ` from ${least} to ${most}`
    : Number.isFinite(least)
      ? ` of at least ${least}`
      : '';
  throw new UserError(`${option} ${text}: write ${kind}${range}`);
}

/** Everything but the curves, which the report has. */
function jsonOf(evaluation: Evaluation & object): string {
  const models = evaluation.models.map(({ curves: _curves, costs: _costs, ...model }) => model);
  return `${JSON.stringify({ ...evaluation, models }, null, 2)}\n`;
}

/** The figures of an evaluation, for a terminal. */
export function evaluationText({ evaluation, notes }: EvaluationSummary): string {
  const { rows, frauds, models, settings } = evaluation;
  const measures = measuresOf(evaluation);
  const isChosen = models.some(({ chosen }) => chosen !== undefined);
  const table = new Table({
    head: [
      '',
      ...measures.map((measure) => titleOf(measure, evaluation)),
      ...(isChosen ? ['chosen threshold'] : []),
      'cheapest',
    ],
    // Without rules between rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  });
  for (const { key, quality, cheapest, chosen } of models) {
    const cells = measures.map((measure) => measured(measure, quality[measure]));
    table.push([key, ...cells, ...(isChosen ? [thresholdText(chosen)] : []), thresholdText(cheapest)]);
  }
  return [
    `${rowsText(rows)}; ${settings.names.label} is true of ${frauds.toLocaleString('en-US')}`,
    ...notes.map((note) => `note: ${note}`),
    table.toString(),
    ...verdicts(evaluation),
  ].join('\n');
}

function thresholdText(cost: ThresholdCost | undefined): string {
  return cost === undefined
    ? 'none given'
    : `${cost.threshold.toFixed(4)}, costs ${Math.round(cost.cost).toLocaleString('en-US')}`;
}
