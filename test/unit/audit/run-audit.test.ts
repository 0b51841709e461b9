import { Metrics } from '@aws-lambda-powertools/metrics';
import { afterEach, expect, it, vi } from 'vitest';
import { type AuditPorts, runAudit } from '../../../functions/audit/run-audit.ts';
import { repository } from '../../../shared/features/index.ts';
import { escapeHtml } from '../../../shared/html-page.ts';
import type { AuditSample } from '../../../shared/offline/audit/audit-source.ts';
import { htmlReport, percentText } from '../../../shared/offline/audit/html-report.ts';
import type { SkewReport } from '../../../shared/offline/audit/report.ts';
import type { StoredRow } from '../../../shared/offline/audit/served-record.ts';
import { ROW_LOGS } from '../../../shared/offline/row-logs.ts';
import { serve, transaction } from '../serve/harness.ts';

const stored = (row: object): StoredRow =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));

/** One decision through the real handler, as it lands. */
async function oneDecision() {
  const served: StoredRow[] = [];
  const deliveries: StoredRow[] = [];
  const add = (table: string, row: object) =>
    (table === ROW_LOGS.served.schema.tableName ? served : deliveries).push(stored(row));
  const api = serve({ rows: { sink: { add, send: async () => undefined }, waits: true } });
  expect((await api.predict(transaction())).status).toBe(200);
  return { served, deliveries };
}

const edited = (row: StoredRow | undefined, column: string, change: Readonly<Record<string, unknown>>): StoredRow => ({
  ...row,
  [column]: JSON.stringify({ ...JSON.parse(String(row?.[column])), ...change }),
});

function ports(served: readonly StoredRow[], deliveries: readonly StoredRow[]) {
  const files = new Map<string, string>();
  const samples: AuditSample[] = [];
  const metrics = new Metrics({ namespace: 'Test', serviceName: 'audit' });
  const measured = vi.spyOn(metrics, 'addMetric');
  vi.spyOn(metrics, 'publishStoredMetrics').mockImplementation(() => {
    metrics.clearDimensions();
    return metrics;
  });
  const auditPorts: AuditPorts = {
    source: {
      servedRows: async (sample) => {
        samples.push(sample);
        return served;
      },
      deliveries: async (_sample, { source }) => (source.name === 'transactions' ? deliveries : []),
    },
    repository,
    clock: () => Date.UTC(2026, 1, 1, 3),
    metrics,
    rowsMax: 10,
    store: async ({ key, text }) => {
      files.set(key, text);
    },
  };
  const reportOf = (date: string): SkewReport => JSON.parse(files.get(`audits/${date}/report.json`) ?? '');
  return { auditPorts, files, samples, measured, reportOf };
}

afterEach(() => vi.restoreAllMocks());

it('audits yesterday, keeps the report twice and measures it', async () => {
  const { served, deliveries } = await oneDecision();
  const { auditPorts, files, samples, reportOf, measured } = ports(served, deliveries);
  const summary = await runAudit(auditPorts, { 'detail-type': 'Scheduled Event' });
  expect(summary).toEqual({
    date: '2026-01-31',
    rows: 1,
    unreadable: 0,
    unexplained: 0,
    report: 'audits/2026-01-31/report.html',
  });
  expect(samples).toMatchObject([{ fromMillis: Date.UTC(2026, 0, 31), toMillis: Date.UTC(2026, 1, 1), rowsMax: 10 }]);
  expect([...files.keys()]).toEqual(['audits/2026-01-31/report.json', 'audits/2026-01-31/report.html']);
  expect(reportOf('2026-01-31').features.every(({ rows, equal }) => rows === 1 && equal === 1)).toBe(true);
  expect(measured.mock.calls.map(([name, , value]) => [name, value])).toEqual([
    ['SkewMatchRate', 100],
    ['SkewMatchRate', 100],
    ['SkewMatchRate', 100],
    ['SkewRowsCompared', 1],
    ['SkewRowsUnreadable', 0],
    ['SkewUnexplained', 0],
  ]);
});

