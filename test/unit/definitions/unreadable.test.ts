import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEventBytes } from '../../../shared/definitions/decode-event.ts';
import { whyTooLarge, whyUnreadable, whyWrapped } from '../../../shared/definitions/unreadable.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { START_MILLIS, testSource } from '../../support/arbitraries.ts';
import { EVENT, FRAMES, type Frame } from './frames.ts';

const source = testSource('5s');
const bytesOf = (content: Frame['content']) =>
  Buffer.from(typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content));
const problemsOf = (content: Frame['content']) => {
  const decoded = decodeEventBytes(source, bytesOf(content), START_MILLIS);
  return decoded.ok ? [] : decoded.problems;
};

describe('a record that is no event says what it is and what to do', () => {
  it.each(FRAMES)('$writer: $got', ({ content, got }) => {
    expect(problemsOf(content)).toEqual([{ field: '', problem: expect.stringContaining(got) }]);
    expect(problemsOf(content)[0]?.problem).toMatch(
      /^the event must be one JSON object in UTF-8; got .+\. [A-Z].+\.$/s,
    );
  });
});

describe('an event', () => {
  it('may begin with the byte order mark of UTF-8, and have white space around it', () => {
    expect(problemsOf(`\ufeff${JSON.stringify(EVENT)}`)).toEqual([]);
    expect(problemsOf(`\r\n ${JSON.stringify(EVENT, null, 2)}\r\n`)).toEqual([]);
  });

  it.each([
    ['a quote, brackets and escapes in its strings', { label: "it's [NaN] {\\\\'\\\\\" None" }],
    ['a member that only an envelope has', { specversion: '1.0', type: 'x', log: '' }],
  ])('is told its fields with %s', (_, changes) => {
    const problems = problemsOf({ ...EVENT, ...changes, amount: 'much' });
    expect(problems.map(({ field }) => field)).toContain('amount');
    expect(problems.map(({ field }) => field)).not.toContain('');
  });

  it('that lacks a field is told so, if it is no envelope', () => {
    const { amount, ...rest } = EVENT;
    expect(amount).toBe(1);
    expect(problemsOf(rest).map(({ field }) => field)).toEqual(['amount']);
  });

  it('that is too large is told its size, also when it is cut within a character', () => {
    const large = JSON.stringify({ ...EVENT, label: 'é'.repeat(LIMITS.eventBytes) });
    const problem = `the event has ${Buffer.byteLength(large)} bytes; at most ${LIMITS.eventBytes} are allowed`;
    expect(problemsOf(large)).toEqual([{ field: '', problem }]);
  });
});

it('declared members are never an envelope', () => {
  const fieldOf = (name: string) => ({ name, wireName: name, type: { kind: 'text' }, whenMissing: 'refused' }) as const;
  const declared = { fieldList: ['specversion', 'type', 'id'].map(fieldOf) };
  expect(whyWrapped(declared, { specversion: '1.0', type: 't' })).toBeUndefined();
  expect(whyWrapped({ fieldList: [fieldOf('id')] }, { specversion: '1.0', type: 't' })).toContain('CloudEvents');
});

describe('whatever the bytes are', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .tuple(fc.constantFrom(...FRAMES), fc.nat(300))
      .map(([{ content }, length]) => bytesOf(content).subarray(0, length)),
  );

  it('there is a sentence, and it quotes nothing', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        const problem = whyUnreadable(bytes);
        expect(problem).toMatch(/^the event must be one JSON object in UTF-8; got .+\. .+\.$/s);
        expect(whyTooLarge(bytes) ?? problem).toBe(problem);
      }),
      { numRuns: 3_000 },
    );
    for (const { content } of FRAMES) expect(problemsOf(content)[0]?.problem).not.toContain('account_id');
  });

  it.each([
    ['quotes', '"'],
    ['escaped quotes', '\\"'],
    ['backslashes', '\\'],
    ['commas', ', '],
    ['brackets', '{['],
    ['letters of base64', 'eyJ'],
    ['words', 'a'],
  ])('%s in plenty take time in proportion to their number', (_, text) => {
    const large = LIMITS.eventBytes;
    const small = large / 16;
    const shortestMillis = (length: number, times: number) => {
      const bytes = ['{', '', '"'].map((begin) => Buffer.concat([Buffer.from(begin), Buffer.alloc(length, text)]));
      const tries = Array.from({ length: 7 }, () => {
        const startedAtMillis = performance.now();
        for (let time = 0; time < times; time++) for (const each of bytes) whyUnreadable(each);
        return performance.now() - startedAtMillis;
      });
      return Math.min(...tries);
    };
    // As many bytes; what grows with their square takes 16 times as long in one piece.
    expect(shortestMillis(large, 1)).toBeLessThan(8 * shortestMillis(small, 16));
  });
});
