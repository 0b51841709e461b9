/** Random histories and spines as tables, for the engines of SQL, with the oracle's answers. */
import fc from 'fast-check';
import { oracleHistoricalFeatures } from '../../localstack/oracle.ts';
import { parseDuration } from '../../shared/definitions/duration.ts';
import { featureService, type WindowedView } from '../../shared/definitions/index.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { numberLiteral, textLiteral } from '../../shared/offline/sql/dialect.ts';
import { idHashOf, type WindowEvent } from '../../shared/windows/event.ts';
import { deliveriesOf, type RawEvent, rawEventsArbitrary, WINDOWS } from './arbitraries.ts';

const HOUR = 3_600_000;

/** One account: its deliveries, by how much each was delayed, and instants to ask about. */
export interface Account {
  readonly rawEvents: readonly RawEvent[];
  readonly delays: readonly number[];
  /** Puts events at this millisecond of their second, so that some lie at the very edge of a bucket. */
  readonly millisecond: number | undefined;
  readonly asked: readonly {
    readonly event: number;
    readonly shift: number;
    readonly known: number;
    readonly decides: Decides;
  }[];
}

/** What a row decides: the event that it asks about, another one, one of another account, one that is not there, or nothing. */
export const decidesArbitrary = fc.oneof(
  { weight: 3, arbitrary: fc.constant('asked' as const) },
  { weight: 2, arbitrary: fc.nat(60) },
  { weight: 1, arbitrary: fc.constantFrom('of another' as const, 'nowhere' as const) },
  { weight: 2, arbitrary: fc.constant(null) },
);
export type Decides = typeof decidesArbitrary extends fc.Arbitrary<infer Value> ? Value : never;

/** The id of the event that a row decides. */
export function decidedIdOf(
  decides: Decides,
  own: readonly WindowEvent[],
  asked: number,
  others: readonly WindowEvent[] = [],
): string | null {
  if (decides === null) return null;
  if (decides === 'nowhere') return 'nowhere';
  if (decides === 'of another') return others[0]?.id ?? 'nowhere';
  return own[(decides === 'asked' ? asked : decides) % own.length]?.id ?? null;
}

const delayArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 5_000 }) },
  // An event may be ahead of its arrival.
  { weight: 1, arbitrary: fc.integer({ min: -200_000, max: 0 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: HOUR }) },
  { weight: 1, arbitrary: fc.constant(400 * HOUR) },
);

/** So long after an event, it lies at the older edge of some window. */
const edgeArbitrary = fc
  .tuple(fc.constantFrom(...WINDOWS), fc.integer({ min: -1_001, max: 1 }))
  .map(([{ length }, difference]) => parseDuration('test', length) + difference);

