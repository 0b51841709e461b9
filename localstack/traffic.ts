/**
 * Card traffic as producers make it, from a seed: the same seed and options give the same deliveries, bit for bit.
 *
 * 1. Each user has a few merchants, a usual amount and hours of being awake; the arrivals follow these.
 * 2. Some users live through a scenario that one rule is there to catch. Its last transaction is the one that the rule
 *    catches; nothing else happens to that user in the hour before it, so the label is true by construction.
 * 3. Transactions are delivered nearly in order: a few come a little late, and a few come twice.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** A card transaction as producers send it: the `transactions` source of `shared/features/fraud.ts`. */
export interface Transaction {
  readonly transaction_id: string;
  readonly user_id: string;
  readonly merchant_id: string;
  readonly amount: number;
  /** Event time, milliseconds since 1970. */
  readonly timestamp: number;
}

/** Scenarios, and the rule that each one's last transaction sets off. */
export const RULE_OF_SCENARIO = {
  burst: 'HIGH_VELOCITY',
  'merchant hopping': 'MERCHANT_HOPPING',
  'amount spike': 'AMOUNT_SPIKE',
  'large first transaction': 'LARGE_FIRST_TX',
} as const;

export type Scenario = keyof typeof RULE_OF_SCENARIO;

export const SCENARIOS = Object.keys(RULE_OF_SCENARIO) as readonly Scenario[];

/** One delivery to the stream. */
export interface Delivery {
  readonly transaction: Transaction;
  readonly scenario: Scenario | 'normal';
  /** The last transaction of a scenario, the one to be caught. */
  readonly isCulprit: boolean;
  /** Whether the same transaction was delivered before. */
  readonly isDuplicate: boolean;
}

