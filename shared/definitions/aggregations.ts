import type { AggregateName } from '../windows/aggregates/index.ts';

/** An aggregate as a view declares it: which one, of which field. */
export interface Aggregation<
  Name extends AggregateName = AggregateName,
  FieldName extends string | undefined = string | undefined,
> {
  readonly aggregate: Name;
  readonly field: FieldName;
  readonly quantile?: number;
  readonly excludesCurrent?: boolean;
}

/** What every aggregation may be told beside its field. */
export interface AggregationOptions {
  /**
   * The window holds every counted event but the one that is being decided, which is known by its id: for features that
   * compare an event with what came before it. By default a decided event is inside its own windows.
   */
  readonly excludesCurrent?: boolean;
}

/** Number of events; with a field, of those where it is not null. */
export function count(options?: AggregationOptions): Aggregation<'count', undefined>;
export function count<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'count', F>;
export function count(first?: string | AggregationOptions, options?: AggregationOptions): Aggregation<'count'> {
  return typeof first === 'string'
    ? { ...options, aggregate: 'count', field: first }
    : { ...first, aggregate: 'count', field: undefined };
}

/** Sum of a decimal or whole-number field, exact. 0 for an empty window. */
export function sum<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'sum', F> {
  return { ...options, aggregate: 'sum', field };
}

/** Mean of a decimal or whole-number field. Null for an empty window, like everything below but `distinct`. */
export function mean<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'mean', F> {
  return { ...options, aggregate: 'mean', field };
}

export function min<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'min', F> {
  return { ...options, aggregate: 'min', field };
}

export function max<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'max', F> {
  return { ...options, aggregate: 'max', field };
}

/** Sample standard deviation; null for fewer than two values. */
export function stddev<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'stddev', F> {
  return { ...options, aggregate: 'stddev', field };
}

/** Sample variance; null for fewer than two values. */
export function variance<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'variance', F> {
  return { ...options, aggregate: 'variance', field };
}

/** Value in the earliest event of the window; of several at one instant the least. */
export function first<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'first', F> {
  return { ...options, aggregate: 'first', field };
}

/** Value in the latest event of the window; of several at one instant the greatest. */
export function last<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'last', F> {
  return { ...options, aggregate: 'last', field };
}

/** Number of distinct values, exact up to 8,192, then within a standard error of 1.6 %. 0 for an empty window. */
export function distinct<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'distinct', F> {
  return { ...options, aggregate: 'distinct', field };
}

/** The value of rank `quantile` (0 to 1), within 1 % of it. */
export function quantile<const F extends string>(
  field: F,
  rank: number,
  options?: AggregationOptions,
): Aggregation<'quantile', F> {
  return { ...options, aggregate: 'quantile', field, quantile: rank };
}
