/**
 * What people get wrong in declarations, and what they are told. Commands strip types, so every row is built as untyped
 * data: none of them may rely on the compiler.
 */
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import * as language from '../../../shared/definitions/index.ts';
import {
  count,
  DefinitionError,
  decimal,
  distinct,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  mean,
  quantile,
  sum,
  variance,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { DECISION_OPTIONS } from '../../../shared/definitions/service.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';

const account = { name: 'account', description: 'Who logs in.', joinKeys: ['account_id'] } as const;
const device = { name: 'device', description: 'By which device.', joinKeys: ['device_id'] } as const;

const fields = {
  login_id: identifier(),
  account_id: identifier(),
  device_id: identifier(),
  country: z.string(),
  failed: z.int(),
  typing_ms: z.number(),
  amount: decimal({ scale: 2 }),
  note: z.string().optional(),
  is_new: z.boolean(),
  at: eventTime(),
};

const source = {
  name: 'logins',
  description: 'Logins.',
  owner: 'security',
  schema: z.strictObject(fields),
  eventId: 'login_id',
  eventTime: 'at',
  partitionKey: 'account_id',
  allowedLateness: '30s',
} as const;

const view = {
  name: 'account_logins',
  version: 1,
  description: 'How an account logs in.',
  owner: 'security',
  entity: entity(account),
  source: eventSource(source),
  windows: { '10min': '10min', '1d': '1d' },
  features: { fails: sum('failed'), devices: distinct('device_id') },
  ttl: '7d',
} as const;

const accountLogins = windowedView(view);
const deviceAccounts = windowedView({
  ...view,
  name: 'device_accounts',
  entity: entity(device),
  features: { accounts: distinct('account_id') },
});

const stuffing = {
  when: ({ accounts_10min }: { readonly accounts_10min: { isGreaterThan(limit: number): unknown } }) =>
    accounts_10min.isGreaterThan(5),
  reason: 'One device tries many accounts.',
  outcome: 'block',
};

const service = {
  name: 'account_takeover',
  version: 1,
  description: 'Decides logins.',
  owner: 'security',
  views: [accountLogins, deviceAccounts],
  decides: view.source,
  rules: { STUFFING: stuffing },
};

// The declaration language as a module without types would call it.
const make = {
  entity: (changes: object) => () => entity({ ...account, ...changes } as never),
  source: (changes: object) => () => eventSource({ ...source, ...changes } as never),
  view: (changes: object) => () => windowedView({ ...view, ...changes } as never),
  service: (changes: object) => () => featureService({ ...service, ...changes } as never),
  rule: (changes: object) => () =>
    featureService({ ...service, rules: { STUFFING: { ...stuffing, ...changes } } } as never),
  repository: (declared: object) => () => featureRepository(declared as never),
};
const without = (name: string) => ({ [name]: undefined });
/** Columns and methods as a callback without types takes them to be, also those that are not there. */
type Method = 'plus' | 'equals' | 'isGreaterThan' | 'isAbove';
type Column = { readonly [Name in Method]: (other: unknown) => Column };
type ColumnName = 'failed' | 'fails_1d' | 'fail_1d' | 'countri' | 'is_new' | 'account_10min';
type Untyped = { readonly [Name in ColumnName]: Column };

function expectMessage(build: () => unknown, message: string): void {
  expect(build).toThrow(DefinitionError);
  expect(build).toThrow(message);
}

it('are told of nothing when there is none', () => {
  expect(
    make
      .service({})()
      .rules.map(({ name }) => name),
  ).toEqual(['STUFFING']);
  expect(make.repository({ views: service.views, services: [make.service({})()] })().views).toHaveLength(2);
});

describe('mistakes in an entity', () => {
  it.each<[string, object, string]>([
    [
      'a join key in camelCase',
      { joinKeys: ['deviceId'] },
      'entity account: join key "deviceId": a name is snake_case',
    ],
    [
      'no join keys',
      { joinKeys: [] },
      'entity account: joinKeys must be a list of at least one field, such as ["user_id"]; got an empty list',
    ],
    ['join keys left out', without('joinKeys'), 'entity account: joinKeys is missing; write a list of'],
    ['a join key twice', { joinKeys: ['a', 'a'] }, 'entity account: join key "a" is named twice; remove one'],
    ['no description', without('description'), 'entity account: description is missing; write a text'],
    ['no name', without('name'), 'entity: name is missing; write a text that is not empty'],
    [
      'an unknown option',
      { joinKey: ['account_id'] },
      'entity account: "joinKey" is not an option; did you mean "joinKeys"?',
    ],
  ])('%s', (_, changes, message) => expectMessage(make.entity(changes), message));
});

describe('mistakes in a source', () => {
  it.each<[string, object, string]>([
    [
      'a type that no feature can use',
      { schema: z.strictObject({ ...fields, country: z.date() }) },
      'source logins: field "country" has a type that features cannot use; use identifier(), z.string()',
    ],
    [
      'a schema that trims',
      { schema: z.strictObject({ ...fields, country: z.url().optional() }) },
      'source logins: field "country" must keep its values as they are written; got z.url(), which would make another key of them; leave it out',
    ],
    [
      'a check that trims',
      { schema: z.strictObject({ ...fields, country: z.string().url() }) },
      'source logins: field "country" must keep its values as they are written; got z.url()',
    ],
    [
      'an enum of numbers',
      { schema: z.strictObject({ ...fields, country: z.enum({ DE: 1, FR: 2 }) }) },
      'source logins: field "country" has a type that features cannot use',
    ],
    [
      'a field that every object has',
      { schema: z.strictObject({ ...fields, constructor: z.string().optional() }) },
      'source logins: field "constructor" has the name of what every object has by birth; rename it',
    ],
    [
      'an optional event id',
      { schema: z.strictObject({ ...fields, login_id: identifier().optional() }) },
      'source logins: eventId "login_id" must not be optional',
    ],
    [
      'an event time as text',
      { schema: z.strictObject({ ...fields, at: z.string() }) },
      'source logins: eventTime "at" is text; declare it as eventTime()',
    ],
    [
      'z.object for z.strictObject',
      { schema: z.object(fields) },
      'source logins: schema must be a z.strictObject({ … }), because others let unknown fields vanish or through; got',
    ],
    ['z.looseObject', { schema: z.looseObject(fields) }, 'source logins: schema must be a z.strictObject({ … })'],
    ['fields instead of a schema', { schema: fields }, 'source logins: schema must be a z.strictObject({ … })'],
    [
      'a misspelt role',
      { eventId: 'loginid' },
      'source logins: eventId names "loginid", which the schema does not have; did you mean "login_id"?',
    ],
    [
      'no lateness',
      without('allowedLateness'),
      'source logins: allowedLateness is missing; write a duration such as 500ms, 5s, 1min, 24h or 7d',
    ],
    [
      'a time resolution in words',
      { timeResolution: 'hour' },
      'source logins: timeResolution must be a duration such as 500ms, 5s, 1min, 24h or 7d; got "hour"',
    ],
    ['no owner', without('owner'), 'source logins: owner is missing; write a text that is not empty'],
    [
      'an unknown option',
      { lateness: '5s' },
      'source logins: "lateness" is not an option; the options are name, description, owner',
    ],
  ])('%s', (_, changes, message) => expectMessage(make.source(changes), message));

  it.each<[string, unknown, string]>([
    ['a decimal without a scale', {}, 'decimal(): scale is missing; write a whole number from 0 to 15'],
    ['a scale of 20', { scale: 20 }, 'decimal(): scale must be a whole number from 0 to 15; got 20'],
    ['a misspelt minimum', { scale: 2, minimun: 0 }, 'decimal(): "minimun" is not an option; did you mean "minimum"?'],
    ['a minimum as text', { scale: 2, minimum: '0' }, 'decimal(): minimum must be a finite number; got "0"'],
    ['crossed bounds', { scale: 2, minimum: 5, maximum: 1 }, 'decimal(): minimum 5 is above maximum 1'],
    ['a bare scale', 2, 'decimal(): must be an object such as { scale: 2 }; got 2'],
  ])('%s', (_, options, message) => expectMessage(() => decimal(options as never), message));
});

describe('mistakes in a view', () => {
  const features = (declared: object) => ({ features: declared });
  const window = (options: unknown) => ({ windows: { '7d': options } });

  it.each<[string, object, string]>([
    [
      'a misspelt field',
      features({ fail_share: mean('faild' as never) }),
      'view account_logins: fail_share = mean(faild): source logins has no field "faild"; did you mean "failed"?',
    ],
    [
      'a hop that does not divide',
      { windows: { '10min': { length: '10min', hop: '7min' } } },
      'view account_logins: window 10min: hop 7min does not divide 10min; leave it out for 10s',
    ],
    [
      'no ttl',
      without('ttl'),
      'view account_logins: ttl is missing; write a duration such as 500ms, 5s, 1min, 24h or 7d',
    ],
    [
      'a ttl that is too short',
      { windows: { '30d': '30d' }, ttl: '7d' },
      'view account_logins: ttl 7d would forget events that its windows still reach; make it at least 31d',
    ],
    [
      'a mean of text',
      features({ home: mean('country' as never) }),
      'home = mean(country): mean does not work on "country", which is text',
    ],
    [
      'a mean of z.number()',
      features({ typing: mean('typing_ms') }),
      'sums of floating-point numbers depend on their order; declare "typing_ms" as decimal({ scale }) or z.int()',
    ],
    [
      'a variance of z.int()',
      features({ spread: variance('failed') }),
      'view account_logins: spread = variance(failed): squares of "failed" may exceed the 38 digits',
    ],
    [
      'a window in words',
      window('10 minutes'),
      'view account_logins: window 7d: length must be a duration such as 500ms, 5s, 1min, 24h or 7d; got "10 minutes"',
    ],
    [
      'a window name with an underscore',
      { windows: { last_10min: '10min' } },
      'view account_logins: window name "last_10min" ends feature names: 1 to 16 lower-case letters and digits',
    ],
    [
      'a rank in percent',
      features({ p90: quantile('amount', 90) }),
      'p90 = quantile(amount): the rank of a quantile lies between 0 and 1, not 90',
    ],
    ['version 0', { version: 0 }, 'view account_logins: version must be a whole number from 1 to 1000000; got 0'],
    ['no owner', without('owner'), 'view account_logins: owner is missing; write a text that is not empty'],
    ['a blank owner', { owner: ' ' }, 'view account_logins: owner must be a text that is not empty; got " "'],
    ['no name', without('name'), 'view: name is missing; write a text that is not empty'],
    ['a tag that is not text', { tags: [7] }, 'view account_logins: tags must be a list of texts that are not empty'],
    [
      'a misspelt option of a window',
      window({ length: '7d', hop: '1h', ofset: '1d' }),
      'view account_logins: window 7d: "ofset" is not an option; did you mean "offset"?',
    ],
    [
      'an option that windows do not have',
      window({ length: '7d', timezone: 'Europe/Berlin' }),
      'view account_logins: window 7d: "timezone" is not an option; the options are length, hop, offset',
    ],
    [
      'a window of rows',
      window({ rows: 10 }),
      'view account_logins: window 7d: "rows" is not an option; the options are length, hop, offset',
    ],
    ['a window without length', window({ hop: '1h' }), 'view account_logins: window 7d: length is missing; write a'],
    [
      'a window as a number',
      window(604_800),
      'view account_logins: window 7d: must be a duration such as 1h, or { length, hop, offset }; got 604800',
    ],
    ['a misspelt option', { lane: 4 }, 'view account_logins: "lane" is not an option; did you mean "lanes"?'],
    [
      'an aggregate that does not exist',
      features({ typical: { aggregate: 'median', field: 'amount' } }),
      'view account_logins: feature typical: aggregate must be "count" or "sum" or',
    ],
    [
      'an aggregate that was imported and is not there',
      features({ typical: Reflect.get(language, 'median') }),
      'view account_logins: feature typical: must be an aggregation such as count() or sum("amount"); got undefined',
    ],
    [
      'an aggregate that was not called',
      features({ n: count }),
      'view account_logins: feature n: must be an aggregation such as count() or sum("amount"); got a function',
    ],
    [
      'a misspelt option of an aggregation',
      features({ n: count({ excludeCurrent: true } as never) }),
      'view account_logins: feature n: "excludeCurrent" is not an option; did you mean "excludesCurrent"?',
    ],
    [
      'an option of an aggregation as text',
      features({ n: sum('failed', { excludesCurrent: 'yes' } as never) }),
      'view account_logins: feature n: excludesCurrent must be true or false; got "yes"',
    ],
    [
      'options that are not an object',
      features({ n: sum('failed', true as never) }),
      'view account_logins: feature n: options must be an object such as { excludesCurrent: true }; got true',
    ],
    [
      'a count of null',
      features({ n: count(null as never) }),
      'view account_logins: feature n: field must be the name of a field; got null',
    ],
    [
      'a rank for a sum',
      features({ n: { aggregate: 'sum', field: 'failed', quantile: 0.5 } }),
      'n = sum(failed): only quantile() has a rank; leave "quantile" out',
    ],
    [
      'a name that every object has',
      features({ n: sum('constructor' as never) }),
      'n = sum(constructor): source logins has no field "constructor"; the fields are',
    ],
    [
      'features in a list',
      features([count()]),
      'view account_logins: features must be an object such as { tx_count: count(), total_amount: sum("amount") }; got a list',
    ],
    [
      'a cache in seconds',
      { cacheFor: 60 },
      'view account_logins: cacheFor must be a duration such as 500ms, 5s, 1min, 24h or 7d; got 60',
    ],
    ['a start by day', { liveFrom: '2026-11-21' }, 'view account_logins: liveFrom must be an instant with its zone'],
    [
      'an entity by its name',
      { entity: 'account' },
      'view account_logins: entity must be what entity() returned; got "account"',
    ],
    [
      'a source that was not made',
      { source },
      'view account_logins: source must be what eventSource() returned; got an object',
    ],
    [
      'a join key that is a flag',
      { entity: entity({ ...account, joinKeys: ['is_new'] }) },
      'view account_logins: join key "is_new" must be text or a whole number; got boolean; declare it as identifier() or z.int()',
    ],
    [
      'a join key that is an amount',
      { entity: entity({ ...account, joinKeys: ['amount'] }) },
      'view account_logins: join key "amount" must be text or a whole number; got decimal',
    ],
    [
      'a join key that is not there',
      { entity: entity({ ...account, joinKeys: ['acount_id'] }) },
      'source logins has no field "acount_id", the join key of account; did you mean "account_id"?',
    ],
    [
      'where over a column that does not exist',
      { where: ({ countri }: Untyped) => countri.equals('DE') },
      'view account_logins: where: there is no column "countri"; did you mean "country"?',
    ],
    [
      'where that is a number',
      { where: ({ failed }: Untyped) => failed },
      'view account_logins: where: must return a condition; got a number; compare it',
    ],
    ['where as text', { where: 'failed > 0' }, 'view account_logins: where must be a function such as ({ amount })'],
  ])('%s', (_, changes, message) => expectMessage(make.view(changes), message));
});

describe('mistakes in a service', () => {
  const sourceWith = (name: string) =>
    eventSource({ ...source, schema: z.strictObject({ ...fields, [name]: z.string() }) } as never);
  const derived = (build: unknown, name = 'ratio') => ({ derived: { [name]: build } });

  it.each<[string, object, string]>([
    [
      'a feature of two views',
      { views: [accountLogins, windowedView({ ...view, name: 'other_logins' })] },
      'service account_takeover: views account_logins and other_logins both have a feature fails_10min; rename one',
    ],
    [
      'a view twice',
      { views: [deviceAccounts, deviceAccounts] },
      'service account_takeover: view device_accounts is listed twice; remove one',
    ],
    [
      'views that are not views',
      { views: [view] },
      'service account_takeover: views must be a list of what windowedView() returned; got a list with an object',
    ],
    ['no views', without('views'), 'service account_takeover: views is missing; write a list of what windowedView()'],
    [
      'a misspelt feature',
      { features: ['acounts_10min'] },
      'service account_takeover: no view of it has a feature "acounts_10min"; did you mean "accounts_10min"?',
    ],
    [
      'a feature twice',
      { features: ['fails_1d', 'fails_1d'] },
      'service account_takeover: features names "fails_1d" twice; remove one',
    ],
    [
      'a rule over a feature that is left out',
      { features: ['fails_1d'] },
      'service account_takeover: rule STUFFING: uses "accounts_10min"; add it to the service\'s features',
    ],
    [
      'what it decides by name',
      { decides: 'logins' },
      'service account_takeover: decides must be what eventSource() returned; got "logins"',
    ],
    ['an unknown option', { view: [] }, 'service account_takeover: "view" is not an option; did you mean "views"?'],
    [
      'a derived feature over a column that does not exist',
      derived(({ fail_1d }: Untyped) => fail_1d.plus(1)),
      'service account_takeover: derived feature ratio: there is no column "fail_1d"; did you mean "fails_1d"?',
    ],
    [
      'a derived feature by operators',
      // @ts-expect-error an expression is not a number
      derived(({ fails_1d }: Untyped) => fails_1d / 2),
      'service account_takeover: derived feature ratio: its function throws: expression has no value before',
    ],
    [
      'a derived feature that is a value',
      derived(7),
      'service account_takeover: derived feature ratio: must be a function such as',
    ],
    [
      'a derived feature with the name of an input',
      derived(({ failed }: Untyped) => failed.plus(1), 'failed'),
      'service account_takeover: derived feature failed: has the name of one of its inputs; rename it',
    ],
    [
      'a derived feature with the name of a column of ours',
      derived(({ failed }: Untyped) => failed.plus(1), 'event_status'),
      'service account_takeover: "event_status" is what rules call what became of the event; rename yours',
    ],
    ['no views', { views: [] }, 'service account_takeover: views is empty; name at least one view'],
    [
      'a view that no decided event names',
      {
        decides: eventSource({
          ...source,
          schema: z.strictObject({ login_id: identifier(), at: eventTime() }),
          partitionKey: 'login_id',
        } as never),
        rules: {},
      },
      'service account_takeover: its view account_logins is found by "account_id", which the decided source',
    ],
    [
      'a status that no event has',
      {
        rules: {
          LATE: { ...stuffing, when: ({ event_status }: { event_status: Column }) => event_status.equals('Late') },
        },
      },
      'service account_takeover: rule LATE: event_status is never "Late"; did you mean "late"?',
    ],
    [
      'a field with the name of a column of ours',
      { decides: sourceWith('event_status') },
      'service account_takeover: "event_status" is what rules call',
    ],
    ...DECISION_OPTIONS.map((name): [string, object, string] => [
      `a decided field that is called ${name}`,
      { decides: sourceWith(name) },
      `service account_takeover: field "${name}" of source logins could not be sent: it is an option of the decision's body`,
    ]),
  ])('%s', (_, changes, message) => expectMessage(make.service(changes), message));

  it('lets the name of any object be a derived feature', () => {
    const build = ({ failed }: Untyped) => failed.plus(1);
    expect(
      make
        .service(derived(build, 'constructor'))()
        .derived.map(({ name }) => name),
    ).toEqual(['constructor']);
  });
});

describe('mistakes in a rule', () => {
  it.each<[string, object, string]>([
    [
      'an outcome that does not exist',
      { outcome: 'deny' },
      'service account_takeover: rule STUFFING: outcome must be "review" or "block"; got "deny"',
    ],
    ['no outcome', without('outcome'), 'rule STUFFING: outcome is missing; write "review" or "block"'],
    ['a severity that does not exist', { severity: 'severe' }, 'severity must be "low" or "medium" or "high"; got'],
    [
      'a state that does not exist',
      { state: true },
      'rule STUFFING: state must be "on" or "off" or "shadow"; got true',
    ],
    ['no reason', { reason: '' }, 'rule STUFFING: reason must be a text that is not empty; got ""'],
    ['no condition', without('when'), 'rule STUFFING: when is missing; write a function such as'],
    ['an unknown option', { outcom: 'block' }, 'rule STUFFING: "outcom" is not an option; did you mean "outcome"?'],
    [
      'a feature that does not exist',
      { when: ({ account_10min }: Untyped) => account_10min.isGreaterThan(5) },
      'service account_takeover: rule STUFFING: there is no column "account_10min"; did you mean "accounts_10min"?',
    ],
    [
      '&& and >',
      // @ts-expect-error an expression is not a number
      { when: ({ failed, fails_1d }: Untyped) => failed && fails_1d > 0.5 },
      'service account_takeover: rule STUFFING: its function throws: expression has no value before there is an event',
    ],
    [
      '&& of two conditions',
      { when: ({ failed, is_new }: Untyped) => failed.equals(1) && is_new },
      'service account_takeover: rule STUFFING: reads "failed", which its expression does not use; JavaScript',
    ],
    [
      '!',
      { when: ({ is_new }: Untyped) => !is_new },
      "rule STUFFING: must return an expression; got false; JavaScript's operators do not work on columns",
    ],
    ['no return', { when: () => {} }, 'rule STUFFING: must return an expression; got undefined'],
    [
      'a number for a condition',
      { when: ({ failed }: Untyped) => failed.plus(1) },
      'rule STUFFING: must return a condition; got a number; compare it',
    ],
    [
      'a method that does not exist',
      { when: ({ failed }: Untyped) => failed.isAbove(1) },
      'service account_takeover: rule STUFFING: its function throws: failed.isAbove is not a function',
    ],
    [
      'a comparison with nothing',
      { when: ({ failed }: Untyped) => failed.isGreaterThan(undefined) },
      'rule STUFFING: its function throws: operand must be an expression or a value; got undefined',
    ],
    [
      'a comparison with null',
      { when: ({ failed }: Untyped) => failed.equals(null) },
      'rule STUFFING: its function throws: operand must be an expression or a value; got null',
    ],
  ])('%s', (_, changes, message) => expectMessage(make.rule(changes), message));

  it.each<[string, unknown, string]>([
    ['a name in lower case', { stuffing }, "rule stuffing: a rule's name is UPPER_CASE"],
    ['a function alone', { STUFFING: stuffing.when }, 'rule STUFFING: must be an object with when, reason and outcome'],
    ['rules in a list', [stuffing], 'service account_takeover: rules must be an object such as'],
  ])('%s', (_, rules, message) => expectMessage(make.service({ rules }), message));

  it('may copy its columns, of which it then need not use all', () => {
    const when = (columns: Untyped) => ({ ...columns }).failed.equals(1);
    expect(make.rule({ when })().rules).toHaveLength(1);
  });
});

describe('mistakes in a repository', () => {
  const decides = make.service({})();

  it.each<[string, object, string]>([
    [
      'a view twice',
      { views: [accountLogins, windowedView(view)], services: [] },
      'view account_logins@1: is declared twice; rename one',
    ],
    [
      'a service twice',
      { views: service.views, services: [decides, make.service({})()] },
      'service account_takeover@1: is declared twice; rename one',
    ],
    [
      'an unknown option',
      { views: [deviceAccounts], services: [], service: [] },
      'feature repository: "service" is not an option; did you mean "services"?',
    ],
    [
      'a service whose view is not in it',
      { views: [accountLogins], services: [decides] },
      'service account_takeover: its view device_accounts is not in the repository',
    ],
    ['no services', { views: [] }, 'feature repository: services is missing; write a list of what featureService()'],
    [
      'a service among views',
      { views: [decides], services: [] },
      'feature repository: views must be a list of what windowedView() returned; got a list with an object',
    ],
  ])('%s', (_, declared, message) => expectMessage(make.repository(declared), message));
});
