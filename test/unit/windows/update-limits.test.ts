import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Aggregation } from '../../../shared/definitions/aggregations.ts';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  first,
  identifier,
  last,
  max,
  min,
  sum,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { updateExpressions } from '../../../shared/online/dynamodb/expressions.ts';
import { HEADER } from '../../../shared/windows/bucket.ts';
import { idHashOf, type WindowEvent } from '../../../shared/windows/event.ts';
import { planUpdate } from '../../../shared/windows/plan.ts';

const START = Date.UTC(2026, 0, 1);
const account = entity({ name: 'account', description: 'Whose events they are.', joinKeys: ['account_id'] });

/** What DynamoDB counts against its 300: comparisons, functions, and logical operators. */
function operatorsIn(condition: string): number {
  return condition.match(/attribute_not_exists|contains|BETWEEN|NOT |OR |AND |<=|>=|=(?!=)/g)?.length ?? 0;
}

type Helper = (field: string) => Aggregation;

function wideView(fieldNames: readonly string[], helpers: Readonly<Record<string, Helper>>) {
  const source = eventSource({
    name: 'wide_events',
    description: 'Events with many amounts.',
    owner: 'tests',
    schema: z.strictObject({
      event_id: identifier(),
      account_id: identifier(),
      at: eventTime(),
      ...Object.fromEntries(fieldNames.map((name) => [name, decimal({ scale: 2 })])),
    }),
    eventId: 'event_id',
    eventTime: 'at',
    partitionKey: 'account_id',
    allowedLateness: '1min',
  });
  const features = fieldNames.flatMap((field) =>
    Object.entries(helpers).map(([name, helper]) => [`${name}_${field}`, helper(field)] as const),
  );
  return windowedView({
    name: 'wide_view',
    version: 1,
    description: 'Many aggregates.',
    owner: 'tests',
    entity: account,
    source,
    windows: { '1min': '1min', '1h': '1h' },
    // Field names that are computed are unknown to the types.
    features: { events: count(), ...Object.fromEntries(features) } as Record<string, Aggregation<'count', undefined>>,
    ttl: '7d',
  });
}

/** Every event in a bucket of its own, which is what takes most room. */
function eventsOf(fieldNames: readonly string[], size: number): WindowEvent[] {
  return Array.from({ length: size }, (_, index) => ({
    id: `e${index}`,
    idHash: idHashOf(`e${index}`),
    timeMillis: START + index * 1_100,
    arrivedAtMillis: START + index * 1_100,
    values: Object.fromEntries(fieldNames.map((name) => [name, index])),
  }));
}

const fields = (size: number) => Array.from({ length: size }, (_, index) => `f${index}`);

describe('the largest update of a view', () => {
  it.each<[string, readonly string[], Record<string, Helper>]>([
    ['3 fields with extremes', fields(3), { max, min }],
    ['12 fields with a maximum', fields(12), { max }],
    ['5 fields with extremes and endpoints', fields(5), { max, min, first, last }],
    ['10 fields with endpoints', fields(10), { first, last }],
    ['20 fields with a sum', fields(20), { sum }],
  ])('stays within what DynamoDB takes: %s', (_, names, helpers) => {
    const { layout } = wideView(names, helpers);
    const { update } = planUpdate(layout, eventsOf(names, layout.eventsPerUpdate));
    if (update === undefined) throw new Error('there was something to count');
    const { UpdateExpression = '', ConditionExpression = '' } = updateExpressions('table', 'key', update);
    expect(layout.eventsPerUpdate).toBeGreaterThan(2);
    expect(UpdateExpression.length).toBeLessThanOrEqual(4_096);
    expect(ConditionExpression.length).toBeLessThanOrEqual(4_096);
    expect(operatorsIn(ConditionExpression)).toBeLessThanOrEqual(300);
  });

  it('is refused at definition time when not even one event would fit', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'g', 'h', 'i'].flatMap((letter) => fields(8).map((name) => letter + name));
    expect(() => wideView(names, { max })).toThrow(/at most 256 .* too many aggregates|share the code/);
  });
});

describe('the expiry of an item', () => {
  it('counts from its newest event when that is ahead of its arrival', () => {
    const { layout } = wideView(['f0'], { sum });
    const [event] = eventsOf(['f0'], 1);
    if (event === undefined) throw new Error('one event was asked for');
    const { update } = planUpdate(layout, [{ ...event, arrivedAtMillis: event.timeMillis - 240_000 }]);
    const expiresAt = Math.ceil((event.timeMillis + layout.expiresAfterMillis) / 1_000);
    expect(update?.set[HEADER.expiresAt]).toEqual({ N: String(expiresAt) });
  });
});
