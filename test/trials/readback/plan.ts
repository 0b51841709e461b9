/** Random declarations, as data: the module that a command loads builds them from it. */
import * as z from 'zod';
import {
  count,
  type Duration,
  decimal,
  distinct,
  entity,
  eventSource,
  eventTime,
  featureService,
  first,
  identifier,
  last,
  max,
  mean,
  min,
  quantile,
  stddev,
  sum,
  variance,
  windowedView,
} from '../../../shared/definitions/index.ts';
import type { AggregationOf } from '../../../shared/definitions/view.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';
import type { Random } from '../../simulation/random.ts';

export interface FieldPlan {
  readonly name: string;
  /** What files call it. */
  readonly from: string;
  readonly kind: 'identifier' | 'string' | 'enum' | 'boolean' | 'integer' | 'decimal' | 'double' | 'timestamp';
  readonly whenMissing: 'refused' | 'null' | 'absent';
  /** Of decimals. */
  readonly scale: number;
  readonly isRounded: boolean;
  /** Of whole numbers, in size. */
  readonly most: number;
}

interface FeaturePlan {
  readonly name: string;
  readonly aggregate: string;
  readonly field: string | undefined;
  readonly rank: number;
  readonly excludesCurrent: boolean;
}

export interface Plan {
  readonly source: string;
  readonly fields: readonly FieldPlan[];
  readonly eventId: string;
  readonly eventTime: string;
  readonly joinKeys: readonly [string, ...string[]];
  readonly lateness: Duration;
  readonly resolution: Duration;
  readonly windows: Readonly<Record<string, { readonly length: Duration; readonly hop: Duration }>>;
  readonly features: readonly FeaturePlan[];
  readonly lanes: number;
}

export const SERVICE = 'service';
export const MEMBERS = ['gold', 'NA', 'silver, 925', '7', 'état'] as const;
const LARGEST_SQUARED = 999_999_999_999_999;

// --- The declaration that a plan is -----------------------------------------------------------------------------------

function schemaOf({ kind, whenMissing, scale, isRounded, most }: FieldPlan): z.ZodType {
  const types = {
    identifier: () => identifier(),
    string: () => z.string(),
    enum: () => z.enum(MEMBERS),
    boolean: () => z.boolean(),
    integer: () => (most === Number.MAX_SAFE_INTEGER ? z.int() : z.int().min(-most).max(most)),
    decimal: () => decimal({ scale, ...(isRounded && { rounding: 'half-even' }) }),
    double: () => z.number(),
    timestamp: () => eventTime(),
  };
  const schema = types[kind]();
  if (whenMissing === 'refused') return schema;
  return whenMissing === 'null' ? schema.nullable() : schema.optional();
}

const MAKERS = { count, sum, mean, min, max, stddev, variance, first, last, distinct } as const;

/** Which fields an aggregate takes is told at run time here. To TypeScript, they all are numbers. */
type AnySchema = z.ZodObject<Record<string, z.ZodNumber>>;

function aggregationOf({ aggregate, field, rank, excludesCurrent }: FeaturePlan): AggregationOf<AnySchema> {
  const options = { excludesCurrent };
  if (field === undefined) return count(options);
  return aggregate === 'quantile'
    ? quantile(field, rank, options)
    : MAKERS[aggregate as keyof typeof MAKERS](field, options);
}

/** @throws DefinitionError for names that the language does not allow together. */
export function declared(plan: Plan) {
  const described = { description: 'Of the trial of libraries.', owner: 'trials' } as const;
  const schema = z.strictObject(Object.fromEntries(plan.fields.map((field) => [field.name, schemaOf(field)])));
  const source = eventSource({
    ...described,
    name: plan.source,
    schema: schema as unknown as AnySchema,
    eventId: plan.eventId,
    eventTime: plan.eventTime,
    partitionKey: plan.eventId,
    allowedLateness: plan.lateness,
    timeResolution: plan.resolution,
    fields: Object.fromEntries(plan.fields.map(({ name, from }) => [name, { from }])),
  });
  const view = windowedView({
    ...described,
    name: 'view',
    version: 1,
    entity: entity({ name: 'owner', description: 'Whose events they are.', joinKeys: plan.joinKeys }),
    source,
    windows: plan.windows,
    features: Object.fromEntries(plan.features.map((feature) => [feature.name, aggregationOf(feature)])),
    ttl: '60d',
    lanes: plan.lanes,
  });
  const service = featureService({ ...described, name: SERVICE, version: 1, views: [view], decides: source });
  return { source, view, repository: featureRepository({ views: [view], services: [service] }) };
}

// --- Random ones ------------------------------------------------------------------------------------------------------

