/** Random modules of declarations, as people write them: TypeScript text that imports `fraud-feature-store`. */
import { parseDuration } from '../../../shared/definitions/duration.ts';
import type { Duration } from '../../../shared/definitions/index.ts';
import type { Random } from '../../simulation/random.ts';

type ColumnType = 'number' | 'text' | 'boolean';
/** By name, what callbacks see. */
type Columns = Readonly<Record<string, ColumnType>>;

interface Field {
  readonly name: string;
  readonly schema: string;
  readonly type: ColumnType;
  readonly aggregates: readonly string[];
}

interface Source {
  readonly name: string;
  readonly keys: readonly string[];
  readonly fields: readonly Field[];
  readonly latenessMillis: number;
  readonly resolution: Duration;
  readonly code: string;
}

interface View {
  readonly variable: string;
  readonly name: string;
  readonly version: number;
  readonly source: Source;
  readonly joinKeys: readonly string[];
  readonly columns: Columns;
  readonly code: string;
}

interface Service {
  readonly variable: string;
  readonly decides: Source | undefined;
  readonly code: string;
}

const PROSE = "description: 'Of the trial of declarations.', owner: 'trials'";

const OF_ANY = ['count', 'first', 'last', 'distinct'];
const OF_ORDERED = [...OF_ANY, 'min', 'max'];
const OF_MEASURED = [...OF_ORDERED, 'quantile'];
const OF_SUMMED = [...OF_MEASURED, 'sum', 'mean'];
const OF_SQUARED = [...OF_SUMMED, 'stddev', 'variance'];

type Kind = Pick<Field, 'schema' | 'type' | 'aggregates'>;
const text = (schema: string): Kind => ({ schema, type: 'text', aggregates: OF_ANY });
const number = (schema: string, aggregates: readonly string[]): Kind => ({ schema, type: 'number', aggregates });

const KINDS: readonly Kind[] = [
  text('identifier()'),
  text('z.string()'),
  text('z.string().min(3).max(6)'),
  text('z.string().max(2)'),
  text('z.string().length(4)'),
  text("z.enum(['gold', 'silver, 925', 'état', ''])"),
  text('z.uuid()'),
  text('z.email()'),
  text('z.iso.date()'),
  text('z.ipv4()'),
  text("z.string().regex(/^[A-Z]{2}-\\d{4}$/).meta({ examples: ['AB-1234', 'CD-0007', 'ZZ-9999'] })"),
  { schema: 'z.boolean()', type: 'boolean', aggregates: OF_ANY },
  number('z.int()', OF_SUMMED),
  number('z.int().min(-3).max(3)', OF_SQUARED),
  number('z.int().min(1_000).max(1e9)', OF_SQUARED),
  number('z.int().positive()', OF_SUMMED),
  number('z.int().negative()', OF_SUMMED),
  number('z.int().multipleOf(50)', OF_SUMMED),
  number('z.number()', OF_MEASURED),
  number('z.number().min(0).max(1)', OF_MEASURED),
  number('z.number().gt(-1).lt(1)', OF_MEASURED),
  number('z.number().min(-1e6).max(-10)', OF_MEASURED),
  number('decimal({ scale: 2, minimum: 0 })', OF_SQUARED),
  number('decimal({ scale: 2 })', OF_SQUARED),
  number('decimal({ scale: 0, minimum: -50, maximum: 50 })', OF_SQUARED),
  number('decimal({ scale: 6, minimum: -1, maximum: 1 })', OF_SQUARED),
  number("decimal({ scale: 3, rounding: 'half-even' })", OF_SQUARED),
  number('eventTime()', OF_ORDERED),
];

/** Sources share them, so that the views of one service speak of the same ones. */
const KEYS: Readonly<Record<string, readonly Kind[]>> = {
  user_id: [text('identifier()'), text('z.uuid()')],
  account: [number('z.int()', OF_ANY), number('z.int().min(1).max(400)', OF_ANY), number('z.int().negative()', OF_ANY)],
  region: [text("z.enum(['EU', 'US|%', 'Ä#1'])"), text('z.string().length(2)')],
  mail: [text('z.email()'), text('z.string().min(1).max(12)')],
};

