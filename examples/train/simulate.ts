/**
 * Months of card transactions with fraud in them, and what becomes known of it, from a seed.
 *
 * 1. Users pay as people do: at their merchants, at their hours, around their usual amount. Now and then they do what
 *    looks like fraud and is none: a tour of many shops, small purchases in a row, one large purchase.
 * 2. Fraud has four patterns. Three take over a card for an hour; at a manipulated merchant, a share of what is paid there for
 *    some weeks is fraud, and only other frauds there give it away.
 * 3. Labels come later: most frauds as a chargeback after 3 to 30 days, some never. Some honest payments are looked into and
 *    cleared, and a few are charged back although they were honest; most of those labels are corrected.
 */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Random, randomOf, type Transaction } from '../../localstack/traffic.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY_MILLIS = 24 * HOUR;

export const FRAUD_PATTERNS = ['stolen card', 'card testing', 'account takeover', 'manipulated merchant'] as const;
const HONEST_PATTERNS = ['everyday', 'shopping tour', 'small purchases', 'large purchase'] as const;
export type Pattern = (typeof FRAUD_PATTERNS)[number] | (typeof HONEST_PATTERNS)[number];

export interface SimulationOptions {
  readonly seed: number;
  /** About so many. */
  readonly transactions: number;
  readonly startMillis: number;
  readonly days: number;
}

export interface SimulatedTransaction extends Transaction {
  readonly arrived_at: number;
  /** What is true, and nobody knows. */
  readonly pattern: Pattern;
}

/** An event of the source `labels`. */
export interface Label {
  readonly label_id: string;
  readonly transaction_id: string;
  readonly user_id: string;
  readonly merchant_id: string;
  readonly is_fraud: 0 | 1;
  /** A whole hour. */
  readonly labelled_at: number;
  readonly arrived_at: number;
}

export interface Simulation {
  /** In order of time. */
  readonly transactions: readonly SimulatedTransaction[];
  /** In order of arrival; those that arrive after the last day are not there yet. */
  readonly labels: readonly Label[];
}

export function isFraud(pattern: Pattern): boolean {
  return FRAUD_PATTERNS.some((fraud) => fraud === pattern);
}

/** With everything that happens to a user; everyday ones are one a day. */
const TRANSACTIONS_PER_USER_AND_DAY = 1.1;
const MERCHANTS = 500;
/** Purchases at a favourite merchant, of all. */
const FAVOURITE_SHARE = 0.8;
/** Chances on one day of one user. */
const DAILY_CHANCE = {
  'shopping tour': 0.005,
  'small purchases': 0.004,
  'large purchase': 0.005,
  'stolen card': 0.000_75,
  'card testing': 0.000_55,
  'account takeover': 0.000_9,
} as const satisfies Partial<Record<Pattern, number>>;
/** One merchant in so many is manipulated at some time. */
const MERCHANTS_PER_MANIPULATED = 20;
const MANIPULATED_DAYS = { least: 25, most: 50 } as const;
const MANIPULATED_FRAUD_SHARE = 0.2;
/** No user's transactions are closer, so that they arrive in their order. */
const SPACING_MILLIS = SECOND;
const ARRIVAL_MILLIS = { least: 30, most: 400 } as const;

const LABELS = {
  neverReportedShare: 0.12,
  chargebackDays: { least: 3, most: 30 },
  /** Honest payments that are looked into and cleared, by whether they look like fraud. */
  clearedShare: { everyday: 0.006, lookalike: 0.12 },
  clearedDays: { least: 1, most: 3 },
  /** Honest payments that are charged back all the same. */
  mistakenShare: 0.000_4,
  correctedShare: 0.7,
  correctedDays: { least: 5, most: 12 },
} as const;

interface Merchant {
  readonly id: string;
  readonly priceFactor: number;
  /** Relative to the first day; `undefined` for most. */
  readonly manipulated: { readonly fromMillis: number; readonly toMillis: number } | undefined;
}

interface User {
  readonly id: string;
  readonly favourites: readonly Merchant[];
  readonly usualAmount: number;
  readonly dailyTransactions: number;
  /** UTC. */
  readonly busiestHour: number;
}

/** A transaction before it has a number; its time is relative to the first day. */
interface Payment {
  readonly atMillis: number;
  readonly merchant: Merchant;
  readonly amount: number;
  readonly pattern: Pattern;
}

/** The same options give the same simulation, bit for bit. */
export function simulate({ seed, transactions, startMillis, days }: SimulationOptions): Simulation {
  const random = randomOf(seed);
  const merchants = Array.from({ length: MERCHANTS }, (_, index) => makeMerchant(random, index, days));
  const userCount = Math.max(1, Math.round(transactions / days / TRANSACTIONS_PER_USER_AND_DAY));
  const payments: { readonly user: User; readonly payment: Payment }[] = [];
  for (let index = 0; index < userCount; index++) {
    const user = makeUser(random, index, merchants);
    const own = Array.from({ length: days }, (_, day) => paymentsOfDay(random, user, merchants, day)).flat();
    for (const payment of spaced(own)) payments.push({ user, payment });
  }
  payments.sort((left, right) => left.payment.atMillis - right.payment.atMillis);
  const simulated = payments.map(({ user, payment }, index) => {
    const timestamp = startMillis + payment.atMillis;
    return {
      transaction_id: `tx-${String(index + 1).padStart(7, '0')}`,
      user_id: user.id,
      merchant_id: payment.merchant.id,
      amount: payment.amount,
      timestamp,
      arrived_at: timestamp + random.integer(ARRIVAL_MILLIS.least, ARRIVAL_MILLIS.most),
      pattern: payment.pattern,
    };
  });
  return { transactions: simulated, labels: labelsOf(random, simulated, startMillis + days * DAY_MILLIS) };
}

