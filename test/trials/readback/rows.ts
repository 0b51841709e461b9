/** Random rows for a plan: texts, each column with a flavour that says what they are. */
import type { Random } from '../../simulation/random.ts';
import { type FieldPlan, MEMBERS, type Plan } from './plan.ts';

export type Flavour = 'text' | 'whole' | 'decimal' | 'double' | 'boolean' | 'date' | 'instant';

export interface Column {
  readonly name: string;
  readonly kind: FieldPlan['kind'];
  readonly flavour: Flavour;
  readonly values: readonly (string | null)[];
}

type Writer = (random: Random) => string;

const START_MILLIS = Date.UTC(2026, 0, 1);
const NANOS_PER_MILLI = 1_000_000n;

// biome-ignore format: a table
const TEXTS = [
  'shop', 'Rome, Lazio', '5" pipe', "O'Brien", 'two\nlines', ' blanks ', '', 'NA', 'NULL', 'nan', 'None', 'true',
  '007', '1e3', '42.0', '-', 'a\\b', 'tab\there', '😀', 'e\u0301', 'é', '日本', '2026-01-01', '#', ';', '|', '\\N',
  'x'.repeat(200), 'x'.repeat(300), '"quoted"', "''", '=1+1', '\ufeff', 'a|b', '%', 'a\r\nb', '\u0007', '\u00a0',
];
const BOOLEAN_TEXTS = ['true', 'false', 'True', 'FALSE', 't', 'F', '1', '0', ' true ', 'yes', '2', '1.0'];
// biome-ignore format: a table
const NUMBER_TEXTS = [
  '3', '3.0', '1e3', '042', '+3', ' 3 ', '1,000', '0x10', '12.50', '1e-05', '.5', '5.', '+5', '007.50', '12,50', '€5',
  '-0', '1E2', '', 'abc', 'NaN', 'inf', '1e400', '1_000', '٣', '--1', '9007199254740993', '0.1', '1e-130',
];
// biome-ignore format: a table
const WHOLE_NUMBERS = [
  '0', '1', '-1', '2', '100', '127', '128', '-128', '255', '32768', '16777217', '123456791', '4294967295',
  '9007199254740991', '-9007199254740991',
];
const HUGE_NUMBERS = ['9007199254740992', '9007199254740993', '4000123412341234567', '18446744073709551615'];
const DOUBLES = [
  '0.1',
  '-0.0',
  '1e-7',
  '123456789.123',
  '3.0',
  '1e16',
  '1e22',
  '0.3333333333333333',
  '1.7e308',
  '5e-324',
];

const digits = (random: Random, most: number) => String(random.integer(-most, most));
const whole: Writer = (random) =>
  random.chance(0.6) ? digits(random, 100) : random.chance(0.7) ? random.pick(WHOLE_NUMBERS) : digits(random, 1e15);

const decimal =
  (scale: number): Writer =>
  (random) => {
    const [units, places] = [random.integer(-10_000_000, 100_000_000), random.chance(0.9) ? scale : scale + 1];
    const text = String(Math.abs(units)).padStart(places + 1, '0');
    const point = text.length - places;
    return `${units < 0 ? '-' : ''}${text.slice(0, point)}${places > 0 ? `.${text.slice(point)}` : ''}`;
  };
const double: Writer = (random) =>
  random.chance(0.2) ? random.pick(DOUBLES) : String((random.next() - 0.4) * 10 ** random.integer(-3, 9));
const boolean: Writer = (random) => String(random.chance(0.5));
const date: Writer = (random) => `20${random.integer(10, 30)}-0${random.integer(1, 9)}-${random.integer(10, 28)}`;
const anyInstant: Writer = (random) => String(nanosOf(random, START_MILLIS + random.integer(-1e11, 1e10)));

/** An instant in nanoseconds, perhaps with digits beyond milliseconds. */
function nanosOf(random: Random, millis: number): bigint {
  const beyond = random.chance(0.3) ? random.integer(0, 999_999) : 0;
  return BigInt(millis) * NANOS_PER_MILLI + BigInt(beyond);
}

/** ISO 8601 as different tools print it. */
function isoText(random: Random, nanos: bigint): string {
  const iso = new Date(Number(nanos / NANOS_PER_MILLI)).toISOString().slice(0, -1);
  const beyond = String(nanos % NANOS_PER_MILLI).padStart(6, '0');
  return random.pick([
    `${iso}Z`,
    `${iso}Z`,
    `${iso}${beyond}Z`,
    `${iso.replace('T', ' ')}+00`,
    `${iso}+0530`,
    `${iso.slice(0, 19)}-05:00`,
    `${iso.replace('T', ' ')} UTC`,
    `${iso}+01:00[Europe/Berlin]`,
    iso,
    iso.slice(0, 16),
    iso.slice(0, 10),
    ` ${iso}Z `,
  ]);
}

interface Way {
  readonly flavour: Flavour;
  readonly write: Writer;
}