// biome-ignore format: a table
const FIELD_NAMES = [
  'amount', 'currency', 'channel', 'select', 'order', 'from', 'value', 'index', 'code', 'e', 'x', 'time', 'row',
  'instant', 'spine', 'key0', 'number', 'type', 'user', 'entity', 'source', 'views', 'service', 'name', 'id_hash',
];
const WIRE_NAMES = ['Betrag (€)', "o'clock", 'with space', 'a.b', 'UPPER', 'x-y', '$1', '日付', '1st'];
const LENGTHS: readonly Duration[] = ['500ms', '10s', '90s', '1min', '7min', '1h', '36h', '24h', '7d', '30d'];
const OFFSETS: readonly Duration[] = ['5s', '1h', '1d'];

/** The elements in a random order. */
function shuffled<Element>(random: Random, elements: readonly Element[]): Element[] {
  return elements
    .map((element) => [random.next(), element] as const)
    .toSorted(([left], [right]) => left - right)
    .map(([, element]) => element);
}

function some<Element>(random: Random, elements: readonly Element[], least: number, most: number): Element[] {
  return shuffled(random, elements).slice(0, random.integer(least, most));
}

/** @returns the text of a module that exports `repository`. */
export function randomModule(random: Random): string {
  const keys = some(random, Object.entries(KEYS), 2, 4).map(([name, kinds]) => ({ name, ...random.pick(kinds) }));
  const sources = Array.from({ length: random.integer(1, 3) }, (_, index) => randomSource(random, index, keys));
  const views: View[] = [];
  for (const source of sources) {
    const count = random.integer(1, 2);
    for (let index = 0; index < count; index++) views.push(randomView(random, source, views));
  }
  const services = randomServices(random, sources, views);
  const entities = [...new Set(views.map(({ joinKeys }) => entityCode(joinKeys)))];
  const aliases = services
    .filter(({ decides }) => decides !== undefined && random.chance(0.3))
    .map(({ variable }, index) => `ask_${index}: ${variable}`);
  return [
    "import {\n  caseWhen, coalesce, count, decimal, distinct, entity, eventSource, eventTime, featureRepository, featureService, first,\n  identifier, last, max, mean, min, quantile, stddev, sum, variance, windowedView, z,\n} from 'fraud-feature-store';",
    ...sources.map(({ code }) => code),
    ...entities,
    ...views.map(({ code }) => code),
    ...services.map(({ code }) => code),
    `export const repository = featureRepository({
  views: [${views.map(({ variable }) => variable).join(', ')}],
  services: [${services.map(({ variable }) => variable).join(', ')}],${aliases.length === 0 ? '' : `\n  aliases: { ${aliases.join(', ')} },`}
});`,
  ].join('\n\n');
}

// --- Sources ----------------------------------------------------------------------------------------------------------

