/** Random events and instants for declarations, and what a naive computation says of them. */

import { repository as newCountry } from '../../examples/new-country/features.ts';
import { repository as shipped } from '../../shared/features/index.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { Random } from '../simulation/random.ts';
import { repository as several } from '../trials/test-store/features.ts';

type Row = Readonly<Record<string, unknown>>;

/** Declarations that are played, with their decisions written by hand a second time. */
export interface Scene {
  readonly name: string;
  /** Module from the root of the project; undefined for what ships. */
  readonly features: string | undefined;
  readonly repository: FeatureRepository;
  /** An event of a source, without its id and its time. */
  fieldsOf(source: string, random: Random): Row;
  /** The derived features of a decision and the rules that fire, from the event's fields, window features and `event_status`. */
  naively(service: string, row: Columns): { readonly derived: Row; readonly rules: string[] };
}

const numbered = (random: Random, name: string, count: number) => `${name}-${random.integer(1, count)}`;
const money = (random: Random, most: number) => random.integer(0, most * 100) / 100;
const cents = (amount: number) => Math.floor(amount * 100 + 0.5);
const fired = (rules: Readonly<Record<string, boolean>>) => Object.keys(rules).filter((name) => rules[name]);

/** A row whose columns a scene knows. */
// biome-ignore lint/suspicious/noExplicitAny: columns of any type, which each scene compares as it knows them.
type Columns = any;

function ratio(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return null;
  return Number.isFinite(left / right) ? left / right : null;
}

export const SCENES: readonly Scene[] = [
  {
    name: 'shipped',
    features: undefined,
    repository: shipped,
    fieldsOf: (source, random) => ({
      user_id: numbered(random, 'user', 6),
      merchant_id: numbered(random, 'merchant', 12),
      ...(source === 'labels'
        ? { transaction_id: numbered(random, 'transaction', 99), is_fraud: random.integer(0, 1) }
        : { amount: money(random, random.chance(0.1) ? 5_000 : 100) }),
    }),
    naively: (_service, row: Columns) => {
      const { amount, avg_amount_1h, avg_amount_before_1h: before, tx_count_1h, tx_count_1min } = row;
      const countBefore = tx_count_1h - 1;
      return {
        derived: {
          amount_to_avg_ratio: ratio(amount, avg_amount_1h),
          is_burst: tx_count_1min === null ? null : tx_count_1min > 3,
        },
        rules: fired({
          HIGH_VELOCITY: tx_count_1min > 5,
          AMOUNT_SPIKE:
            before !== null && tx_count_1h !== null && cents(amount) * countBefore > cents(before * countBefore) * 3,
          MERCHANT_HOPPING: row.distinct_merchants_1h > 10,
          LARGE_FIRST_TX: tx_count_1h === 1 && amount > 1_000,
          LATE: row.event_status === 'late',
          SKEWED: row.event_status === 'skewed',
        }),
      };
    },
  },
  {
    name: 'new-country',
    features: 'examples/new-country/features.ts',
    repository: newCountry,
    fieldsOf: (_source, random) => ({
      account_id: numbered(random, 'account', 8),
      country: random.pick(['DE', 'FR', 'PL']),
    }),
    naively: (_service, { country, country_before_30d: before }: Columns) => {
      const isNew = before === null ? null : country !== before;
      return { derived: { is_new_country: isNew }, rules: fired({ NEW_COUNTRY: isNew === true }) };
    },
  },
  {
    name: 'several',
    features: 'test/trials/test-store/features.ts',
    repository: several,
    fieldsOf: (source, random) =>
      source === 'logins'
        ? { device_id: numbered(random, 'device', 5), country: random.pick(['DE', 'FR', 'PL']) }
        : {
            card_id: numbered(random, 'card', 6),
            shop: numbered(random, 'shop', 5),
            ...(random.chance(0.7) && { device_id: numbered(random, 'device', 5) }),
            amount: money(random, 300),
            declined: random.chance(0.3),
          },
    naively: (service, row: Columns) => {
      if (service === 'login_check') return { derived: {}, rules: fired({ BUSY: row.logins_1h > 4 }) };
      const { declines_1h, last_shop_1d: shopBefore } = row;
      const share = ratio(declines_1h, row.paid_1d);
      return {
        derived: { declined_share: share },
        rules: fired({
          MANY_DECLINES: share !== null && share >= 0.5 && declines_1h >= 2,
          NEW_SHOP: shopBefore !== null && row.shop !== shopBefore && row.amount > 150,
          MOVED: row.countries_7d > 2,
          OLD: row.event_status === 'late',
        }),
      };
    },
  },
];

