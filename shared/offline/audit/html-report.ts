/**
 * The report as one file that needs nothing else: no script, no font, nothing from a network.
 *
 * The chart is rectangles in SVG rather than the work of a library: bars that share one scale are a multiplication each,
 * while the libraries that draw without a browser bring megabytes into a Lambda function, or a document object model.
 */
import {
  comparedRows,
  type FeatureSkew,
  matchRate,
  type SkewExample,
  type SkewReport,
  unexplainedCount,
} from './report.ts';

const SERIES = [
  { key: 'equal', name: 'equal', colour: '#2f855a' },
  { key: 'lateArrival', name: 'late arrival', colour: '#d69e2e' },
  { key: 'inFlight', name: 'in flight', colour: '#3182ce' },
  { key: 'unexplained', name: 'unexplained', colour: '#c53030' },
] as const satisfies readonly { key: keyof FeatureSkew; name: string; colour: string }[];

const BAR = { labelWidth: 300, width: 460, height: 14, pitch: 22, rateWidth: 90 } as const;

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #e2e8f0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, .text { text-align: left; }
.alarm { color: #c53030; font-weight: 600; } .note { color: #4a5568; max-width: 46rem; }
svg text { font: 12px system-ui, sans-serif; fill: #1a202c; } .swatch { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em; }
`;

/** Text for HTML, in elements and in attributes between quotes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

export function htmlReport(report: SkewReport): string {
  const { from, to, rows, unreadable, features, examples } = report;
  const unexplained = unexplainedCount(report);
  const verdict =
    unexplained === 0
      ? 'Every difference has a cause.'
      : `<span class="alarm">${count(unexplained)} ${unexplained === 1 ? 'difference has' : 'differences have'} no explanation.</span>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Skew audit ${escapeHtml(from)}</title><style>${STYLE}</style></head><body>
<h1>Is training what is served?</h1>
<p>${count(rows)} rows served from ${escapeHtml(from)} until ${escapeHtml(to)}, recomputed from history. ${verdict}
${unreadable === 0 ? '' : `<span class="alarm">${count(unreadable)} rows could not be understood.</span>`}</p>
<h2>Match rate by feature</h2>
<p>${SERIES.map(({ name, colour }) => `<span class="swatch" style="background:${colour}"></span>${name}`).join('')}</p>
${chart(features)}
<h2>Features</h2>
${featureTable(features)}
<p class="note">Equal is exactly equal, as a share of the rows that were recomputed; rows with another definition version,
or whose view did not answer then, are not. Late arrival: an event was counted at another time than history says that it arrived. In flight: events had
arrived within ${count(report.inFlightMillis / 1_000)} s and were not counted yet. With hindsight is no skew: the share of rows for
which everything that is in history today, however late it came, gives the same recomputed value.</p>
${examples.length === 0 ? '' : `<h2>Examples</h2>\n${exampleTable(examples)}`}
<p class="note">Sample of at most ${count(report.rowsMax)} rows, seed ${escapeHtml(report.seed)}; registry version ${escapeHtml(report.registryVersion)}.</p>
</body></html>
`;
}

function chart(features: readonly FeatureSkew[]): string {
  const compared = features.filter((skew) => matchRate(skew) !== undefined);
  const height = Math.max(1, compared.length) * BAR.pitch;
  const width = BAR.labelWidth + BAR.width + BAR.rateWidth;
  const bars = compared.map((skew, index) => bar(skew, index * BAR.pitch)).join('\n');
  return `<svg role="img" aria-label="Share of rows by cause, one bar per feature" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg">\n${bars}\n</svg>`;
}

function bar(skew: FeatureSkew, y: number): string {
  const compared = comparedRows(skew);
  let x: number = BAR.labelWidth;
  const parts = SERIES.filter(({ key }) => skew[key] > 0).map(({ key, name, colour }) => {
    const width = (skew[key] / compared) * BAR.width;
    const part = `<rect x="${x.toFixed(2)}" y="${y + 3}" width="${width.toFixed(2)}" height="${BAR.height}" fill="${colour}"><title>${name}: ${count(skew[key])} of ${count(compared)}</title></rect>`;
    x += width;
    return part;
  });
  const baseline = y + BAR.height;
  const label = `<text x="${BAR.labelWidth - 8}" y="${baseline}" text-anchor="end">${escapeHtml(skew.feature)}</text>`;
  const rate = `<text x="${BAR.labelWidth + BAR.width + 8}" y="${baseline}">${percentText(matchRate(skew))}</text>`;
  return [label, ...parts, rate].join('');
}

function featureTable(features: readonly FeatureSkew[]): string {
  const head = [
    'Feature',
    'Declared by',
    'Rows',
    'Equal',
    'Largest difference',
    'Late',
    'In flight',
    'Definition',
    'Not answered',
    'Unexplained',
    'With hindsight',
  ];
  const body = features.map((skew) => [
    cell(skew.feature),
    cell(skew.declaredBy, 'text'),
    cell(count(skew.rows)),
    cell(percentText(matchRate(skew))),
    cell(differenceText(skew)),
    cell(count(skew.lateArrival)),
    cell(count(skew.inFlight)),
    cell(count(skew.otherDefinition)),
    cell(count(skew.notAnswered)),
    cell(count(skew.unexplained), skew.unexplained > 0 ? 'alarm' : undefined),
    cell(hindsightText(skew)),
  ]);
  return table(head, body);
}

function exampleTable(examples: readonly SkewExample[]): string {
  const head = ['Feature', 'Served', 'Recomputed', 'Cause', 'Service', 'Served at', 'As of', 'Entity (hash)'];
  const body = examples.map((example) => [
    cell(example.feature),
    cell(JSON.stringify(example.served)),
    cell(JSON.stringify(example.recomputed)),
    cell(example.cause, example.cause === 'unexplained' ? 'alarm text' : 'text'),
    cell(example.service ?? '', 'text'),
    cell(example.servedAt, 'text'),
    cell(example.asOf ?? '', 'text'),
    cell(example.entityHash, 'text'),
  ]);
  return table(head, body);
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = body.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n');
  return `<table><thead><tr>${head.map((name) => `<th>${name}</th>`).join('')}</tr></thead><tbody>\n${rows}\n</tbody></table>`;
}

function cell(text: string, className?: string): string {
  return `<td${className === undefined ? '' : ` class="${className}"`}>${escapeHtml(text)}</td>`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
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