/** Words of SQL, of DuckDB and of the engine's own queries, and what JavaScript objects have by themselves. */
// biome-ignore format: a table
const AWKWARD_NAMES = [
  'select', 'order', 'group', 'from', 'where', 'table', 'null', 'true', 'user', 'end', 'all', 'limit', 'offset',
  'rowid', 'filename', 'file_row_number', 'file_index', 'row', 'column', 'index', 'values', 'value', 'unnest',
  'code', 'instant', 'known', 'number', 'key0', 'e', 'h', 's', 'f', 'd0', 'field_0', 'spine', 'events', 'hash',
  'constructor', 'valueof', 'x', 'a_', 'a__b', `a${'_9'.repeat(31)}`, 'nan', 'day', 'date', 'time', 'interval',
];
const PLAIN_NAMES = ['amount', 'currency', 'merchant', 'device', 'score', 'channel', 'is_new', 'opened_at', 'items'];
const KEY_NAMES = ['card', 'user_id', 'account', 'key0', 'entity', 'primary', 'group_id', 'desc', 'code', 'references'];
const ID_NAMES = ['id', 'event_id', 'rowid', 'uuid', 'identity', 'row_id'];
const TIME_NAMES = ['at', 'timestamp', 'event_time', 'time', 'ts', 'datetime', 'known_at', 'arrived_at'];
/** Beside others, which differ from them by more than case. */
// biome-ignore format: a table
const COLUMN_NAMES = [
  'Betrag (€)', 'quoted "name"', "o'clock", 'with, comma', ' blank before', 'UPPER', 'a.b', 'a-b', '1st', '%', '$1',
  'naïve', '日付', 'new\nline', 'semi;colon', '[x]', 'a=b', '*', "';--", 'tab\tbed', '#', '?', '/', '__index',
];
const WINDOWS: readonly { readonly length: Duration; readonly hop: Duration }[] = [
  { length: '10s', hop: '1s' },
  { length: '1min', hop: '1min' },
  { length: '21s', hop: '7s' },
  { length: '1h', hop: '90s' },
  { length: '6h', hop: '5min' },
  { length: '30d', hop: '1d' },
];
const KINDS = ['string', 'identifier', 'enum', 'boolean', 'integer', 'decimal', 'double', 'timestamp'] as const;
const ANY_FIELD = ['count', 'first', 'last', 'distinct'];
const ORDERED = [...ANY_FIELD, 'min', 'max'];
const SUMMED = [...ORDERED, 'sum', 'mean', 'quantile'];
const AGGREGATES: Readonly<Record<FieldPlan['kind'], readonly string[]>> = {
  identifier: ANY_FIELD,
  string: ANY_FIELD,
  enum: ANY_FIELD,
  boolean: ANY_FIELD,
  timestamp: ORDERED,
  double: [...ORDERED, 'quantile'],
  integer: SUMMED,
  decimal: [...SUMMED, 'stddev', 'variance'],
};

/** Takes random elements, each once. */
class Pool<Element> {
  readonly #random: Random;
  readonly #left: Element[];

  constructor(random: Random, elements: readonly Element[]) {
    this.#random = random;
    this.#left = [...new Set(elements)];
  }

  take(isFree: (element: Element) => boolean = () => true): Element {
    const element = this.#random.pick(this.#left.filter(isFree));
    this.#left.splice(this.#left.indexOf(element), 1);
    return element;
  }
}

export function randomPlan(random: Random): Plan {
  const taken = new Set<string>();
  const named = (pool: Pool<string>) => {
    const name = pool.take((candidate) => !taken.has(candidate));
    taken.add(name);
    return name;
  };
  const columns = new Pool(random, COLUMN_NAMES);
  const isRenamed = random.chance(0.3);
  const field = (name: string, kind: FieldPlan['kind'], mayBeMissing: boolean): FieldPlan => ({
    name,
    from: isRenamed && random.chance(0.5) ? columns.take() : name,
    kind,
    whenMissing: mayBeMissing ? random.pick(['null', 'absent'] as const) : 'refused',
    scale: kind === 'decimal' ? random.pick([0, 1, 2, 2, 2, 3, 6, 8, 15]) : 0,
    isRounded: random.chance(0.3),
    most: random.chance(0.5) ? LARGEST_SQUARED : Number.MAX_SAFE_INTEGER,
  });
  const identity = field(
    named(new Pool(random, ID_NAMES)),
    random.pick(['identifier', 'identifier', 'integer']),
    false,
  );
  const time = field(named(new Pool(random, TIME_NAMES)), 'timestamp', false);
  const keyNames = new Pool(random, KEY_NAMES);
  const keys = Array.from({ length: random.chance(0.25) ? 2 : 1 }, () =>
    field(named(keyNames), random.pick(['identifier', 'string', 'integer']), random.chance(0.3)),
  );
  const names = new Pool(random, [...AWKWARD_NAMES, ...PLAIN_NAMES, ...PLAIN_NAMES]);
  const others = Array.from({ length: random.integer(2, 7) }, () =>
    field(named(names), random.pick(KINDS), random.chance(0.6)),
  );
  const [firstKey, ...otherKeys] = keys.map(({ name }) => name);
  const resolution = random.pick<Duration>(['1ms', '1ms', '1ms', '1s']);
  return {
    source: random.pick(['events', 'transactions', 'select', 'spine', 'h']),
    // In any order, as in files.
    fields: random.chance(0.5) ? [identity, ...keys, time, ...others] : [...others, time, ...keys, identity],
    eventId: identity.name,
    eventTime: time.name,
    joinKeys: [firstKey ?? '', ...otherKeys],
    lateness: random.pick<Duration>(['0s', '30s', '10min', '30d']),
    resolution,
    windows: Object.fromEntries(
      Array.from({ length: random.integer(1, 3) }, (_, index) => [`w${index}`, random.pick(WINDOWS)]),
    ),
    features: randomFeatures(random, others),
    lanes: random.pick([1, 1, 1, 3]),
  };
}

function randomFeatures(random: Random, fields: readonly FieldPlan[]): FeaturePlan[] {
  const excludesCurrent = () => random.chance(0.15);
  const counts = { name: 'n', aggregate: 'count', field: undefined, rank: 0, excludesCurrent: excludesCurrent() };
  const others = fields.flatMap(({ name, kind, most }) => {
    const squared = kind === 'integer' && most === LARGEST_SQUARED ? ['stddev', 'variance'] : [];
    const aggregates = new Pool(random, [...AGGREGATES[kind], ...squared]);
    return Array.from({ length: random.integer(1, 3) }, () => ({
      aggregate: aggregates.take(),
      field: name,
      rank: random.pick([0, 0.5, 0.95, 1]),
      excludesCurrent: excludesCurrent(),
    }));
  });
  return [counts, ...others.map((feature, index) => ({ name: `f${index}_${feature.aggregate}`, ...feature }))];
}
