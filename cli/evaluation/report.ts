/** An evaluation as one HTML file. */
import { type Cell, cell, count, escapeHtml, htmlPage, legend, table } from '../../shared/html-page.ts';
import type { Interval } from './bootstrap.ts';
import { charts, seriesOf } from './charts.ts';
import type { Evaluation, ModelEvaluation } from './evaluate.ts';
import type { InputFiles } from './input-files.ts';
import type { Quality, ThresholdCost } from './measures.ts';

const STYLE = `
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 1.5rem; margin-top: 1rem; }
figure { margin: 0; } figure svg { display: block; width: 100%; height: auto; max-width: 30rem; }
details { margin-top: 1.5rem; } summary { cursor: pointer; font-weight: 600; }
`;

/** How a report was made, so that it can be made again. */
export interface Made {
  /** ISO 8601. */
  readonly madeAt: string;
  readonly commandLine: string;
  readonly inputs: readonly InputFiles[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

const TITLES = {
  aucRoc: 'AUC ROC',
  averagePrecision: 'average precision',
  cardPrecision: 'card precision',
  brier: 'Brier',
} as const satisfies Record<keyof Quality, string>;

/** Those that can be told: without cards, there is none of cards. */
export function measuresOf({ cards }: Evaluation): (keyof Quality)[] {
  return ['aucRoc', 'averagePrecision', ...(cards > 0 ? (['cardPrecision'] as const) : []), 'brier'];
}

export function titleOf(measure: keyof Quality, { settings }: Evaluation): string {
  return measure === 'cardPrecision' ? `card precision@${settings.cardsChecked}` : TITLES[measure];
}

export async function htmlEvaluation(evaluation: Evaluation, made: Made): Promise<string> {
  const { settings, models } = evaluation;
  const { champion, names, falseAlarmCost } = settings;
  const drawn = await charts(evaluation);
  const body = `<h1>Evaluation of ${escapeHtml(champion)}</h1>
<p>${escapeHtml(rowsSentence(evaluation))}</p>
<ul>${[...verdicts(evaluation), ...made.notes].map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join('')}</ul>
<h2>Measures</h2>
${measureTable(evaluation)}
<p class="note">${measureNote(evaluation)}</p>
<h2>Thresholds</h2>
${thresholdTable(evaluation)}
<p class="note">One that is missed costs ${names.amount === undefined ? '1' : `its ${escapeHtml(names.amount)}`}, a false alarm ${falseAlarmCost}. Chosen thresholds were
chosen before, on other rows. The cheapest is known in hindsight only, and shows what a better choice could have saved.</p>
<h2>Curves</h2>
${legend(seriesOf(evaluation))}
<div class="charts">${drawn
    .map(
      ({ title, caption, svg }) =>
        `<figure><h3>${escapeHtml(title)}</h3>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`,
    )
    .join('\n')}</div>
<h2>Scores</h2>
${models.map((model) => scoreTable(model, names.label, model.key === champion)).join('\n')}
<h2>How it was made</h2>
<p>On ${escapeHtml(made.madeAt)}, by <code>${escapeHtml(made.commandLine)}</code></p>
${inputTable(made.inputs)}`;
  return htmlPage({ title: `Evaluation of ${champion}`, body, style: STYLE });
}

function rowsSentence({ rows, frauds, cards, days, fraudAmount, settings: { names } }: Evaluation): string {
  const whose = cards > 0 ? ` of ${count(cards)} ${names.card} on ${count(days)} ${days === 1 ? 'day' : 'days'}` : '';
  const worth = names.amount === undefined ? '' : `, in which the sum of ${names.amount} is ${count(fraudAmount)}`;
  return `${count(rows)} rows${whose}. ${names.label} is true of ${count(frauds)}${worth}.`;
}

/** One sentence for each challenger: by which measures it is better or worse than luck explains. */
export function verdicts(evaluation: Evaluation): string[] {
  const { settings, models } = evaluation;
  return models.flatMap(({ key, improvements }) => {
    if (improvements === undefined) return [];
    const found = Map.groupBy(measuresOf(evaluation), (measure) => standing(improvements[measure]));
    const parts = (['better', 'worse', 'even'] as const).flatMap((kind) => {
      const names = found.get(kind)?.map((measure) => titleOf(measure, evaluation)) ?? [];
      return names.length > 0 ? [`${kind} by ${names.join(', ')}`] : [];
    });
    return [`${key} against ${settings.champion}: ${parts.join('; ')}.`];
  });
}

/** What an interval of improvements says about the challenger. */
export function standing({ low, high }: Interval): 'better' | 'worse' | 'even' {
  if (low > 0) return 'better';
  return high < 0 ? 'worse' : 'even';
}

function measureTable(evaluation: Evaluation): string {
  const measures = measuresOf(evaluation);
  const head = ['Model', ...measures.map((measure) => titleOf(measure, evaluation))];
  const body = evaluation.models.map(({ key, quality, improvements }) => [
    cell(key),
    ...measures.map((measure): Cell => {
      const value = escapeHtml(measured(measure, quality[measure]));
      if (improvements === undefined) return { html: value };
      const { low, high } = improvements[measure];
      const html = `${value} <small>[${signed(low)}, ${signed(high)}]</small>`;
      return { html, className: `wide ${standing(improvements[measure])}` };
    }),
  ]);
  return table(head, body);
}

function measureNote(evaluation: Evaluation): string {
  const { bootstrapDraws, cardsChecked } = evaluation.settings;
  const hasCards = evaluation.cards > 0;
  const brackets =
    evaluation.models.length > 1
      ? `In brackets, by how much a challenger is better than the champion; negative is worse. 95 % of ${count(bootstrapDraws)} draws of
${hasCards ? 'cards' : 'rows'} with replacement lie in it. Green: better than luck explains; red: worse. `
      : '';
  const cards = hasCards
    ? `Card precision: of ${count(cardsChecked)} cards checked each day, those of the highest scores, the share that was compromised; mean
over days, without cards found before. `
    : '';
  return `${brackets}${cards}Brier: mean squared distance of the score from what happened; lower is better.`;
}

/** What became of rows at each threshold. */
function thresholdTable(evaluation: Evaluation): string {
  const { models, rows, frauds, fraudAmount } = evaluation;
  const row = (
    name: string,
    threshold: string,
    { cost, missedFrauds, falseAlarms }: Omit<ThresholdCost, 'threshold'>,
  ) =>
    [
      name,
      threshold,
      count(cost),
      count(frauds - missedFrauds),
      count(missedFrauds),
      count(falseAlarms),
      count(rows - frauds - falseAlarms),
    ].map((text) => cell(text));
  const ofModels = models.flatMap(({ key, chosen, cheapest }) => [
    ...(chosen === undefined ? [] : [row(`${key}, chosen`, chosen.threshold.toFixed(4), chosen)]),
    row(`${key}, cheapest`, cheapest.threshold.toFixed(4), cheapest),
  ]);
  const nothing = row('nothing refused', '1', { cost: fraudAmount, missedFrauds: frauds, falseAlarms: 0 });
  return table(
    ['Model', 'Threshold', 'Cost', 'Caught', 'Missed', 'False alarms', 'Rightly let through'],
    [...ofModels, nothing],
  );
}

/** How scores are spread, and the points of the calibration. */
function scoreTable({ key, calibration }: ModelEvaluation, label: string, isOpen: boolean): string {
  const body = calibration.map(({ upTo, rows, frauds, fraudShare, meanScore }) =>
    [
      `${(upTo - 0.1).toFixed(1)} to ${upTo.toFixed(1)}`,
      count(rows),
      count(frauds),
      fraudShare.toFixed(4),
      meanScore.toFixed(4),
    ].map((text) => cell(text)),
  );
  const scores = table(['Score', 'Rows', label, 'Share', 'Mean score'], body);
  return `<details${isOpen ? ' open' : ''}><summary>${escapeHtml(key)}</summary>${scores}</details>`;
}

function inputTable(inputs: readonly InputFiles[]): string {
  const body = inputs.map(({ option, path, files, bytes, sha256 }): Cell[] => [
    cell(option),
    { html: `<code>${escapeHtml(path)}</code>`, className: 'text long' },
    cell(count(files)),
    cell(count(bytes)),
    { html: `<code>${sha256}</code>`, className: 'text long' },
  ]);
  return table(['Input', 'Path', 'Files', 'Bytes', 'SHA-256 of all contents'], body);
}

/** Brier scores of rare events are small, whatever the model. */
export function measured(measure: keyof Quality, value: number): string {
  return value.toFixed(measure === 'brier' ? 5 : 3);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(Math.abs(value) < 0.001 ? 5 : 3)}`;
}
