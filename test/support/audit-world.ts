/**
 * A small product in memory for audits: the real serving handler, the items that it and the stream's consumer update, what
 * it says it served, and the history of what arrived.
 */
import type { WindowedView } from '../../shared/definitions/index.ts';
import { featureService } from '../../shared/definitions/index.ts';
import { audit, IN_FLIGHT_MILLIS } from '../../shared/offline/audit/audit.ts';
import type { AuditSource } from '../../shared/offline/audit/audit-source.ts';
import type { SkewReport } from '../../shared/offline/audit/report.ts';
import type { StoredRow } from '../../shared/offline/audit/served-record.ts';
import { historyRow, historySchema } from '../../shared/offline/history-schema.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { definitionVersions, featureRepository } from '../../shared/registry/manifest.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { serve } from '../unit/serve/harness.ts';

export function repositoryOf(view: WindowedView) {
  const service = featureService({
    name: 'test_service',
    version: 1,
    description: 'Everything about an account.',
    owner: 'tests',
    views: [view],
    decides: view.source,
  });
  return featureRepository({ views: [view], services: [service] });
}

const storedRowOf = (row: object): StoredRow =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));

export class AuditWorld {
  readonly served: StoredRow[] = [];
  readonly history: StoredRow[] = [];
  readonly #view: WindowedView;
  readonly #api: ReturnType<typeof serve>;
  readonly #store = new MemoryOnlineStore();
  readonly #versions: Readonly<Record<string, string>>;
  /** By how much the rows of decided events arrive later in the history than they were decided. */
  landingDelayMillis = 0;

  /** @param options.servedBy what the serving side computes while it claims to compute `view`. */
  constructor(view: WindowedView, options: { readonly servedBy?: WindowedView } = {}) {
    this.#view = view;
    this.#versions = definitionVersions(repositoryOf(view));
    this.#api = serve({
      store: this.#store,
      repository: repositoryOf(options.servedBy ?? view),
      rows: { sink: { add: (table, row) => this.#keep(table, row), send: async () => undefined }, waits: true },
    });
    this.#servedBy = options.servedBy ?? view;
  }

  readonly #servedBy: WindowedView;

  #keep(table: string, row: object): void {
    const stored = storedRowOf(row);
    if (table === ROW_LOGS.served.schema.tableName) {
      this.served.push({ ...stored, definitions: JSON.stringify(this.#versions) });
    } else if (table === historySchema(this.#view.source).tableName) {
      this.history.push({ ...stored, [ARRIVED_AT]: String(Number(stored[ARRIVED_AT]) + this.landingDelayMillis) });
    } else throw new Error(`a row for an unknown table, ${table}`);
  }

  /** The event is in the stream, and will be in the history. */
  arrive(event: WindowEvent): void {
    this.history.push(storedRowOf(historyRow(this.#view.source, event)));
  }

  /** The stream's consumer counts it. */
  async count(event: WindowEvent): Promise<void> {
    if (!this.#servedBy.includes(event.values)) return;
    await applyEvents(this.#store, this.#servedBy, 'acc', [event], { everyEvents: 4, minimumBytesFreed: 0 });
  }

  async decide(event: WindowEvent, atMillis: number, mode: 'apply' | 'read-only' = 'apply'): Promise<void> {
    this.#api.clock.nowMillis = atMillis;
    expectOk(await this.#api.predict({ ...event.values, mode }));
  }

  async read(atMillis: number, at?: number): Promise<void> {
    this.#api.clock.nowMillis = atMillis;
    const entities = [{ account_id: 'acc' }];
    expectOk(await this.#api.features({ service: 'test_service', entities, ...(at !== undefined && { at }) }));
  }

  source(): AuditSource {
    const { eventTime } = this.#view.source;
    return {
      servedRows: async ({ rowsMax }) => this.served.slice(0, rowsMax),
      deliveries: async (_sample, { earliestMillis, latestMillis }) =>
        this.history.filter((row) => {
          const time = Number(row[eventTime]);
          return time >= earliestMillis && time <= latestMillis;
        }),
    };
  }

  audit(): Promise<SkewReport> {
    return audit({
      source: this.source(),
      repository: repositoryOf(this.#view),
      sample: { fromMillis: 0, toMillis: Date.UTC(2100, 0, 1), rowsMax: 100_000, seed: '' },
      inFlightMillis: IN_FLIGHT_MILLIS,
    });
  }
}

function expectOk({ status, body }: { readonly status: number; readonly body: unknown }): void {
  if (status !== 200) throw new Error(`the product answered ${status}: ${JSON.stringify(body)}`);
}

/** Values by what became of them, over all features. */
export function totalsOf({ features }: SkewReport) {
  const sum = (
    key: 'rows' | 'equal' | 'lateArrival' | 'inFlight' | 'otherDefinition' | 'notAnswered' | 'unexplained',
  ) => features.reduce((total, skew) => total + skew[key], 0);
  return {
    rows: sum('rows'),
    equal: sum('equal'),
    lateArrival: sum('lateArrival'),
    inFlight: sum('inFlight'),
    otherDefinition: sum('otherDefinition'),
    notAnswered: sum('notAnswered'),
    unexplained: sum('unexplained'),
  };
}