function makeMerchant(random: Random, index: number, days: number): Merchant {
  const priceFactor = Math.exp(0.4 * random.normal());
  const length = random.integer(MANIPULATED_DAYS.least, MANIPULATED_DAYS.most) * DAY_MILLIS;
  const fromMillis = Math.floor(random.unit() * (days * DAY_MILLIS - length / 2));
  const isManipulated = index % MERCHANTS_PER_MANIPULATED === 0;
  return {
    id: `merchant-${String(index + 1).padStart(3, '0')}`,
    priceFactor,
    manipulated: isManipulated ? { fromMillis, toMillis: fromMillis + length } : undefined,
  };
}

function makeUser(random: Random, index: number, merchants: readonly Merchant[]): User {
  return {
    id: `user-${String(index + 1).padStart(5, '0')}`,
    favourites: Array.from({ length: random.integer(3, 8) }, () => random.pick(merchants)),
    usualAmount: 28 * Math.exp(0.6 * random.normal()),
    // Its mean is one a day.
    dailyTransactions: Math.exp(0.6 * random.normal() - 0.18),
    busiestHour: random.integer(10, 20),
  };
}

function paymentsOfDay(random: Random, user: User, merchants: readonly Merchant[], day: number): Payment[] {
  const payments: Payment[] = [];
  const dayMillis = day * DAY_MILLIS;
  for (let number = poisson(random, user.dailyTransactions); number > 0; number--) {
    payments.push(everydayPayment(random, user, merchants, dayMillis + timeOfDay(random, user)));
  }
  for (const [pattern, chance] of Object.entries(DAILY_CHANCE)) {
    if (random.unit() >= chance) continue;
    payments.push(...episode(random, user, merchants, pattern as keyof typeof DAILY_CHANCE, dayMillis));
  }
  return payments;
}

function everydayPayment(random: Random, user: User, merchants: readonly Merchant[], atMillis: number): Payment {
  const merchant = random.pick(random.unit() < FAVOURITE_SHARE ? user.favourites : merchants);
  const amount = usualAmount(random, user, merchant);
  const { manipulated } = merchant;
  const isManipulated = manipulated && atMillis >= manipulated.fromMillis && atMillis < manipulated.toMillis;
  if (isManipulated && random.unit() < MANIPULATED_FRAUD_SHARE) {
    return { atMillis, merchant, amount: inCents(amount * (1 + 2 * random.unit())), pattern: 'manipulated merchant' };
  }
  return { atMillis, merchant, amount, pattern: 'everyday' };
}

/** What happens in an hour or two of one user, beside everything else. */
function episode(
  random: Random,
  user: User,
  merchants: readonly Merchant[],
  pattern: keyof typeof DAILY_CHANCE,
  dayMillis: number,
): Payment[] {
  const any = () => random.pick(merchants);
  const payments: Payment[] = [];
  // People act at their hours, thieves at any.
  let atMillis = dayMillis + (isFraud(pattern) ? random.integer(0, DAY_MILLIS - 1) : timeOfDay(random, user));
  const pay = (merchant: Merchant, amount: number, thenMillis: readonly [number, number]) => {
    payments.push({ atMillis, merchant, amount: inCents(amount), pattern });
    atMillis += random.integer(...thenMillis);
  };
  const times = (least: number, most: number, each: () => void) => {
    for (let number = random.integer(least, most); number > 0; number--) each();
  };
  const small = any();
  switch (pattern) {
    case 'shopping tour':
      times(4, 10, () => pay(any(), user.usualAmount * (0.4 + 2.6 * random.unit()), [3 * MINUTE, 25 * MINUTE]));
      break;
    case 'small purchases':
      times(3, 7, () => pay(small, 0.99 + 12 * random.unit(), [8 * SECOND, 90 * SECOND]));
      break;
    case 'large purchase':
      pay(any(), user.usualAmount * (6 + 34 * random.unit()), [0, 0]);
      break;
    case 'stolen card':
      times(3, 8, () => pay(any(), user.usualAmount * (1.2 + 5 * random.unit()), [2 * MINUTE, 12 * MINUTE]));
      break;
    case 'card testing':
      times(3, 6, () => pay(small, 0.5 + 5 * random.unit(), [3 * SECOND, 40 * SECOND]));
      atMillis += random.integer(MINUTE, 20 * MINUTE);
      times(1, 2, () => pay(any(), 80 + 520 * random.unit(), [MINUTE, 8 * MINUTE]));
      break;
    case 'account takeover':
      times(1, 3, () => pay(any(), 250 + 2_000 * random.unit() ** 2, [4 * MINUTE, 40 * MINUTE]));
      break;
  }
  return payments;
}