/** How the values of a column are made; now and then of a type that the field does not take. */
function wayOf(random: Random, { kind, scale, most }: FieldPlan): Way {
  const flavour = (name: Flavour, write: Writer): Way => ({ flavour: name, write });
  const wholes = flavour('whole', whole);
  const decimals = flavour('decimal', decimal(scale));
  const doubles = flavour('double', double);
  const booleans = flavour('boolean', boolean);
  const dates = flavour('date', date);
  const instants = flavour('instant', anyInstant);
  const texts = (all: readonly string[], rareText = 0.05): Way =>
    flavour('text', (some) => (some.chance(rareText) ? some.pick(TEXTS) : some.pick(all)));
  const sometimes = (usual: readonly Way[], rare: readonly Way[]) => random.pick(random.chance(0.94) ? usual : rare);
  const hugeWholes = flavour('whole', (some) => (some.chance(0.5) ? some.pick(HUGE_NUMBERS) : whole(some)));
  const wholeDoubles = flavour('double', (some) => (some.chance(0.9) ? `${whole(some)}.0` : double(some)));
  switch (kind) {
    case 'identifier':
    case 'string':
      return sometimes([texts(TEXTS), texts(TEXTS), hugeWholes, dates], [doubles, booleans, decimals, instants]);
    case 'enum':
      return sometimes([texts(MEMBERS)], [wholes, doubles]);
    case 'boolean':
      return sometimes(
        [
          booleans,
          booleans,
          flavour('whole', (some) => some.pick(['0', '1', '1', '0', '0', '2'])),
          texts(BOOLEAN_TEXTS),
        ],
        [doubles, dates, decimals],
      );
    case 'integer':
      return sometimes(
        [wholes, wholes, most < 1e15 ? wholes : hugeWholes, wholeDoubles, texts(NUMBER_TEXTS), decimals],
        [booleans, instants, dates],
      );
    case 'decimal':
      return sometimes([decimals, decimals, decimals, doubles, wholes, texts(NUMBER_TEXTS)], [booleans, dates]);
    case 'double':
      return sometimes([doubles, doubles, decimals, wholes, texts(NUMBER_TEXTS)], [booleans, instants]);
    case 'timestamp':
      return sometimes([instantWay(random, anyInstant)], [booleans, doubles]);
  }
}

const FAR = ['253402214399999000000', '253402214400000000000', '946684799999999999', '946684800000000000'];

/** Instants, which are nanoseconds, in one of their flavours. */
function instantWay(random: Random, write: Writer): Way {
  const perUnit = random.pick([1n, 1_000n, 1_000_000n, 1_000_000n]);
  const inMillis: Writer = (some) => String(BigInt(write(some)) / NANOS_PER_MILLI);
  const far: Writer = (some) => (some.chance(0.03) ? some.pick(FAR) : write(some));
  return random.pick<Way>([
    { flavour: 'instant', write },
    { flavour: 'instant', write },
    { flavour: 'instant', write: far },
    { flavour: 'whole', write: (some) => String(BigInt(write(some)) / perUnit) },
    { flavour: 'text', write: (some) => isoText(some, BigInt(write(some))) },
    { flavour: 'text', write: (some) => isoText(some, BigInt(write(some))) },
    {
      flavour: 'date',
      write: (some) => new Date(Number(inMillis(some))).toISOString().slice(0, 10),
    },
    { flavour: 'double', write: (some) => `${inMillis(some)}.0` },
    { flavour: 'whole', write: (some) => String(BigInt(inMillis(some)) / (some.chance(0.1) ? 1_000n : 1n)) },
  ]);
}

/** The values of a join key or of ids: few, and the same in events and spines. */
function keysOf(
  random: Random,
  { kind }: FieldPlan,
): { readonly values: readonly string[]; readonly isWhole: boolean } {
  if (kind === 'integer') return { values: ['1', '-5', '0', '127', '9007199254740991'], isWhole: true };
  const isWhole = random.chance(0.4);
  const pool = isWhole ? ['17', '0', '4000123412341234567', '300'] : TEXTS;
  return { values: [random.pick(pool), random.pick(pool), isWhole ? '42' : 'card'], isWhole };
}

/** A whole number as a column of another type would hold it. */
function keyWay(random: Random, { kind }: FieldPlan, isWhole: boolean): Way['flavour'] {
  if (!isWhole) return 'text';
  return kind === 'integer'
    ? random.pick<Flavour>(['whole', 'whole', 'whole', 'text', 'double', 'decimal'])
    : random.pick<Flavour>(['whole', 'whole', 'text']);
}

export const ARRIVAL: FieldPlan = {
  name: 'arrived_at',
  from: 'arrived_at',
  kind: 'timestamp',
  whenMissing: 'refused',
  scale: 0,
  isRounded: false,
  most: 0,
};

export interface Tables {
  readonly events: readonly Column[];
  readonly spine: readonly Column[];
}

