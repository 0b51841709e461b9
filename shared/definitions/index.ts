/** The declaration language. Feature files import from here and from nowhere else. */
export { count, distinct, first, last, max, mean, min, quantile, stddev, sum, variance } from './aggregations.ts';
export type { Duration } from './duration.ts';
export { type Entity, EntityKeyError, entity, entityKeyOf } from './entity.ts';
export { DefinitionError } from './error.ts';
export { decimal, eventTime, type Field, type FieldType, type FieldValue, identifier } from './fields.ts';
export { type FeatureService, featureService, type Rule, type RuleOutcome } from './service.ts';
export { type EventSource, eventSource, type RowOf } from './source.ts';
export { type WindowedView, windowedView } from './view.ts';