function randomSource(random: Random, index: number, keys: readonly Field[]): Source {
  const name = `${random.pick(['payments', 'logins', 'select', 'labels', 'events'])}_${index}`;
  const idKind = random.pick(['identifier()', 'identifier()', 'z.uuid()', 'z.int()', 'z.string().max(20)']);
  const id = { name: random.pick(['id', 'event_id', 'rowid']), schema: idKind };
  const time = { name: random.pick(['at', 'timestamp', 'known_at', 'date']), schema: 'eventTime()' };
  const own = some(random, keys, 1, keys.length);
  const partitionKey = random.chance(0.7) ? (own[0]?.name ?? id.name) : id.name;
  const missing = () => random.pick(['', '', '.optional()', '.nullable()']);
  const ownKeys = own.map((field) => ({
    ...field,
    schema: field.name === partitionKey || random.chance(0.7) ? field.schema : `${field.schema}${missing()}`,
  }));
  const fields = some(random, FIELD_NAMES, 2, 6).map((field) => {
    const kind = random.pick(KINDS);
    return { ...kind, name: field, schema: `${kind.schema}${missing()}` };
  });
  const all = shuffled<Pick<Field, 'name' | 'schema'>>(random, [id, time, ...ownKeys, ...fields]);
  const wires = shuffled(random, WIRE_NAMES);
  const renamed = all
    .filter(() => random.chance(0.15))
    .flatMap((field, position) =>
      wires[position] === undefined ? [] : [`${field.name}: { from: ${JSON.stringify(wires[position])} }`],
    );
  const resolution = random.pick<Duration>(['1ms', '1ms', '1s', '1min']);
  const lateness = random.pick<Duration>(['0s', '1ms', '5s', '10min', '1h']);
  const lines = [
    `name: '${name}', ${PROSE},`,
    `eventId: '${id.name}', eventTime: '${time.name}', partitionKey: '${partitionKey}', allowedLateness: '${lateness}',`,
    ...(resolution === '1ms' ? [] : [`timeResolution: '${resolution}',`]),
    ...(random.chance(0.2) ? ["unknownFields: 'ignore',"] : []),
    ...(renamed.length === 0 ? [] : [`fields: { ${renamed.join(', ')} },`]),
    `schema: z.strictObject({\n${all.map((field) => `    ${field.name}: ${field.schema},`).join('\n')}\n  }),`,
  ];
  return {
    name,
    keys: ownKeys.map((key) => key.name),
    fields: [...ownKeys, ...fields],
    latenessMillis: parseDuration('lateness', lateness),
    resolution,
    code: `const ${name} = eventSource({\n  ${lines.join('\n  ')}\n});`,
  };
}

/** What callbacks see of a source's events; more than that would only repeat it. */
function columnsOfSource({ fields }: Source): Columns {
  return Object.fromEntries(fields.map(({ name, type }) => [name, type]));
}

// --- Views ------------------------------------------------------------------------------------------------------------

function entityCode(joinKeys: readonly string[]): string {
  const name = entityName(joinKeys);
  const keys = joinKeys.map((key) => `'${key}'`).join(', ');
  return `const ${name} = entity({ name: '${name}', description: 'Whose events they are.', joinKeys: [${keys}] });`;
}

function entityName(joinKeys: readonly string[]): string {
  return `by_${joinKeys.join('_')}`;
}

interface Window {
  readonly name: string;
  readonly code: string;
  readonly reachMillis: number;
  readonly hasOffset: boolean;
}

function randomWindow(random: Random, index: number, source: Source): Window {
  const length = random.pick(
    LENGTHS.filter((one) => parseDuration('length', one) % parseDuration('resolution', source.resolution) === 0),
  );
  const lengthMillis = parseDuration('length', length);
  const reachMillis = 2 * lengthMillis + source.latenessMillis;
  const name = random.pick([`w${index}`, `${index}${length}`]);
  const form = random.next();
  if (form < 0.2) {
    const offset = random.pick(OFFSETS);
    const code = `{ length: '${length}', hop: '${source.resolution}', offset: '${offset}' }`;
    return { name, code, reachMillis: reachMillis + parseDuration('offset', offset), hasOffset: true };
  }
  const parts = random.pick([1, 2, 5, 10, 60].filter((count) => lengthMillis % count === 0));
  const code = form < 0.5 ? `{ length: '${length}', hop: '${lengthMillis / parts}ms' }` : `'${length}'`;
  return { name, code, reachMillis, hasOffset: false };
}

