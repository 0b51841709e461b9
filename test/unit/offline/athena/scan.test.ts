import { describe, expect, it } from 'vitest';
import { daysOf } from '../../../../shared/offline/athena/scan.ts';
import type { HistoryMode } from '../../../../shared/offline/offline-store.ts';
import { offsetView } from '../../../support/arbitraries.ts';
import { serviceOf } from '../../../support/sql-history.ts';

const DAY_MILLIS = 86_400_000;
const at = (time: string) => Date.parse(`2026-03-10T${time}Z`);
/** Windows of 30 min that ended 10 min ago, at a hop of a second; ids are remembered for a minute. */
const service = serviceOf(offsetView('10min'));

function days(mode: HistoryMode, row: { timestamp: number; knownAt?: number; now?: number }) {
  const { timestamp, knownAt = timestamp, now = timestamp + 100 * DAY_MILLIS } = row;
  const millis = { earliestMillis: timestamp, latestMillis: timestamp, latestKnownMillis: knownAt, nowMillis: now };
  const { first, last } = daysOf({ service, mode, ...millis });
  return `${first}…${last}`;
}

describe('the days that a query reads', () => {
  it.each<[string, HistoryMode, Parameters<typeof days>[1], string]>([
    ['one', 'bitemporal', { timestamp: at('12:00:00') }, '2026-03-10…2026-03-10'],
    [
      'the day before, as far as the windows reach',
      'event-time',
      { timestamp: at('00:41:00') },
      '2026-03-09…2026-03-10',
    ],
    ['no day that they do not reach', 'event-time', { timestamp: at('00:41:01') }, '2026-03-10…2026-03-10'],
    [
      'the day after, which events ahead of their arrival have',
      'bitemporal',
      { timestamp: at('23:54:00') },
      '2026-03-10…2026-03-11',
    ],
    ['not that of events further ahead', 'bitemporal', { timestamp: at('23:53:59') }, '2026-03-10…2026-03-10'],
    ['not the day after by event time alone', 'event-time', { timestamp: at('23:58:59') }, '2026-03-10…2026-03-10'],
    [
      'until what was known',
      'bitemporal',
      { timestamp: at('12:00:00'), knownAt: at('12:00:00') + DAY_MILLIS },
      '2026-03-10…2026-03-11',
    ],
    [
      'and no future',
      'bitemporal',
      { timestamp: at('12:00:00'), knownAt: 8.64e15, now: at('13:00:00') },
      '2026-03-10…2026-03-10',
    ],
    ['none from before the oldest event', 'event-time', { timestamp: 0 }, '2000-01-01…2000-01-01'],
  ])('%s', (_what, mode, row, expected) => {
    expect(days(mode, row)).toBe(expected);
  });
});
