/** Reports as a browser shows them, on a desk and on a phone. Skipped where there is no Chromium. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { evaluate } from '../../cli/evaluation/evaluate.ts';
import { htmlEvaluation } from '../../cli/evaluation/report.ts';
import { scoredRows } from '../../cli/evaluation/scored-rows.ts';
import { escapeHtml } from '../../shared/html-page.ts';
import { htmlReport } from '../../shared/offline/audit/html-report.ts';

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
if (browser === undefined) console.warn('report-pages: there is no Chromium, so pages are not measured');

const directory = mkdtempSync(join(tmpdir(), 'report-pages-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const LONG = 'distinct_merchants_of_declined_payments_24h';

function auditPage(): string {
  const skew = {
    declaredBy: 'transactions_by_merchant_and_country@12',
    rows: 1_234_567,
    equal: 1_000_000,
    lateArrival: 200_000,
    inFlight: 30_000,
    otherDefinition: 4_000,
    notAnswered: 500,
    unexplained: 67,
    largestDifference: 123_456.789,
    hindsightEqual: 999_999,
  };
  const example = {
    feature: LONG,
    declaredBy: skew.declaredBy,
    served: 89.208_571_428_571_43,
    recomputed: 123_456.789_012_345,
    cause: 'other definition version' as const,
    service: 'fraud_detection_of_cards@12',
    entityHash: '4bf43d00',
    servedAt: '2026-11-20T00:39:36.000Z',
    asOf: '2026-11-20T00:39:34.108Z',
  };
  return htmlReport({
    from: '2026-11-20T00:00:00.000Z',
    to: '2026-11-21T00:00:00.000Z',
    rowsMax: 2_000_000,
    seed: 'audit',
    inFlightMillis: 300_000,
    registryVersion: 'ff72d8b671ee3faf',
    rows: skew.rows,
    unreadable: 3,
    features: [LONG, 'is_burst'].map((feature) => ({ ...skew, feature })),
    examples: [example],
  });
}

async function evaluationPage(): Promise<string> {
  const models = ['boosted_trees_merchant@1', 'logistic_regression_of_payments@12'];
  const rows = Array.from({ length: 400 }, (_, index) => ({
    card: `card-${index % 40}`,
    timeMillis: index * 10_000_000,
    amount: 12_345.67,
    isFraud: index % 10 === 0,
    scores: Object.fromEntries(models.map((model, of) => [model, (Math.sin(index * (of + 12.9898)) + 1) / 2])),
  }));
  const [champion = ''] = models;
  const evaluation = evaluate(scoredRows(rows, models), {
    names: { label: 'is_account_takeover', card: 'customer_account_id', amount: 'amount' },
    champion,
    cardsChecked: 100,
    falseAlarmCost: 10,
    thresholds: { [champion]: 0.4 },
    bootstrapDraws: 5,
    seed: 1,
  });
  const path = 's3://a-bucket-with-a-long-name/history/of/served_rows/served_rows.parquet';
  return htmlEvaluation(evaluation, {
    madeAt: '2026-11-20T00:00:00.000Z',
    commandLine: `feature-store evaluate --scores ${path} --champion ${champion} --report evaluation.html`,
    inputs: [{ option: '--scores', path, files: 1, bytes: 123_456_789, sha256: 'e7109b41'.repeat(8) }],
    notes: [],
  });
}

const Measured = z.array(
  z.object({
    scrollWidth: z.number(),
    beyond: z.array(z.string()),
    text: z.number(),
    chartText: z.number().nullable(),
  }),
);

/** Runs within the browser: what each frame shows. */
const MEASURE = `
const measured = [...document.querySelectorAll('iframe')].map(({ contentDocument: page, clientWidth }) => {
  const sizes = { text: [], chartText: [] };
  const beyond = [];
  for (const element of page.body.querySelectorAll('*')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    const box = element.getBoundingClientRect();
    if (!hasText || box.width === 0) continue;
    if (box.left < 0 || box.right > clientWidth) beyond.push(element.textContent);
    const size = parseFloat(getComputedStyle(element).fontSize);
    const svg = element.closest('svg');
    if (svg === null) sizes.text.push(size);
    else sizes.chartText.push((size * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width);
  }
  const chartText = sizes.chartText.length > 0 ? Math.min(...sizes.chartText) : null;
  return { scrollWidth: page.documentElement.scrollWidth, beyond, text: Math.min(...sizes.text), chartText };
});
document.body.innerHTML = '<pre>' + btoa(unescape(encodeURIComponent(JSON.stringify(measured)))) + '</pre>';`;

function measure(page: string, widths: readonly number[]): z.infer<typeof Measured> {
  const frames = widths.map(
    (width) => `<iframe style="border:0;width:${width}px;height:900px" srcdoc="${escapeHtml(page)}"></iframe>`,
  );
  const host = join(directory, 'host.html');
  writeFileSync(
    host,
    `<!doctype html><meta charset="utf-8"><body>${frames.join('')}<script>addEventListener('load', () => {${MEASURE}})</script>`,
  );
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    `--user-data-dir=${directory}`,
  ];
  const { stdout, stderr } = spawnSync(browser ?? '', [...flags, '--dump-dom', `file://${host}`], { encoding: 'utf8' });
  const [, text] = /<pre>([A-Za-z0-9+/=]+)<\/pre>/.exec(stdout) ?? [];
  if (text === undefined) throw new Error(`${browser} measured nothing: ${stderr}`);
  return Measured.parse(JSON.parse(Buffer.from(text, 'base64').toString('utf8')));
}

describe.skipIf(browser === undefined)('a report in a browser', () => {
  it.each([
    ['an audit', async () => auditPage()],
    ['an evaluation', evaluationPage],
  ])('%s shows everything at any width, in letters that can be read', async (_name, make) => {
    const page = await make();
    const widths = [1280, 1201, 768, 390, 360];
    for (const [index, { scrollWidth, beyond, text, chartText }] of measure(page, widths).entries()) {
      expect({ scrollWidth, beyond }).toEqual({ scrollWidth: widths[index], beyond: [] });
      expect(text).toBeGreaterThanOrEqual(12);
      expect(chartText ?? 11).toBeGreaterThanOrEqual(11);
    }
  });
});

describe('a report', () => {
  it('names in its legend what its table counts, and puts what decides first', () => {
    const page = auditPage();
    const heads = [...page.matchAll(/<th[^>]*>([^<]*)<\/th>/g)].map(([, head]) => head?.toLowerCase());
    const legend = /<div class="legend">(.*?)<\/div>/.exec(page)?.[1] ?? '';
    const names = [...legend.matchAll(/<\/span>([^<]+)<\/span>/g)].map(([, name]) => name);
    expect(heads.slice(0, 3)).toEqual(['feature', 'unexplained', 'with hindsight']);
    expect(names).toHaveLength(6);
    expect(heads).toEqual(expect.arrayContaining(names));
  });

  it.each([
    ['an audit', async () => auditPage()],
    ['an evaluation', evaluationPage],
  ])('%s needs nothing else, and is dark where the reader wants it', async (_name, make) => {
    const page = await make();
    expect(page.match(/<script|<link|<img|@import|url\((?!#)|https?:\/\/(?!www\.w3\.org\/)/)).toBeNull();
    expect(page.includes('@media (prefers-color-scheme: dark)')).toBe(true);
  });
});