export interface TrafficOptions {
  readonly seed: number;
  /** Distinct transactions; duplicates come on top. */
  readonly transactionCount: number;
  readonly userCount: number;
  /** Distinguishes the users of one run from those of another: `<prefix>user-0001`. */
  readonly userIdPrefix: string;
  /** The instant at which the traffic begins. */
  readonly startMillis: number;
  /** How many times faster than real ones the users' days pass. Scenarios keep their own pace, as rules do. */
  readonly speedUp: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const TRANSACTIONS_PER_USER_AND_DAY = 4;
const MERCHANT_COUNT = 300;
/** Share of all transactions that belong to scenarios. */
const SCENARIO_SHARE = 0.08;
const DUPLICATE_SHARE = 0.02;
const DUPLICATE_DELAY_MILLIS_MAX = 2 * MINUTE;
const DELAYED_SHARE = 0.05;
/** Below the 5 s that the source allows, so that every transaction is counted. */
const DELAY_MILLIS_MAX = 4_500;
/** A scenario has its user to itself for this long before it begins, which is the longest window of any rule. */
const QUIET_MILLIS = HOUR;
/** The last scenarios end so shortly before the end of the traffic that even the shortest windows still show them. */
const FINALE_MILLIS = 20 * SECOND;

/** How long the traffic of some options lasts, in event time. */
export function trafficDurationMillis(
  options: Pick<TrafficOptions, 'transactionCount' | 'userCount' | 'speedUp'>,
): number {
  const days = options.transactionCount / (options.userCount * TRANSACTIONS_PER_USER_AND_DAY) / options.speedUp;
  return Math.ceil(days * DAY);
}

/** The deliveries, in the order in which producers make them. @throws RangeError for traffic too short for scenarios. */
export function generateTraffic(options: TrafficOptions): Delivery[] {
  const durationMillis = trafficDurationMillis(options);
  if (!(durationMillis >= 4 * HOUR)) {
    throw new RangeError(
      `The traffic would span ${Math.round(durationMillis / MINUTE)} minutes, and scenarios need 4 hours: ask for more transactions, fewer users or a smaller speed-up`,
    );
  }
  const random = randomOf(options.seed);
  const users = Array.from({ length: options.userCount }, (_, index) =>
    makeUser(random, `${options.userIdPrefix}user-${String(index + 1).padStart(4, '0')}`),
  );
  const episodes = planEpisodes(random, users, options, durationMillis);
  const events = episodes.flatMap(({ events }) => events);
  while (events.length < options.transactionCount) {
    events.push(normalEvent(random, random.pick(users), options, durationMillis, episodes));
  }
  return inOrderOfDelivery(random, events);
}

/**
 * The transactions of one scenario, the last of which its rule catches.
 * @param options.endMillis event time of the last one.
 */
export function generateScenario(options: {
  readonly seed: number;
  readonly scenario: Scenario;
  readonly userId: string;
  readonly endMillis: number;
}): Transaction[] {
  const random = randomOf(options.seed);
  const user = makeUser(random, options.userId);
  return scenarioSteps(random, options.scenario, user).map((step) =>
    toTransaction(random, user, step, options.endMillis),
  );
}

interface User {
  readonly id: string;
  readonly merchants: readonly string[];
  /** Median of the log-normal distribution of amounts. */
  readonly usualAmount: number;
  /** Hour of the day, UTC, at which the user is most active. */
  readonly busiestHour: number;
}

/** One transaction of a scenario, relative to its end. */
interface Step {
  readonly beforeEndMillis: number;
  readonly merchantId: string;
  readonly amount: number;
}

type Event = Pick<Delivery, 'transaction' | 'scenario' | 'isCulprit'>;

/** A scenario that happens to a user, with the time that belongs to it. */
interface Episode {
  readonly userId: string;
  readonly quietFromMillis: number;
  readonly endMillis: number;
  readonly events: readonly Event[];
}

/** Everything random of a simulation, from one seed. */
export type Random = ReturnType<typeof randomOf>;

export function randomOf(seed: number) {
  const generator = xoroshiro128plus(seed);
  const unit = () => uniformFloat64(generator);
  const integer = (from: number, to: number) => uniformInt(generator, from, to);
  return {
    /** A number from 0 up to, but not including, 1. */
    unit,
    /** A whole number, both bounds included. */
    integer,
    pick: <T>(values: readonly T[]): T => {
      const value = values[integer(0, values.length - 1)];
      if (value === undefined) throw new RangeError('Nothing to pick from: ask for at least one user');
      return value;
    },
    /** A normally distributed number (Box and Muller). */
    normal: () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    /** 96 random bits as text, which producers use as ids. */
    id: () => Array.from({ length: 3 }, () => (generator.next() >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}

function inCents(amount: number): number {
  return Math.max(50, Math.round(amount * 100)) / 100;
}

function merchantName(index: number): string {
  return `merchant-${String(index).padStart(3, '0')}`;
}

/** Different merchants, in random order. */
function someMerchants(random: Random, count: number): string[] {
  const chosen = new Set<string>();
  while (chosen.size < count) chosen.add(merchantName(random.integer(1, MERCHANT_COUNT)));
  return [...chosen];
}

function makeUser(random: Random, id: string): User {
  return {
    id,
    merchants: someMerchants(random, random.integer(3, 6)),
    usualAmount: 25 * Math.exp(0.6 * random.normal()),
    busiestHour: random.integer(11, 20),
  };
}

function usualAmount(random: Random, user: User): number {
  return inCents(user.usualAmount * Math.exp(0.5 * random.normal()));
}

/** How awake a user is at an hour of the day: 1 when busiest, a tenth of it twelve hours later. */
function activity(user: User, hour: number): number {
  return 0.55 + 0.45 * Math.cos(((hour - user.busiestHour) / 24) * 2 * Math.PI);
}

/** Draws instants until one suits the user: awake, and not within a scenario. */
function normalEvent(
  random: Random,
  user: User,
  { startMillis, speedUp }: TrafficOptions,
  durationMillis: number,
  episodes: readonly Episode[],
): Event {
  for (;;) {
    const elapsedMillis = random.integer(0, durationMillis - 1);
    const timestamp = startMillis + elapsedMillis;
    const simulatedHour = ((startMillis + elapsedMillis * speedUp) / HOUR) % 24;
    const isTaken = episodes.some(
      ({ userId, quietFromMillis, endMillis }) =>
        userId === user.id && timestamp >= quietFromMillis && timestamp <= endMillis,
    );
    if (isTaken || random.unit() >= activity(user, simulatedHour)) continue;
    const step = { beforeEndMillis: 0, merchantId: random.pick(user.merchants), amount: usualAmount(random, user) };
    return { transaction: toTransaction(random, user, step, timestamp), scenario: 'normal', isCulprit: false };
  }
}

function toTransaction(random: Random, user: User, step: Step, endMillis: number): Transaction {
  return {
    transaction_id: `tx-${random.id()}`,
    user_id: user.id,
    merchant_id: step.merchantId,
    amount: step.amount,
    timestamp: endMillis - step.beforeEndMillis,
  };
}

/** Scenarios in turn, at most one for each user, until they have their share. One of each kind ends the traffic. */
function planEpisodes(
  random: Random,
  users: readonly User[],
  options: TrafficOptions,
  durationMillis: number,
): Episode[] {
  const episodes: Episode[] = [];
  let budget = options.transactionCount * SCENARIO_SHARE;
  for (const [index, user] of users.entries()) {
    const scenario = SCENARIOS[index % SCENARIOS.length];
    if (scenario === undefined) break;
    const steps = scenarioSteps(random, scenario, user);
    const isFinale = index < SCENARIOS.length;
    if (!isFinale && steps.length > budget) break;
    budget -= steps.length;
    const latestMillis = durationMillis - 1;
    const endMillis =
      options.startMillis +
      (isFinale ? latestMillis - random.integer(0, FINALE_MILLIS) : random.integer(2 * HOUR, latestMillis));
    episodes.push({
      userId: user.id,
      quietFromMillis: endMillis - Math.max(...steps.map(({ beforeEndMillis }) => beforeEndMillis)) - QUIET_MILLIS,
      endMillis,
      events: steps.map((step, position) => ({
        transaction: toTransaction(random, user, step, endMillis),
        scenario,
        isCulprit: position === steps.length - 1,
      })),
    });
  }
  return episodes;
}

/** What happens in a scenario, in order. Their numbers stay clear of every rule but their own. */
function scenarioSteps(random: Random, scenario: Scenario, user: User): Step[] {
  const merchantId = random.pick(user.merchants);
  const steadyAmount = inCents(user.usualAmount);
  switch (scenario) {
    case 'burst': {
      const size = random.integer(6, 9);
      const spacingMillis = random.integer(2 * SECOND, 5 * SECOND);
      return stepsBefore(size, spacingMillis, () => ({ merchantId, amount: steadyAmount }));
    }
    case 'merchant hopping': {
      const merchants = someMerchants(random, random.integer(11, 14));
      const spacingMillis = random.integer(2 * MINUTE, 4 * MINUTE);
      return stepsBefore(merchants.length, spacingMillis, (position) => ({
        merchantId: merchants[position] ?? merchantId,
        amount: steadyAmount,
      }));
    }
    case 'amount spike': {
      // With eight steady amounts before it, anything above 4.5 times the steady one is above three times the average.
      const size = 9;
      const factor = 8 + 12 * random.unit();
      const spacingMillis = random.integer(3 * MINUTE, 6 * MINUTE);
      return stepsBefore(size, spacingMillis, (position) => ({
        merchantId,
        amount: position === size - 1 ? inCents(steadyAmount * factor) : steadyAmount,
      }));
    }
    case 'large first transaction': {
      const [stranger = merchantId] = someMerchants(random, 1);
      return stepsBefore(1, 0, () => ({ merchantId: stranger, amount: inCents(1_000 + 4_000 * (1 - random.unit())) }));
    }
  }
}

function stepsBefore(
  count: number,
  spacingMillis: number,
  stepAt: (position: number) => Omit<Step, 'beforeEndMillis'>,
): Step[] {
  return Array.from({ length: count }, (_, position) => ({
    beforeEndMillis: (count - 1 - position) * spacingMillis,
    ...stepAt(position),
  }));
}

/** Delays some, repeats some, and orders all by the instant at which the producer delivers them. */
function inOrderOfDelivery(random: Random, events: readonly Event[]): Delivery[] {
  const planned: { deliveredAtMillis: number; delivery: Delivery }[] = [];
  for (const event of events) {
    const delayMillis = random.unit() < DELAYED_SHARE ? random.integer(1, DELAY_MILLIS_MAX) : 0;
    const deliveredAtMillis = event.transaction.timestamp + delayMillis;
    planned.push({ deliveredAtMillis, delivery: { ...event, isDuplicate: false } });
    if (random.unit() < DUPLICATE_SHARE) {
      const repeatedAtMillis = deliveredAtMillis + random.integer(0, DUPLICATE_DELAY_MILLIS_MAX);
      planned.push({ deliveredAtMillis: repeatedAtMillis, delivery: { ...event, isDuplicate: true } });
    }
  }
  // The sort is stable, so a repetition at the same instant stays behind the first delivery.
  return planned
    .sort((left, right) => left.deliveredAtMillis - right.deliveredAtMillis)
    .map(({ delivery }) => delivery);
}
