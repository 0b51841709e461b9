import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  DefinitionError,
  type Duration,
  decimal,
  distinct,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  last,
  max,
  mean,
  quantile,
  stddev,
  sum,
  variance,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { repository } from '../../../shared/features/index.ts';
import { definitionVersions, featureRepository } from '../../../shared/registry/manifest.ts';

const user = entity({ name: 'user', description: 'Who pays.', joinKeys: ['user_id'] });

const payments = eventSource({
  name: 'payments',
  description: 'Payments.',
  owner: 'tests',
  schema: z.strictObject({
    payment_id: identifier(),
    user_id: identifier(),
    amount: decimal({ scale: 2, minimum: 0 }),
    score: z.number(),
    country: z.string().optional(),
    at: eventTime(),
  }),
  eventId: 'payment_id',
  eventTime: 'at',
  partitionKey: 'user_id',
  allowedLateness: '5s',
});

const base = {
  name: 'user_payments',
  version: 1,
  description: 'Payments of a user.',
  owner: 'tests',
  entity: user,
  source: payments,
  ttl: '30d',
} as const;
const windows = { '1h': '1h' } as const;
const features = { total: sum('amount') } as const;

describe('what TypeScript refuses', () => {
  it('is a misspelt field, an aggregate of a field of the wrong type and an unknown feature', () => {
    // @ts-expect-error there is no field "amonut"
    expect(() => windowedView({ ...base, windows, features: { total: sum('amonut') } })).toThrow(DefinitionError);
    // @ts-expect-error text has no sum
    expect(() => windowedView({ ...base, windows, features: { total: sum('country') } })).toThrow(DefinitionError);
    expect(() =>
      windowedView({
        ...base,
        windows,
        features,
        // @ts-expect-error the source has no field "amonut"
        where: ({ amonut }) => amonut.isGreaterThan(1),
      }),
    ).toThrow();
    // @ts-expect-error "1 hour" is no duration
    expect(() => windowedView({ ...base, windows: { '1h': '1 hour' }, features })).toThrow(DefinitionError);

    const view = windowedView({ ...base, windows, features });
    const service = {
      name: 'decisions',
      version: 1,
      description: 'For tests.',
      owner: 'tests',
      views: [view],
      decides: payments,
    } as const;
    // @ts-expect-error the view has no feature of that name
    expect(() => featureService({ ...service, features: ['total_2h'] })).toThrow(DefinitionError);
    expect(() =>
      featureService({
        ...service,
        rules: {
          // @ts-expect-error a number is compared with text
          R: { when: ({ total_1h }) => total_1h.equals('1'), reason: 'For tests.', outcome: 'block' },
        },
      }),
    ).toThrow();
    const derived = featureService({
      ...service,
      derived: { ratio: ({ amount, total_1h }) => amount.dividedBy(total_1h) },
      rules: {
        HIGH: {
          when: ({ ratio, amount }) => ratio.isGreaterThan(0.5).and(amount.isAtLeast(1)),
          reason: 'For tests.',
          outcome: 'block',
        },
      },
    });
    expect(derived.rules.map(({ name }) => name)).toEqual(['HIGH']);
  });
});

describe('a view that cannot be built', () => {
  const view = (changes: object) => () => windowedView({ ...base, windows, features, ...changes } as never);

  it.each<[string, object, RegExp]>([
    [
      'a hop that does not divide its window',
      { windows: { '1h': { length: '1h', hop: '7min' } } },
      /user_payments: window 1h: hop 7min does not divide 1h; leave it out for 1min/,
    ],
    ['a window of no length', { windows: { now: '0s' } }, /window now: its length is at least 1ms/],
    [
      'an offset with a coarse hop',
      { windows: { late: { length: '1h', hop: '1min', offset: '1h' } } },
      /set its hop to 1ms, the time resolution of payments/,
    ],
    [
      'a start whose zone has to be guessed',
      { liveFrom: '2026-11-21T06:00:00' },
      /liveFrom .* write one such as 2026-/,
    ],
    ['a TTL shorter than what its windows reach', { ttl: '30min' }, /ttl 30min would forget events .* at least 62min/],
    [
      'a sum of floating-point numbers',
      { features: { total: sum('score') } },
      /declare "score" as decimal\({ scale }\) or z\.int\(\)/,
    ],
    ['a mean of text', { features: { total: mean('country') } }, /mean does not work on "country", which is text/],
    [
      'distinct values in a window with an offset',
      { windows: { w: { length: '1h', hop: '1ms', offset: '1h' } }, features: { d: distinct('country') } },
      /distinct cannot be computed for window w with an offset/,
    ],
    ['a quantile beyond 1', { features: { p: quantile('amount', 95) } }, /between 0 and 1, not 95/],
    ['no features', { features: {} }, /at least one window and one feature/],
    ['a name that is no identifier', { name: 'User Payments' }, /a name is snake_case/],
    ['a feature name that is no identifier', { features: { 'Total!': sum('amount') } }, /a name is snake_case/],
    ['a window name with a capital', { windows: { Hour: '1h' } }, /1 to 16 lower-case letters and digits/],
    ['a fractional version', { version: 1.5 }, /version must be a whole number from 1 to 1000000; got 1.5/],
    ['no lanes', { lanes: 0 }, /lanes must be a whole number from 1 to 64; got 0/],
    [
      'a join key that the source lacks',
      { entity: entity({ name: 'shop', description: 'For tests.', joinKeys: ['shop_id'] }) },
      /source payments has no field "shop_id", the join key of shop/,
    ],
  ])('says what is wrong with %s', (_, changes, message) => {
    expect(view(changes)).toThrow(DefinitionError);
    expect(view(changes)).toThrow(message);
  });
});

