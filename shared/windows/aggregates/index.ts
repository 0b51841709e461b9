import type { Aggregate } from '../aggregate.ts';
import { count } from './count.ts';
import { stddev, variance } from './dispersion.ts';
import { distinct } from './distinct.ts';
import { first, last } from './endpoints.ts';
import { max, min } from './extremes.ts';
import { mean } from './mean.ts';
import { quantile } from './quantile.ts';
import { sum } from './sum.ts';

/** Every aggregate, by the name that declarations use. To add one: its module, a line here, its helper in definitions. */
export const AGGREGATES = {
  count,
  sum,
  mean,
  min,
  max,
  stddev,
  variance,
  first,
  last,
  distinct,
  quantile,
} as const satisfies Record<string, Aggregate>;

export type AggregateName = keyof typeof AGGREGATES;
