/** An evaluation as one HTML file that needs nothing else: no script, no font, nothing from a network. */
import { escapeHtml } from '../../shared/offline/audit/html-report.ts';
import type { Interval } from './bootstrap.ts';
import { charts } from './charts.ts';
import type { Evaluation, ModelEvaluation } from './evaluate.ts';
import type { Quality, ThresholdCost } from './measures.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #e2e8f0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td small { color: #4a5568; }
.better { color: #2f855a; } .worse { color: #c53030; } .note { color: #4a5568; max-width: 46rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { color: #4a5568; max-width: 30rem; } svg { max-width: 100%; height: auto; }
`;

export const MEASURES = {
  aucRoc: { title: 'AUC ROC', isHigherBetter: true },
  averagePrecision: { title: 'average precision', isHigherBetter: true },
  cardPrecision: { title: 'card precision', isHigherBetter: true },
  brier: { title: 'Brier', isHigherBetter: false },
} as const satisfies Record<keyof Quality, { title: string; isHigherBetter: boolean }>;

export const MEASURE_NAMES = ['aucRoc', 'averagePrecision', 'cardPrecision', 'brier'] as const;

export function titleOf(measure: keyof Quality, { settings }: Evaluation): string {
  return measure === 'cardPrecision' ? `card precision@${settings.cardsChecked}` : MEASURES[measure].title;
}

export async function htmlEvaluation(evaluation: Evaluation): Promise<string> {
  const { settings, rows, frauds, cards, days, fraudAmount, models } = evaluation;
  const drawn = await charts(evaluation);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation of ${escapeHtml(settings.champion)}</title><style>${STYLE}</style></head><body>
<h1>Who tells fraud best?</h1>
<p>${count(rows)} transactions of ${count(cards)} cards on ${count(days)} days, ${count(frauds)} of them frauds, worth ${count(fraudAmount)}.</p>
<ul>${verdicts(evaluation)
    .map((verdict) => `<li>${escapeHtml(verdict)}</li>`)
    .join('')}</ul>
<h2>Measures</h2>
${measureTable(evaluation)}
<p class="note">In brackets, champion − challenger: 95 % of ${count(settings.bootstrapDraws)} draws of cards with replacement lie in it. Green: the
challenger is better than luck explains; red: worse. Card precision: of ${count(settings.cardsChecked)} cards checked each day, those of the
highest scores, the share that was compromised; mean over days, without cards found before. Brier: mean squared distance of
the score from what happened; lower is better.</p>
<h2>Thresholds</h2>
${thresholdTable(models, fraudAmount)}
<p class="note">A missed fraud costs its amount, a false alarm ${count(settings.falseAlarmCost)}. Chosen thresholds were chosen before, on other
transactions. The cheapest is known in hindsight only, and shows what a better choice could have saved.</p>
<h2>Curves</h2>
<div class="charts">${drawn
    .map(
      ({ title, caption, svg }) =>
        `<figure><h3>${escapeHtml(title)}</h3>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`,
    )
    .join('\n')}</div>
</body></html>
`;
}

/** One sentence for each challenger: by which measures it is better or worse than luck explains. */
export function verdicts(evaluation: Evaluation): string[] {
  const { settings, models } = evaluation;
  return models.flatMap(({ key, differences }) => {
    if (differences === undefined) return [];
    const found = Map.groupBy(MEASURE_NAMES, (measure) => standing(measure, differences[measure]));
    const parts = (['better', 'worse', 'even'] as const).flatMap((kind) => {
      const names = found.get(kind)?.map((measure) => titleOf(measure, evaluation)) ?? [];
      return names.length > 0 ? [`${kind} by ${names.join(', ')}`] : [];
    });
    return [`${key} against ${settings.champion}: ${parts.join('; ')}.`];
  });
}

/** What an interval of champion − challenger says about the challenger. */
export function standing(measure: keyof Quality, { low, high }: Interval): 'better' | 'worse' | 'even' {
  if (low <= 0 && high >= 0) return 'even';
  return MEASURES[measure].isHigherBetter === high < 0 ? 'better' : 'worse';
}

function measureTable(evaluation: Evaluation): string {
  const head = ['Model', ...MEASURE_NAMES.map((measure) => titleOf(measure, evaluation))];
  const body = evaluation.models.map(({ key, quality, differences }) => [
    cell(key),
    ...MEASURE_NAMES.map((measure) => {
      const value = escapeHtml(measured(measure, quality[measure]));
      if (differences === undefined) return `<td>${value}</td>`;
      const found = standing(measure, differences[measure]);
      const { low, high } = differences[measure];
      return `<td class="${found}">${value} <small>[${signed(low)}, ${signed(high)}]</small></td>`;
    }),
  ]);
  return table(head, body);
}

function thresholdTable(models: readonly ModelEvaluation[], fraudAmount: number): string {
  const head = ['Model', 'Chosen', 'Cost', 'Missed', 'False alarms', 'Cheapest', 'Cost', 'Missed', 'False alarms'];
  const body = models.map(({ key, chosen, cheapest }) => [cell(key), ...costCells(chosen), ...costCells(cheapest)]);
  const nothing = [
    cell('refusing nothing'),
    ...costCells(undefined),
    cell(''),
    cell(count(fraudAmount)),
    cell(''),
    cell(''),
  ];
  return table(head, [...body, nothing]);
}

function costCells(cost: ThresholdCost | undefined): string[] {
  if (cost === undefined) return ['–', '', '', ''].map(cell);
  return [cost.threshold.toFixed(4), count(cost.cost), count(cost.missedFrauds), count(cost.falseAlarms)].map(cell);
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = body.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n');
  return `<table><thead><tr>${head.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr></thead><tbody>\n${rows}\n</tbody></table>`;
}

function cell(text: string): string {
  return `<td>${escapeHtml(text)}</td>`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Brier scores of rare events are small, whatever the model. */
export function measured(measure: keyof Quality, value: number): string {
  return value.toFixed(measure === 'brier' ? 5 : 3);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(Math.abs(value) < 0.001 ? 5 : 3)}`;
}