/** Events in order of arrival, more or less, some of them delivered again; and rows that ask for what was known. */
export function randomTables(random: Random, plan: Plan): Tables {
  const fieldOf = (name: string) => plan.fields.find((field) => field.name === name) ?? ARRIVAL;
  const resolutionMillis = plan.resolution === '1s' ? 1_000 : 1;
  const keys = new Map(plan.joinKeys.map((name) => [name, keysOf(random, fieldOf(name))]));
  const ids = keysOf(random, fieldOf(plan.eventId));
  const idOf = (index: number) => (ids.isWhole ? String(1_000 + index) : `event ${index}`);
  const count = random.integer(3, 50);
  let clock = START_MILLIS;
  const times: number[] = [];
  const arrivals: number[] = [];
  const originals: number[] = [];
  for (let row = 0; row < count; row++) {
    clock += random.pick([0, random.integer(0, 3_000), random.integer(0, 900_000), random.integer(0, 40_000_000)]);
    const original = row > 0 && random.chance(0.1) ? (originals[random.integer(0, row - 1)] ?? row) : row;
    const late = random.chance(0.2) ? random.integer(0, 1_200_000) : 0;
    const isExact = random.chance(0.97);
    times.push(
      original === row
        ? Math.floor((clock - late) / resolutionMillis) * resolutionMillis + (isExact ? 0 : 7)
        : (times[original] ?? 0),
    );
    arrivals.push(random.chance(0.02) ? clock - 900_000 : clock + random.pick([0, 1_000, random.integer(0, 100_000)]));
    originals.push(original);
  }
  /** A value of an event that is delivered again is that of its first delivery. */
  const repeated = (write: (row: number) => string | null): (string | null)[] => {
    const values: (string | null)[] = [];
    for (const [row, original] of originals.entries())
      values.push(original === row ? write(row) : (values[original] ?? null));
    return values;
  };
  const column = (field: FieldPlan, { flavour, write }: Way, share: number): Column => {
    const missing = field.whenMissing === 'refused' ? (random.chance(0.2) ? 0.03 : 0) : share;
    const values = repeated(() => (random.chance(missing) ? null : write(random)));
    return { name: field.name, kind: field.kind, flavour, values };
  };
  const instants = (millis: readonly number[], isRepeated: boolean): Way => {
    const nanos = millis.map((value) =>
      String(resolutionMillis === 1 ? nanosOf(random, value) : BigInt(value) * NANOS_PER_MILLI),
    );
    let row = 0;
    const next = () => {
      while (isRepeated && row < originals.length && originals[row] !== row) row++;
      return nanos[row++] ?? '0';
    };
    return instantWay(random, next);
  };
  const events = plan.fields.flatMap((field): Column[] => {
    if (field.name === plan.eventId) {
      const flavour = keyWay(random, field, ids.isWhole);
      return [{ name: field.name, kind: field.kind, flavour, values: repeated(idOf) }];
    }
    if (field.name === plan.eventTime) return [column(field, instants(times, true), 0)];
    const key = keys.get(field.name);
    if (key !== undefined)
      return [
        column(field, { flavour: keyWay(random, field, key.isWhole), write: (some) => some.pick(key.values) }, 0.15),
      ];
    const isLeftOut = field.whenMissing !== 'refused' && random.chance(0.08);
    return isLeftOut ? [] : [column(field, wayOf(random, field), random.pick([0, 0.2, 0.2, 0.6, 1]))];
  });
  const arrived = instants(arrivals, false);
  const arrivedValues = arrivals.map(() => arrived.write(random));
  const isTimeArrival = plan.eventTime === ARRIVAL.name;
  if (!isTimeArrival)
    events.push({ name: ARRIVAL.name, kind: 'timestamp', flavour: arrived.flavour, values: arrivedValues });

  const rows = random.integer(1, 12);
  const spineTimes = Array.from({ length: rows }, () => {
    const near =
      random.pick(times) + random.pick([0, 1_000, random.integer(-5_000, 5_000), random.integer(-600_000, 28_800_000)]);
    return Math.floor(near / resolutionMillis) * resolutionMillis;
  });
  const spineColumn = (name: string, kind: FieldPlan['kind'], { flavour, write }: Way, missing: number): Column => ({
    name,
    kind,
    flavour,
    values: Array.from({ length: rows }, () => {
      const value = write(random);
      return random.chance(missing) ? null : value;
    }),
  });
  const spine = [...keys].map(([name, { values, isWhole }]) => {
    const field = fieldOf(name);
    const pool = [...values, isWhole ? '99' : 'a stranger'];
    const way: Way = { flavour: keyWay(random, field, isWhole), write: (some) => some.pick(pool) };
    return spineColumn(name, field.kind, way, field.whenMissing === 'refused' ? 0 : 0.15);
  });
  const known = spineTimes.map((time) => time + random.pick([0, 1_000, random.integer(-3_000, 100_000)]));
  spine.push(spineColumn('timestamp', 'timestamp', instants(spineTimes, false), 0));
  if (random.chance(0.7)) spine.push(spineColumn('known_at', 'timestamp', instants(known, false), 0.2));
  if (random.chance(0.7) || plan.features.some(({ excludesCurrent }) => excludesCurrent)) {
    const field = fieldOf(plan.eventId);
    const way: Way = { flavour: keyWay(random, field, ids.isWhole), write: (some) => idOf(some.integer(0, count)) };
    spine.push(spineColumn(field.name, field.kind, way, 0.3));
  }
  return { events, spine };
}