/** Now and then another version of one that there is. */
function randomView(random: Random, source: Source, known: readonly View[]): View {
  const before = known.filter((view) => view.source === source);
  const name = before.length > 0 && random.chance(0.4) ? random.pick(before).name : `view_${known.length}`;
  const version = Math.max(0, ...known.filter((view) => view.name === name).map((view) => view.version)) + 1;
  const joinKeys = some(random, source.keys, 1, Math.min(2, source.keys.length));
  const windows = Array.from({ length: random.integer(1, 3) }, (_, index) => randomWindow(random, index, source));
  const features = randomFeatures(
    random,
    source,
    windows.some(({ hasOffset }) => hasOffset),
  );
  const ttl = Math.max(...windows.map(({ reachMillis }) => reachMillis)) + random.pick([0, 86_400_000]);
  const columns = columnsOfSource(source);
  const lines = [
    `name: '${name}', version: ${version}, ${PROSE},`,
    `entity: ${entityName(joinKeys)}, source: ${source.name}, ttl: '${ttl}ms',`,
    ...(random.chance(0.3) ? [`where: (c) => ${condition(random, columns, 1)},`] : []),
    ...(random.chance(0.2) ? [`lanes: ${random.pick([2, 3, 16])},`] : []),
    ...(random.chance(0.2) ? [`cacheFor: '${random.pick(['1s', '10min'])}',`] : []),
    ...(random.chance(0.1) ? [`liveFrom: '${random.pick(['2026-01-01T00:00:00Z', '2100-01-01T00:00:00Z'])}',`] : []),
    `windows: { ${windows.map((window) => `'${window.name}': ${window.code}`).join(', ')} },`,
    `features: {\n${features.map((feature) => `    ${feature.name}_${name}: ${feature.code},`).join('\n')}\n  },`,
  ];
  return {
    variable: `${name}_${version}`,
    name,
    version,
    source,
    joinKeys,
    columns: Object.fromEntries(
      windows.flatMap((window) => features.map((one) => [`${one.name}_${name}_${window.name}`, one.type])),
    ),
    code: `const ${name}_${version} = windowedView({\n  ${lines.join('\n  ')}\n});`,
  };
}

interface Feature {
  readonly name: string;
  readonly type: ColumnType;
  readonly code: string;
}

function randomFeatures(random: Random, source: Source, hasOffset: boolean): Feature[] {
  const options = () => (random.chance(0.2) ? ', { excludesCurrent: true }' : '');
  const counted = random.chance(0.2) ? 'count({ excludesCurrent: true })' : 'count()';
  const others = some(random, source.fields, 1, 4).flatMap((field) => {
    const possible = field.aggregates.filter((aggregate) => !(hasOffset && aggregate === 'distinct'));
    return some(random, possible, 1, 2).map((aggregate) => {
      const rank = aggregate === 'quantile' ? `, ${random.pick([0, 0.5, 0.95, 1])}` : '';
      return {
        aggregate,
        type: ['first', 'last'].includes(aggregate) ? field.type : ('number' as const),
        code: `${aggregate}('${field.name}'${rank}${options()})`,
      };
    });
  });
  return [
    { name: 'n', type: 'number', code: counted },
    ...others.map(({ aggregate, type, code }, index) => ({ name: `f${index}_${aggregate}`, type, code })),
  ];
}

// --- Services ---------------------------------------------------------------------------------------------------------

function randomServices(random: Random, sources: readonly Source[], views: readonly View[]): Service[] {
  const services: Service[] = [];
  const names = new Map<string, number>();
  const count = random.integer(1, 3);
  for (let index = 0; index < count; index++) {
    const decides = index === 0 || random.chance(0.6) ? random.pick(sources) : undefined;
    const possible = views.filter(({ joinKeys }) => joinKeys.every((key) => decides?.keys.includes(key) ?? true));
    // Two versions of a view have features of the same names.
    const distinct = [...new Map(shuffled(random, possible).map((view) => [view.name, view])).values()];
    if (distinct.length === 0) continue;
    const name = random.pick(['scoring', `service_${index}`]);
    const version = (names.get(name) ?? 0) + 1;
    names.set(name, version);
    services.push(randomService(random, { name, version }, decides, some(random, distinct, 1, distinct.length)));
  }
  return services;
}

