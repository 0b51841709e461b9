/** The report of an audit as one HTML file. */
import { type Cell, cell, count, escapeHtml, htmlPage, legend, table } from '../../html-page.ts';
import {
  comparedRows,
  type FeatureSkew,
  matchRate,
  type SkewExample,
  type SkewReport,
  unexplainedCount,
} from './report.ts';

/** What a row of a feature can be; they add up to its rows. */
const OUTCOMES = [
  { key: 'equal', name: 'equal', colour: '#38a169' },
  { key: 'unexplained', name: 'unexplained', colour: '#e53e3e' },
  { key: 'lateArrival', name: 'late arrival', colour: '#d69e2e' },
  { key: 'inFlight', name: 'in flight', colour: '#3d8bd4' },
  { key: 'otherDefinition', name: 'other definition', colour: '#9f7aea' },
  { key: 'notAnswered', name: 'not answered', colour: '#8a94a6' },
] as const satisfies readonly { key: keyof FeatureSkew; name: string; colour: string }[];

const STYLE = `
.bars { display: grid; grid-template-columns: auto auto 1fr; gap: .15rem .75rem; align-items: center; font-size: 13px; margin-top: .75rem; }
.bar { display: flex; height: 13px; background: var(--rule); } .rate { text-align: right; }
@media (max-width: 720px) { .bars { grid-template-columns: minmax(0, 1fr) auto; } .feature { overflow-wrap: anywhere; } .bar { grid-column: 1 / -1; margin-bottom: .35rem; } }
`;

export function htmlReport(report: SkewReport): string {
  const { from, to, rows, unreadable, features, examples } = report;
  const body = `<h1>Is training what is served?</h1>
<p>${count(rows)} rows served from ${escapeHtml(from)} until ${escapeHtml(to)}, recomputed from history. ${verdict(report)}
${unreadable === 0 ? '' : `<span class="alarm">${count(unreadable)} rows could not be understood.</span>`}</p>
<h2>Match rate by feature</h2>
${legend(OUTCOMES)}
<div class="bars" role="img" aria-label="Share of rows by cause, one bar per feature">
${features.map(bar).join('\n')}
</div>
<h2>Features</h2>
${featureTable(features)}
<p class="note">Equal is exactly equal, as a share of the rows that were recomputed; rows with another definition version,
or whose view did not answer then, are not. Late arrival: an event was counted at another time than history says that it arrived. In flight: events had
arrived within ${count(report.inFlightMillis / 1_000)} s and were not counted yet. With hindsight is no skew: the share of rows for
which everything that is in history today, however late it came, gives the same recomputed value.</p>
${examples.length === 0 ? '' : `<h2>Examples</h2>\n${exampleTable(examples)}`}
<p class="note">Sample of at most ${count(report.rowsMax)} rows, seed ${escapeHtml(report.seed)}; registry version ${escapeHtml(report.registryVersion)}.</p>`;
  return htmlPage({ title: `Skew audit ${from}`, body, style: STYLE });
}

function verdict(report: SkewReport): string {
  const unexplained = unexplainedCount(report);
  if (report.rows === 0) return '<span class="alarm">Nothing was compared.</span>';
  if (unexplained === 0) return 'Every difference has a cause.';
  return `<span class="alarm">${count(unexplained)} ${unexplained === 1 ? 'difference has' : 'differences have'} no explanation.</span>`;
}

/** Bars are HTML, so that their texts keep their size on any screen. */
function bar(skew: FeatureSkew): string {
  const parts = OUTCOMES.filter(({ key }) => skew[key] > 0).map(({ key, name, colour }) => {
    const width = ((skew[key] / skew.rows) * 100).toFixed(3);
    return `<span style="width:${width}%;background:${colour}" title="${name}: ${count(skew[key])} of ${count(skew.rows)}"></span>`;
  });
  return `<span class="feature">${escapeHtml(skew.feature)}</span><span class="rate">${percentText(matchRate(skew))}</span><span class="bar">${parts.join('')}</span>`;
}

function featureTable(features: readonly FeatureSkew[]): string {
  const head = [
    'Feature',
    'Unexplained',
    'With hindsight',
    'Equal',
    'Largest difference',
    'Rows',
    'Late arrival',
    'In flight',
    'Other definition',
    'Not answered',
    'Declared by',
  ];
  const body = features.map((skew): Cell[] => [
    cell(skew.feature),
    cell(count(skew.unexplained), skew.unexplained > 0 ? 'alarm' : undefined),
    cell(hindsightText(skew)),
    cell(percentText(matchRate(skew))),
    cell(differenceText(skew)),
    cell(count(skew.rows)),
    ...[skew.lateArrival, skew.inFlight, skew.otherDefinition, skew.notAnswered].map((rows) =>
      cell(count(rows), rows === 0 ? 'zero' : undefined),
    ),
    cell(skew.declaredBy, 'text long'),
  ]);
  return table(head, body);
}

function exampleTable(examples: readonly SkewExample[]): string {
  const head = ['Feature', 'Cause', 'Served', 'Recomputed', 'Entity (hash)', 'Served at', 'As of', 'Service'];
  const body = examples.map((example): Cell[] => [
    cell(example.feature),
    cell(example.cause, example.cause === 'unexplained' ? 'text words alarm' : 'text words'),
    cell(JSON.stringify(example.served), 'wide'),
    cell(JSON.stringify(example.recomputed), 'wide'),
    cell(example.entityHash, 'text'),
    cell(example.servedAt, 'text'),
    cell(example.asOf ?? '', 'text'),
    cell(example.service ?? '', 'text long'),
  ]);
  return table(head, body);
}

/** Rounded down: what is not all is never shown as 100 %. */
export function percentText(share: number | undefined): string {
  if (share === undefined) return '–';
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
}

export function differenceText({ largestDifference }: FeatureSkew): string {
  return largestDifference === null ? 'other values' : String(Number(largestDifference.toPrecision(6)));
}

export function hindsightText(skew: FeatureSkew): string {
  const { hindsightEqual } = skew;
  return percentText(hindsightEqual === null ? undefined : hindsightEqual / comparedRows(skew));
}
