import type { AggregateName } from '../windows/aggregates/index.ts';

/** An aggregate as a view declares it: which one, of which field. */
export interface Aggregation<
  Name extends AggregateName = AggregateName,
  FieldName extends string | undefined = string | undefined,
> {
  readonly aggregate: Name;
  readonly field: FieldName;
  /** Rank for quantiles, 0 to 1. */
  readonly quantile?: number;
  /** As it was given, so that the view can refuse what it does not know, and name the feature. */
  readonly options?: AggregationOptions | undefined;
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
  // Whatever is neither options nor a field's name is refused by the view, as a field that the source does not have.
  return first === undefined || isOptions(first)
    ? {
        aggregate: 'count',
        field: undefined,
        options: first && options ? { ...first, ...options } : (first ?? options),
      }
    : { aggregate: 'count', field: first, options };
}

/** Sum of a decimal or whole-number field: the double nearest to the exact sum. 0 for an empty window. */
export function sum<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'sum', F> {
  return { aggregate: 'sum', field, options };
}

/**
 * Mean of a decimal or whole-number field: the double nearest to the exact one. Null for an empty window, like everything
 * below but `distinct`.
 */
export function mean<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'mean', F> {
  return { aggregate: 'mean', field, options };
}

export function min<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'min', F> {
  return { aggregate: 'min', field, options };
}

export function max<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'max', F> {
  return { aggregate: 'max', field, options };
}

/**
 * Sample standard deviation, the square root of the variance; null for fewer than two values. A whole number must be bounded
 * to at most 15 digits: `z.int().min(-1e9).max(1e9)`.
 */
export function stddev<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'stddev', F> {
  return { aggregate: 'stddev', field, options };
}

/** Sample variance: the double nearest to the exact one; null for fewer than two values. Of the same fields as `stddev`. */
export function variance<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'variance', F> {
  return { aggregate: 'variance', field, options };
}

/** Value in the earliest event of the window; of several at one instant the least. */
export function first<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'first', F> {
  return { aggregate: 'first', field, options };
}

/** Value in the latest event of the window; of several at one instant the greatest. */
export function last<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'last', F> {
  return { aggregate: 'last', field, options };
}

/** Number of distinct values, exact up to 8,192, then within a standard error of 1.6 %. 0 for an empty window. */
export function distinct<const F extends string>(field: F, options?: AggregationOptions): Aggregation<'distinct', F> {
  return { aggregate: 'distinct', field, options };
}

/**
 * The value of rank `quantile` (0 to 1), within 1 % of it. Between the least and the greatest value of the window where the
 * view also has `min` and `max` of the field, with the same `excludesCurrent`.
 */
export function quantile<const F extends string>(
  field: F,
  rank: number,
  options?: AggregationOptions,
): Aggregation<'quantile', F> {
  return { aggregate: 'quantile', field, quantile: rank, options };
}

function isOptions(value: unknown): value is AggregationOptions {
  return typeof value === 'object' && value !== null;
}