function randomService(
  random: Random,
  { name, version }: { readonly name: string; readonly version: number },
  decides: Source | undefined,
  views: readonly View[],
): Service {
  const variable = `${name}_${version}`;
  const available: Columns = Object.assign({}, ...views.map(({ columns }) => columns));
  const selected = random.chance(0.3)
    ? some(random, Object.keys(available), 1, Object.keys(available).length)
    : undefined;
  const features: Columns = Object.fromEntries(
    Object.entries(available).filter(([feature]) => selected?.includes(feature) ?? true),
  );
  const inputs: Columns = { ...(decides === undefined ? {} : columnsOfSource(decides)), ...features };
  const derived = Array.from({ length: decides === undefined ? 0 : random.integer(0, 3) }, (_, index) => {
    const type = random.pick(['number', 'number', 'text', 'boolean'] as const);
    return { name: `derived_${index}`, type, code: `(c) => ${expression(random, inputs, type, 2)}` };
  });
  const seen = { ...inputs, ...Object.fromEntries(derived.map((one) => [one.name, one.type])) };
  const rules = Array.from({ length: random.integer(0, 3) }, (_, index) => {
    const when = random.chance(0.2) ? "c.event_status.isOneOf(['late', 'skewed'])" : condition(random, seen, 2);
    const state = random.pick(['', "state: 'shadow', ", "state: 'off', ", "severity: 'low', "]);
    const outcome = random.pick(['review', 'block']);
    return `RULE_${index}: { when: (c) => ${when}, ${state}reason: 'So the trial says.', outcome: '${outcome}' }`;
  });
  const lines = [
    `name: '${name}', version: ${version}, ${PROSE},`,
    `views: [${views.map((view) => view.variable).join(', ')}],`,
    ...(decides === undefined ? [] : [`decides: ${decides.name},`]),
    ...(selected === undefined ? [] : [`features: [${selected.map((feature) => `'${feature}'`).join(', ')}],`]),
    ...(derived.length === 0
      ? []
      : [`derived: {\n${derived.map((one) => `    ${one.name}: ${one.code},`).join('\n')}\n  },`]),
    ...(rules.length === 0 ? [] : [`rules: {\n${rules.map((rule) => `    ${rule},`).join('\n')}\n  },`]),
  ];
  return { variable, decides, code: `const ${variable} = featureService({\n  ${lines.join('\n  ')}\n});` };
}

// --- Expressions ------------------------------------------------------------------------------------------------------

/** @param depth how deep it may nest. */
function expression(random: Random, columns: Columns, type: ColumnType, depth: number): string {
  if (type === 'boolean') return condition(random, columns, depth);
  const column = columnOf(random, columns, type);
  if (column === undefined) {
    const [yes, no] = type === 'number' ? ['1', '0'] : ["'yes'", "'no'"];
    return `caseWhen([[${condition(random, columns, depth - 1)}, ${yes}]], ${no})`;
  }
  if (depth <= 0) return column;
  const other = () => expression(random, columns, type, depth - 1);
  if (type === 'text') return random.pick([column, `coalesce(${column}, 'none')`, `coalesce(${other()}, ${column})`]);
  return random.pick([
    column,
    `${column}.plus(${other()})`,
    `${column}.minus(${other()})`,
    `${column}.times(0.5)`,
    `${column}.dividedBy(${other()})`,
    `${column}.absolute().naturalLogarithm()`,
    `${column}.dividedBy(7).floor()`,
    `coalesce(${column}, 0).negated()`,
    `caseWhen([[${condition(random, columns, depth - 1)}, ${column}]], ${other()})`,
  ]);
}

function condition(random: Random, columns: Columns, depth: number): string {
  const type = random.pick([...new Set(Object.values(columns))]);
  const column = columnOf(random, columns, type) ?? '';
  if (depth > 0 && random.chance(0.3)) {
    const other = condition(random, columns, depth - 1);
    return `${condition(random, columns, depth - 1)}.${random.pick(['and', 'or'])}(${other})`;
  }
  const isThere = [`${column}.isNotNull()`, `${column}.isNull().not()`];
  if (type === 'boolean') return random.pick([column, `${column}.not()`, `${column}.equals(true)`, ...isThere]);
  if (type === 'text') {
    return random.pick([
      `${column}.isOneOf(['gold', 'état', 'EU'])`,
      `${column}.differsFrom('gold')`,
      `${column}.characterCount().isAtLeast(2)`,
      `${column}.isGreaterThan('M')`,
      ...isThere,
    ]);
  }
  const bound = random.pick(['0', '1', '0.5', '100', '-2']);
  return random.pick([`${column}.isGreaterThan(${bound})`, `${column}.isAtMost(${bound})`, ...isThere]);
}

function columnOf(random: Random, columns: Columns, type: ColumnType): string | undefined {
  const names = Object.keys(columns).filter((name) => columns[name] === type);
  return names.length === 0 ? undefined : `c.${random.pick(names)}`;
}