export const accountArbitrary: fc.Arbitrary<Account> = fc.record({
  rawEvents: rawEventsArbitrary,
  delays: fc.array(delayArbitrary, { minLength: 1, maxLength: 60 }),
  millisecond: fc.constantFrom(undefined, 0, 999),
  asked: fc.array(
    fc.record({
      event: fc.nat(60),
      shift: fc.oneof(
        fc.constantFrom(0, 0, 1, -1),
        edgeArbitrary,
        fc.integer({ min: -60_000, max: 60_000 }),
        fc.integer({ min: -10 * HOUR, max: 10 * HOUR }),
      ),
      known: fc.oneof(
        fc.constantFrom(0, 0, 1_000, 1_000 * HOUR),
        fc.integer({ min: -60_000, max: 60_000 }),
        fc.integer({ min: -HOUR, max: 10 * HOUR }),
      ),
      decides: decidesArbitrary,
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

export interface SpineRow {
  readonly account: string;
  readonly timestampMillis: number;
  readonly knownAtMillis: number;
  readonly decidedId: string | null;
}

/** Rows of history and of a spine, and which deliveries belong to which account. */
export interface Tables {
  readonly deliveries: ReadonlyMap<string, readonly WindowEvent[]>;
  readonly spine: readonly SpineRow[];
}

/** Accounts as tables. Ids of events are distinct between accounts, whose names begin with `prefix`. */
export function tablesOf(
  view: WindowedView,
  accounts: readonly Account[],
  resolutionMillis: number,
  prefix = 'account',
): Tables {
  const deliveries = new Map<string, WindowEvent[]>();
  const spine: SpineRow[] = [];
  accounts.forEach(({ rawEvents, delays, millisecond, asked }, index) => {
    const name = `${prefix}-${index}`;
    const source = view.source as Parameters<typeof deliveriesOf>[0];
    const events = deliveriesOf(source, rawEvents, resolutionMillis).map((event, position) => {
      const id = `${name}-${event.id}`;
      const arrivedAtMillis = event.arrivedAtMillis + (delays[position % delays.length] ?? 0);
      const timeMillis =
        millisecond === undefined || resolutionMillis > 1
          ? event.timeMillis
          : Math.floor(event.timeMillis / 1_000) * 1_000 + millisecond;
      return { ...event, id, idHash: idHashOf(id), timeMillis, arrivedAtMillis };
    });
    deliveries.set(name, events);
    const others = deliveries.get(`${prefix}-${index - 1}`);
    for (const { event, shift, known, decides } of asked) {
      const timeMillis = events[event % events.length]?.timeMillis ?? 0;
      const timestampMillis = Math.floor((timeMillis + shift) / resolutionMillis) * resolutionMillis;
      // Every few rows ask about nobody.
      const account = shift % 10 === 7 ? `${name}-unknown` : name;
      const decidedId = decidedIdOf(decides, events, event, others);
      spine.push({ account, timestampMillis, knownAtMillis: timestampMillis + known, decidedId });
    }
  });
  return { deliveries, spine };
}

function literal(value: string | number | boolean | null | undefined, type: string): string {
  if (value === null || value === undefined) return `CAST(NULL AS ${type})`;
  if (typeof value === 'string') return textLiteral(value);
  return typeof value === 'number' ? `CAST(${numberLiteral(value)} AS ${type})` : String(value);
}

function valuesSql(columns: Readonly<Record<string, string>>, rows: readonly (readonly unknown[])[]): string {
  const types = Object.values(columns);
  const names = Object.keys(columns).map((name) => `"${name}"`);
  const texts = rows.map(
    (row) => `(${row.map((value, index) => literal(value as string, types[index] ?? '')).join(', ')})`,
  );
  return `SELECT * FROM (VALUES ${texts.join(',\n')}) AS "rows" (${names.join(', ')})`;
}

export type DecimalType = 'DOUBLE' | 'DECIMAL(18, 2)';

export function historyColumns(decimalType: DecimalType) {
  return {
    event_id: 'VARCHAR',
    account_id: 'VARCHAR',
    at: 'BIGINT',
    arrived_at: 'BIGINT',
    amount: decimalType,
    quantity: 'BIGINT',
    label: 'VARCHAR',
    flag: 'BOOLEAN',
    ratio: 'DOUBLE',
  };
}

export const SPINE_COLUMNS = {
  row: 'BIGINT',
  account_id: 'VARCHAR',
  timestamp: 'BIGINT',
  event_id: 'VARCHAR',
  known_at: 'BIGINT',
};

/** DuckDB's query for the rows of history. */
export function historySql({ deliveries }: Tables, decimalType: DecimalType): string {
  const rows = [...deliveries].flatMap(([account, events]) =>
    events.map(({ id, timeMillis, arrivedAtMillis, values }) => {
      const { amount, quantity, label, flag, ratio } = values;
      return [id, account, timeMillis, arrivedAtMillis, amount, quantity, label, flag, ratio];
    }),
  );
  return valuesSql(historyColumns(decimalType), rows);
}

/** DuckDB's query for the rows of the spine. */
export function spineSql({ spine }: Tables): string {
  const rows = spine.map(({ account, timestampMillis, knownAtMillis, decidedId }, index) => [
    index,
    account,
    timestampMillis,
    decidedId,
    knownAtMillis,
  ]);
  return valuesSql(SPINE_COLUMNS, rows);
}

/** A service that decides the events of its views. */
export function serviceOf(...views: readonly WindowedView[]) {
  const [decides] = views.map(({ source }) => source);
  return featureService({
    name: 'test_service',
    version: 1,
    description: 'All.',
    owner: 'tests',
    views,
    ...(decides && { decides }),
  });
}

/** What the oracle answers for every row of a spine, in the view's order of features. */
export function oracleAnswers(
  view: WindowedView,
  { deliveries, spine }: Tables,
  options: { readonly mode: HistoryMode; readonly hasKnownAt: boolean },
) {
  return spine.map(({ account, timestampMillis, knownAtMillis, decidedId }) =>
    oracleHistoricalFeatures(view, deliveries.get(account) ?? [], {
      timestampMillis,
      decidedId,
      knownAtMillis: options.hasKnownAt ? knownAtMillis : timestampMillis,
      mode: options.mode,
    }),
  );
}
