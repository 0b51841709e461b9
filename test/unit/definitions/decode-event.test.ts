import { describe, expect, it } from 'vitest';
import { decodeEvent, decodeEventBytes } from '../../../shared/definitions/decode-event.ts';
import { parseJson, repeatedKeyOf } from '../../../shared/definitions/json.ts';
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
    ['a number that is smaller than every double', { ratio: JSON.rawJSON('1e-400') }, 'ratio'],
    ['the text of a number that is smaller than every double', { ratio: '-1e-400' }, 'ratio'],
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

describe('a key that occurs twice', () => {
  it.each([
    ['{"a":1,"a":2}', 'a', 'a'],
    ['{"a":1,"\\u0061":2}', 'a', 'a'],
    ['{"a":{"b":1,"b":2}}', undefined, 'a.b'],
    ['{"events":[{"id":"x,["},{"x":[[],1],"id":1,"id":2}]}', undefined, 'events[1].id'],
    ['[[{"a":1},{"a":1,"a":2}]]', undefined, '[0][1].a'],
    ['{"a":{"b":1},"b":{"a":1},"c":[{"a":1},{"a":1}]}', undefined, undefined],
  ])('in %s is %s of the outermost object, and %s anywhere', (text, outermost, anywhere) => {
    expect([repeatedKeyOf(text), repeatedKeyOf(text, { everywhere: true })]).toEqual([outermost, anywhere]);
  });
});

describe('JSON of many levels', () => {
  const nested = (levels: number, inner = '') => '['.repeat(levels) + inner + ']'.repeat(levels);

  it.each(['', '-0', '"["'])('is read up to a thousand of them, with %s innermost', (inner) => {
    expect(() => parseJson(nested(1_000, inner))).not.toThrow();
    expect(() => parseJson(nested(1_001, inner))).toThrow(SyntaxError);
  });

  it.each(['', '-0'])('is refused in a field that is ignored too, with %s innermost', (inner) => {
    const ignoring = { ...source, unknownFields: 'ignore' as const };
    const decoded = (levels: number) =>
      decodeEventBytes(
        ignoring,
        Buffer.from(
          JSON.stringify({ ...event, more: JSON.rawJSON('0') }).replace('"more":0', `"more":${nested(levels, inner)}`),
        ),
        START_MILLIS,
      );
    expect(decoded(999)).toMatchObject({ ok: true, ignoredFields: 1 });
    expect(decoded(1_000)).toMatchObject({
      ok: false,
      problems: [{ problem: expect.stringContaining('1000 levels') }],
    });
  });
});