it('audits another day when told so, and refuses what is no date', async () => {
  const { auditPorts, samples } = ports([], []);
  expect(await runAudit(auditPorts, { date: '2026-01-02' })).toMatchObject({ date: '2026-01-02', rows: 0 });
  expect(samples[0]?.fromMillis).toBe(Date.UTC(2026, 0, 2));
  await expect(runAudit(auditPorts, { date: 'monday' })).rejects.toThrow();
});

it('counts rows that it cannot understand, and copies once', async () => {
  const { served, deliveries } = await oneDecision();
  const [row = {}] = served;
  const broken = [
    { ...row, features: '{' },
    { ...row, views: null },
    { ...row, served_at: 'soon' },
  ];
  const { auditPorts } = ports([row, { ...row }, ...broken], deliveries);
  expect(await runAudit(auditPorts, {})).toMatchObject({ rows: 1, unreadable: 3, unexplained: 0 });
});

it('does not compare what was declared otherwise, or did not answer, nor what is derived from it', async () => {
  const { served, deliveries } = await oneDecision();
  const other = ports([edited(served[0], 'definitions', { 'user_transactions@1': 'another' })], deliveries);
  await runAudit(other.auditPorts, {});
  const silent = ports([edited(served[0], 'views', { 'user_transactions@1': undefined })], deliveries);
  await runAudit(silent.auditPorts, {});
  for (const name of ['tx_count_1h', 'is_burst']) {
    const skewIn = ({ reportOf }: typeof other) =>
      reportOf('2026-01-31').features.find(({ feature }) => feature === name);
    expect(skewIn(other)).toMatchObject({ rows: 1, equal: 0, otherDefinition: 1 });
    expect(skewIn(silent)).toMatchObject({ rows: 1, equal: 0, notAnswered: 1 });
  }
  const untouched = other.reportOf('2026-01-31').features.find(({ feature }) => feature === 'label_count_7d');
  expect(untouched).toMatchObject({ equal: 1, otherDefinition: 0 });
});

it('finds a derived value unexplained although all window features are right', async () => {
  const { served, deliveries } = await oneDecision();
  const { auditPorts, reportOf } = ports([edited(served[0], 'features', { is_burst: true })], deliveries);
  expect(await runAudit(auditPorts, {})).toMatchObject({ unexplained: 1 });
  expect(reportOf('2026-01-31').examples).toMatchObject([{ feature: 'is_burst', served: true, recomputed: false }]);
});

it('shows what arrived too late to be known as hindsight, and not as skew', async () => {
  const { served, deliveries } = await oneDecision();
  const [decided = {}] = deliveries;
  const hourLater = String(Number(decided.arrived_at) + 3_600_000);
  const late = { ...decided, transaction_id: 'late', arrived_at: hourLater };
  const { auditPorts, reportOf } = ports(served, [decided, late]);
  expect(await runAudit(auditPorts, {})).toMatchObject({ unexplained: 0 });
  const skew = reportOf('2026-01-31').features.find(({ feature }) => feature === 'tx_count_1h');
  expect(skew).toMatchObject({ equal: 1, lateArrival: 0, hindsightEqual: 0 });
});

it('writes text into the page as text, and never calls 99.999 % all', async () => {
  const { auditPorts, reportOf } = ports([], []);
  await runAudit(auditPorts, {});
  const html = htmlReport({ ...reportOf('2026-01-31'), seed: `<script>alert("it's")</script>` });
  expect(html).not.toContain('<script');
  expect(escapeHtml(`<&>"'`)).toBe('&lt;&amp;&gt;&quot;&#39;');
  expect([percentText(1), percentText(0.99999), percentText(undefined)]).toEqual(['100.00 %', '99.99 %', '–']);
});
