import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { parseJson } from '../../../shared/definitions/json.ts';
import { START_MILLIS, testSource } from '../../support/arbitraries.ts';

const source = testSource('5s');
const event = { event_id: 'e', account_id: 'a', at: START_MILLIS, amount: 1, quantity: 1, label: 'x', ratio: 0.5 };
const problemsOf = (changes: object) => {
  const decoded = decodeEvent(source, { ...event, ...changes }, START_MILLIS);
  return decoded.ok ? [] : decoded.problems;
};

describe('an event', () => {
  it.each([
    ['half a surrogate pair', { label: '\ud800' }, 'label'],
    ['a number that the store cannot hold', { ratio: 1e200 }, 'ratio'],
    ['a missing field', { amount: undefined }, 'amount'],
    ['an unknown field', { colour: 'red' }, 'colour'],
    ['a time in the future', { at: START_MILLIS + 400_000 }, 'at'],
    ['more digits than declared', { amount: 1.005 }, 'amount'],
  ])('with %s is refused, naming the field', (_, changes, field) => {
    expect(problemsOf(changes).map((problem) => problem.field)).toEqual([field]);
  });

  it('that is as declared is decoded', () => {
    expect(problemsOf({})).toEqual([]);
  });
});

describe('JSON numbers', () => {
  it.each([
    ['12.50', 12.5],
    ['0.1', 0.1],
    ['1234567890123456', 1_234_567_890_123_456],
    ['1e3', '1e3'],
    ['12.0', '12.0'],
    ['12345678901234567890', '12345678901234567890'],
    ['0.1234567890123456789', '0.1234567890123456789'],
  ])('%s is handed on as %s', (text, value) => {
    const parsed = parseJson(`{"n":${text}}`);
    expect(parsed).toEqual({ n: typeof value === 'string' ? JSON.rawJSON(value) : value });
    expect(JSON.stringify(parsed)).toBe(`{"n":${typeof value === 'string' ? text : value}}`);
  });
});