/** What is done to a store. `clockMillis` is the instant at which it is done, where the clock follows the play. */
export type Step =
  | { readonly kind: 'send'; readonly clockMillis: number; readonly source: string; readonly events: readonly Row[] }
  | { readonly kind: 'decide'; readonly clockMillis: number; readonly service: string; readonly event: Row }
  | {
      readonly kind: 'features';
      readonly clockMillis: number;
      readonly service: string;
      readonly entity: Row;
      readonly atMillis: number;
    };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * Steps in the order of time, from `startMillis` on: events that come at once, late, again and from the near future, decisions
 * over new events and over the last one again, and reads.
 */
export function stepsOf(scene: Scene, random: Random, count: number, startMillis: number): Step[] {
  const { sources, services } = scene.repository;
  const steps: Step[] = [];
  const sent = new Map<string, Row[]>();
  let clockMillis = startMillis;
  let lastDecision: Extract<Step, { kind: 'decide' }> | undefined;
  const newEvent = (name: string): Row => {
    const source = sources.find((one) => one.name === name);
    if (source === undefined) throw new Error(`no source ${name}`);
    const resolution = source.timeResolutionMillis;
    const time = Math.floor((clockMillis - delayOf(random)) / resolution) * resolution;
    const id = `${name}-${steps.length}-${random.integer(0, 1e9)}`;
    const event = { ...scene.fieldsOf(name, random), [source.eventId]: id, [source.eventTime]: time };
    sent.set(name, [...(sent.get(name) ?? []), event]);
    return event;
  };
  while (steps.length < count) {
    clockMillis += gapOf(random);
    const kind = random.next();
    if (kind < 0.45) {
      const { name, eventTime } = random.pick(sources);
      const events = Array.from({ length: random.integer(1, 4) }, () =>
        random.chance(0.1) && sent.has(name) ? random.pick(sent.get(name) ?? []) : newEvent(name),
      );
      events.sort((left, right) => Number(left[eventTime]) - Number(right[eventTime]));
      steps.push({ kind: 'send', clockMillis, source: name, events });
      lastDecision = undefined;
    } else if (kind < 0.8) {
      const service = random.pick(services.filter(({ decides }) => decides !== undefined));
      const again = lastDecision !== undefined && random.chance(0.2) ? lastDecision : undefined;
      const event = again?.event ?? newEvent(service.decides?.name ?? '');
      const step = { kind: 'decide', clockMillis, service: again?.service ?? service.name, event } as const;
      lastDecision = step;
      steps.push(step);
    } else {
      const service = random.pick(services);
      const joinKeys = service.views.flatMap(({ entity, source }) => entity.joinKeys.map((key) => [key, source.name]));
      const entity = Object.fromEntries(
        joinKeys.map(([key = '', source = '']) => [key, scene.fieldsOf(source, random)[key] ?? null]),
      );
      steps.push({
        kind: 'features',
        clockMillis,
        service: service.name,
        entity,
        atMillis: clockMillis - random.integer(0, 10) * SECOND,
      });
    }
  }
  return steps;
}

function gapOf(random: Random): number {
  const kind = random.next();
  if (kind < 0.8) return random.integer(0, 20 * SECOND);
  if (kind < 0.97) return random.integer(0, 20 * MINUTE);
  return random.integer(0, 30 * HOUR);
}

/** How long an event was on its way; negative for one whose clock is ahead. */
function delayOf(random: Random): number {
  const kind = random.next();
  if (kind < 0.7) return random.integer(0, 2 * SECOND);
  if (kind < 0.85) return random.integer(2 * SECOND, 20 * SECOND);
  if (kind < 0.95) return random.integer(20 * SECOND, 3 * MINUTE);
  return -random.integer(1, 4 * SECOND);
}