describe('the spread of whole numbers', () => {
  const view = (steps: z.ZodType, aggregation: object) => () => {
    const source = eventSource({
      name: 'walks',
      description: 'Walks.',
      owner: 'tests',
      schema: z.strictObject({ walk_id: identifier(), user_id: identifier(), at: eventTime(), steps }),
      eventId: 'walk_id',
      eventTime: 'at',
      partitionKey: 'user_id',
      allowedLateness: '5s',
    });
    return windowedView({ ...base, source, windows, features: { spread: aggregation } as never });
  };

  it.each<[string, z.ZodType]>([
    ['no bounds', z.int()],
    ['no bounds, in other words', z.number().int().optional()],
    ['no upper bound', z.int().nonnegative()],
    ['no lower bound', z.int().max(10).nullable()],
    ['a square of 31 digits', z.int().min(0).max(1e15).optional().describe('Steps.')],
    ['nanoseconds since 1970', z.int().min(0).max(9e15)],
    ['identifiers that are numbers', z.int().positive()],
  ])('is refused where they have %s', (_, steps) => {
    for (const aggregation of [stddev('steps'), variance('steps')]) {
      expect(view(steps, aggregation)).toThrow(DefinitionError);
      expect(view(steps, aggregation)).toThrow(
        `view user_payments: spread = ${aggregation.aggregate}(steps): squares of "steps" may exceed the 38 digits that the ` +
          'store adds exactly; bound it to at most 15 digits, as z.int().min(-1e9).max(1e9), or declare it as decimal({ scale })',
      );
    }
    expect(view(steps, sum('steps'))).not.toThrow();
    expect(view(steps, mean('steps'))).not.toThrow();
  });

  it.each<[string, z.ZodType]>([
    ['the bounds of the message', z.int().min(-1e9).max(1e9)],
    [
      '15 digits',
      z
        .int()
        .min(1 - 1e15)
        .max(1e15 - 1)
        .nullable(),
    ],
    ['32 bits', z.int32().optional()],
    ['bounds in other words', z.number().int().gt(0).lt(100).describe('Steps.')],
    ['a scale', decimal({ scale: 0 })],
  ])('is computed where they have %s', (_, steps) => {
    expect(view(steps, stddev('steps'))).not.toThrow();
    expect(view(steps, variance('steps'))).not.toThrow();
  });
});

describe('a source that cannot be built', () => {
  const schema = z.strictObject({
    id: identifier(),
    at: eventTime(),
    user_id: identifier(),
    note: z.string().optional(),
  });
  const options = {
    name: 's',
    description: 'For tests.',
    owner: 'tests',
    schema,
    eventId: 'id',
    eventTime: 'at',
    partitionKey: 'user_id',
    allowedLateness: '5s',
  } as const;
  const source = (changes: object) => () =>
    eventSource({ ...options, ...changes } as Parameters<typeof eventSource>[0]);

  it.each<[string, object, RegExp]>([
    ['an event time that is text', { eventTime: 'note' }, /eventTime "note" must not be optional/],
    ['an event time that is an id', { eventTime: 'id' }, /eventTime "id" is text; declare it as eventTime\(\)/],
    ['an unknown event id', { eventId: 'nope' }, /eventId names "nope"/],
    [
      'a lateness without a unit',
      { allowedLateness: '5' as Duration },
      /allowedLateness must be a duration such as .*; got "5"/,
    ],
    [
      'a field of a shape that features cannot use',
      { schema: schema.extend({ nested: z.object({}) }) },
      /field "nested" has a type that features cannot use/,
    ],
  ])('says what is wrong with %s', (_, changes, message) => {
    expect(source(changes)).toThrow(message);
  });

  it.each([z.uuid(), z.email(), z.ipv4(), z.iso.date(), z.email().nullable()])('takes texts of a format', (format) => {
    expect(source({ schema: schema.extend({ format }) })().fields.format?.type).toEqual({ kind: 'text' });
  });
});

