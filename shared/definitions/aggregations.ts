import type { AggregateName } from '../windows/aggregates/index.ts';

/** An aggregate as a view declares it: which one, of which field. */
export interface Aggregation<
  Name extends AggregateName = AggregateName,
  FieldName extends string | undefined = string | undefined,
> {
  readonly aggregate: Name;
  readonly field: FieldName;
  readonly quantile?: number;
}

/** Number of events; with a field, of those where it is not null. */
export function count(): Aggregation<'count', undefined>;
export function count<const F extends string>(field: F): Aggregation<'count', F>;
export function count(field?: string): Aggregation<'count'> {
  return { aggregate: 'count', field };
}

/** Sum of a decimal or whole-number field, exact. 0 for an empty window. */
export function sum<const F extends string>(field: F): Aggregation<'sum', F> {
  return { aggregate: 'sum', field };
}

/** Mean of a decimal or whole-number field. Null for an empty window, like everything below but `distinct`. */
export function mean<const F extends string>(field: F): Aggregation<'mean', F> {
  return { aggregate: 'mean', field };
}

export function min<const F extends string>(field: F): Aggregation<'min', F> {
  return { aggregate: 'min', field };
}

export function max<const F extends string>(field: F): Aggregation<'max', F> {
  return { aggregate: 'max', field };
}

/** Sample standard deviation; null for fewer than two values. */
export function stddev<const F extends string>(field: F): Aggregation<'stddev', F> {
  return { aggregate: 'stddev', field };
}

/** Sample variance; null for fewer than two values. */
export function variance<const F extends string>(field: F): Aggregation<'variance', F> {
  return { aggregate: 'variance', field };
}

/** Value in the earliest event of the window; of several at one instant the least. */
export function first<const F extends string>(field: F): Aggregation<'first', F> {
  return { aggregate: 'first', field };
}

/** Value in the latest event of the window; of several at one instant the greatest. */
export function last<const F extends string>(field: F): Aggregation<'last', F> {
  return { aggregate: 'last', field };
}

/** Number of distinct values, exact up to 8,192, then within a standard error of 1.6 %. 0 for an empty window. */
export function distinct<const F extends string>(field: F): Aggregation<'distinct', F> {
  return { aggregate: 'distinct', field };
}

/** The value of rank `quantile` (0 to 1), within 1 % of it. */
export function quantile<const F extends string>(field: F, rank: number): Aggregation<'quantile', F> {
  return { aggregate: 'quantile', field, quantile: rank };
}