/** In order of time, each a little after the one before. */
function spaced(payments: readonly Payment[]): Payment[] {
  let earliest = 0;
  return payments
    .toSorted((left, right) => left.atMillis - right.atMillis)
    .map((payment) => {
      const atMillis = Math.max(payment.atMillis, earliest);
      earliest = atMillis + SPACING_MILLIS;
      return { ...payment, atMillis };
    });
}

function labelsOf(random: Random, transactions: readonly SimulatedTransaction[], endMillis: number): Label[] {
  const labels: Omit<Label, 'label_id'>[] = [];
  for (const transaction of transactions) {
    for (const { is_fraud, knownMillis } of whatBecomesKnown(random, transaction)) {
      const { transaction_id, user_id, merchant_id } = transaction;
      const arrived_at = knownMillis + random.integer(SECOND, 5 * MINUTE);
      if (arrived_at >= endMillis) continue;
      const labelled_at = Math.floor(knownMillis / HOUR) * HOUR;
      labels.push({ transaction_id, user_id, merchant_id, is_fraud, labelled_at, arrived_at });
    }
  }
  return labels
    .sort((left, right) => left.arrived_at - right.arrived_at)
    .map((label, index) => ({ label_id: `label-${String(index + 1).padStart(6, '0')}`, ...label }));
}

type Finding = Pick<Label, 'is_fraud'> & { readonly knownMillis: number };

function whatBecomesKnown(random: Random, { pattern, timestamp }: SimulatedTransaction): Finding[] {
  const after = ({ least, most }: { least: number; most: number }, share = random.unit()) =>
    timestamp + Math.floor((least + (most - least) * share) * DAY_MILLIS);
  // Most chargebacks come in the first half of their time.
  const chargeback = (): Finding => ({ is_fraud: 1, knownMillis: after(LABELS.chargebackDays, random.unit() ** 1.7) });
  if (isFraud(pattern)) return random.unit() < LABELS.neverReportedShare ? [] : [chargeback()];
  if (random.unit() < LABELS.mistakenShare) {
    const mistaken = chargeback();
    if (random.unit() >= LABELS.correctedShare) return [mistaken];
    const days = random.integer(LABELS.correctedDays.least, LABELS.correctedDays.most);
    return [mistaken, { is_fraud: 0, knownMillis: mistaken.knownMillis + days * DAY_MILLIS }];
  }
  const share = pattern === 'everyday' ? LABELS.clearedShare.everyday : LABELS.clearedShare.lookalike;
  return random.unit() < share ? [{ is_fraud: 0, knownMillis: after(LABELS.clearedDays) }] : [];
}

function usualAmount(random: Random, user: User, merchant: Merchant): number {
  return inCents(user.usualAmount * merchant.priceFactor * Math.exp(0.5 * random.normal()));
}

function inCents(amount: number): number {
  return Math.max(50, Math.round(amount * 100)) / 100;
}

/** Milliseconds after midnight: three times as likely in the user's busiest hours as in the quietest. */
function timeOfDay(random: Random, { busiestHour }: User): number {
  for (;;) {
    const millis = random.integer(0, DAY_MILLIS - 1);
    const fromBusiest = (millis / DAY_MILLIS - busiestHour / 24) * 2 * Math.PI;
    if (random.unit() < (2 + Math.cos(fromBusiest)) / 3) return millis;
  }
}

/** Knuth's method: fine for the few that one user makes in a day. */
function poisson(random: Random, mean: number): number {
  const limit = Math.exp(-mean);
  let number = 0;
  for (let product = random.unit(); product > limit; product *= random.unit()) number++;
  return number;
}

const TRANSACTION_COLUMNS = ['transaction_id', 'user_id', 'merchant_id', 'amount', 'timestamp', 'arrived_at'] as const;
const LABEL_COLUMNS = [
  'label_id',
  'transaction_id',
  'user_id',
  'merchant_id',
  'is_fraud',
  'labelled_at',
  'arrived_at',
] as const;

/** Writes `transactions.csv` and `labels.csv`, as `import` takes them: without what nobody knows. */
export async function writeSimulation({ transactions, labels }: Simulation, folder: string) {
  await mkdir(folder, { recursive: true });
  const files = { transactions: join(folder, 'transactions.csv'), labels: join(folder, 'labels.csv') };
  await writeCsv(files.transactions, TRANSACTION_COLUMNS, transactions);
  await writeCsv(files.labels, LABEL_COLUMNS, labels);
  return files;
}

/** No value here has a comma or a quote. */
async function writeCsv<Column extends string>(
  file: string,
  columns: readonly Column[],
  rows: readonly Readonly<Record<Column, string | number>>[],
): Promise<void> {
  function* lines() {
    yield `${columns.join(',')}\n`;
    for (const row of rows) yield `${columns.map((column) => row[column]).join(',')}\n`;
  }
  await pipeline(Readable.from(lines()), createWriteStream(file));
}