describe('a service that cannot be built', () => {
  const view = windowedView({ ...base, windows, features });
  const options = {
    name: 'decisions',
    version: 1,
    description: 'For tests.',
    owner: 'tests',
    views: [view],
    decides: payments,
  } as const;

  it('names two views that share a feature', () => {
    const other = windowedView({ ...base, name: 'other_payments', windows, features });
    expect(() => featureService({ ...options, views: [view, other] })).toThrow(
      /user_payments and other_payments both have a feature total_1h/,
    );
  });

  it('names a feature that an expression uses but the service leaves out', () => {
    const two = windowedView({ ...base, windows, features: { total: sum('amount'), largest: max('amount') } });
    const left = () =>
      featureService({
        ...options,
        views: [two],
        features: ['total_1h'],
        derived: { share: ({ largest_1h }) => largest_1h.times(2) },
      });
    expect(left).toThrow(/uses "largest_1h"; add it to the service's features/);
  });

  it('refuses a rule whose name is not upper case', () => {
    const rules = {
      high: {
        when: ({ total_1h }: { total_1h: { isGreaterThan(n: number): never } }) => total_1h.isGreaterThan(1),
        reason: 'For tests.',
        outcome: 'block',
      },
    };
    expect(() => featureService({ ...options, rules } as never)).toThrow(/rule high: a rule's name is UPPER_CASE/);
  });
});

describe('the repository', () => {
  const view = (version: number, ttl: Duration = '30d') => windowedView({ ...base, version, ttl, windows, features });

  it('has the same version for the same declarations, and another for any other', () => {
    const version = (...views: ReturnType<typeof view>[]) => featureRepository({ views, services: [] }).registryVersion;
    expect(version(view(1))).toBe(version(view(1)));
    expect(new Set([version(view(1)), version(view(2)), version(view(1, '31d')), version(view(1), view(2))]).size).toBe(
      4,
    );
    expect(version(view(1))).toMatch(/^[0-9a-f]{16}$/);
  });

  it('says how long a view may be served from memory, which changes nothing of how it is computed', () => {
    const cached = windowedView({ ...base, windows, features, cacheFor: '1min' });
    const plain = windowedView({ ...base, windows, features });
    const [with_, without] = [cached, plain].map((declared) => featureRepository({ views: [declared], services: [] }));
    if (with_ === undefined || without === undefined) throw new Error('unreachable');
    expect(with_.manifest.views[0]).toMatchObject({ cacheFor: '1min' });
    expect(without.manifest.views[0]).not.toHaveProperty('cacheFor');
    expect(definitionVersions(with_)).toEqual(definitionVersions(without));
    expect(() => windowedView({ ...base, windows, features, cacheFor: '0s' })).toThrow(/cacheFor is at least 1ms/);
  });

  it('refuses two declarations of one name', () => {
    expect(() => featureRepository({ views: [view(1), view(1)], services: [] })).toThrow(
      /view user_payments@1: is declared twice/,
    );
  });

  it('has a manifest that is plain data', () => {
    expect(JSON.parse(JSON.stringify(repository.manifest))).toEqual(repository.manifest);
    expect(repository.manifest).toMatchSnapshot();
  });
});

describe('cells of a view', () => {
  it('are shared by the aggregates that need the same one', () => {
    const shared = windowedView({
      ...base,
      windows,
      features: { n: count(), total: sum('amount'), average: mean('amount') },
    });
    expect(shared.layout.cells.map(({ identity }) => identity)).toEqual(['count(*)', 'sum(amount in 10^-2)']);
  });

  it('keep their names in stored items when features are added', () => {
    const before = windowedView({ ...base, windows, features: { total: sum('amount') } });
    const after = windowedView({
      ...base,
      windows,
      features: { c: last('country'), n: count('country'), total: sum('amount') },
    });
    const code = before.layout.cells[0]?.code;
    expect(after.layout.cells.find(({ identity }) => identity.startsWith('sum(amount '))?.code).toBe(code);
  });
});
