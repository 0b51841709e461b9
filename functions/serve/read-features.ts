import { decodeFieldValue } from '../../shared/definitions/decode-event.ts';
import { Refusal } from '../../shared/definitions/decoded.ts';
import { EntityKeyError, entityKeyOf, namesEntity } from '../../shared/definitions/entity.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService, ServiceFeature } from '../../shared/definitions/service.ts';
import { featureReference, type WindowedView } from '../../shared/definitions/view.ts';
import { LIMITS } from '../../shared/limits.ts';
import {
  derivedValues,
  type EntityRow,
  featureValues,
  readViews,
  type ViewReadings,
  viewsOf,
} from '../../shared/online/read-features.ts';
import type { RequestRows } from './answer-rows.ts';
import { SERVE_DEADLINES } from './constants.ts';
import { findFeature, findService } from './find.ts';
import { ageSecondsOf, freshnessByView } from './freshness.ts';
import type { ServePorts } from './ports.ts';
import { invalid, parseRequest } from './problems.ts';
import { type EntityFeatures, type FeaturesAnswer, type FieldProblem, featuresRequest } from './schemas.ts';

/** What to read: window features, and the service whose derived features come after them. */
interface Selection {
  readonly features: readonly ServiceFeature[];
  readonly service: FeatureService | undefined;
}

/**
 * `POST /features`: the features of entities at one instant.
 * @param kept takes a row per entity.
 * @throws ProblemError, OnlineStoreError
 */
export async function readFeatures(ports: ServePorts, body: unknown, kept?: RequestRows): Promise<FeaturesAnswer> {
  const request = parseRequest(featuresRequest, body);
  const nowMillis = ports.clock();
  const { at: instantMillis = nowMillis, entities } = request;
  requireNearInstant(instantMillis, nowMillis);
  const { features, service } = selectionOf(ports, request);
  const views = viewsOf(features);
  const rows = entityRowsOf(views, entities);
  const store = ports.store.within(ports.deadlines?.features ?? SERVE_DEADLINES.features);
  const readings = await readViews(store, views, rows, instantMillis);
  const servedAtMillis = ports.clock();
  for (const reading of readings) measure(ports, features, reading);
  const results = rows.map((row, index) => resultOf(row, readings[index] ?? new Map(), features, service));
  results.forEach(({ entity, features: answered }, index) => {
    kept?.read({ service, entity, readings: readings[index] ?? new Map(), features: answered, servedAtMillis });
  });
  return {
    registry_version: ports.repository.registryVersion,
    ...(service && { service: service.key }),
    features: [...features, ...(service?.derived ?? [])].map(({ name }) => name),
    results,
  };
}

/** Features of a distant future would say that everything has expired: true of no instant that anybody has seen. */
function requireNearInstant(instantMillis: number, nowMillis: number): void {
  if (instantMillis <= nowMillis + LIMITS.futureToleranceMillis) return;
  const minutes = LIMITS.futureToleranceMillis / 60_000;
  throw invalid([{ field: 'at', problem: `must lie at most ${minutes} min ahead of now` }]);
}

function selectionOf(
  { repository }: ServePorts,
  { service: reference, features: references = [] }: { service?: string | undefined; features?: string[] | undefined },
): Selection {
  if (reference !== undefined) {
    const service = findService(repository, reference);
    return { features: service.features, service };
  }
  const features = references.map((feature, index) => findFeature(repository, feature, `features[${index}]`));
  const byName = Map.groupBy(features, ({ name }) => name);
  const sharing = ({ name }: ServiceFeature) => byName.get(name) ?? [];
  const twice = features.findIndex((feature) => sharing(feature).find((one) => one.view === feature.view) !== feature);
  if (twice >= 0) {
    throw invalid([{ field: `features[${twice}]`, problem: `${references[twice]} is asked for twice; remove one` }]);
  }
  return { features: features.map((feature) => namedApart(feature, sharing(feature))), service: undefined };
}

/** Of views, or versions of one, that both have a feature of this name, each is answered as `view@version:feature`. */
function namedApart(feature: ServiceFeature, sharing: readonly ServiceFeature[]): ServiceFeature {
  return sharing.length === 1 ? feature : { ...feature, name: featureReference(feature.view, feature.name) };
}

/** Checks every row against the join keys of the views, before anything is read. */
function entityRowsOf(views: readonly WindowedView[], entities: readonly Record<string, unknown>[]): EntityRow[] {
  const problems: FieldProblem[] = [];
  const rows = entities.map((entity, index) => entityRowOf(views, entity, `entities[${index}]`, problems));
  if (problems.length > 0) throw invalid(problems);
  return rows;
}

function entityRowOf(
  views: readonly WindowedView[],
  given: Readonly<Record<string, unknown>>,
  path: string,
  problems: FieldProblem[],
): EntityRow {
  const row: Record<string, FieldValue> = {};
  const joinKeys = new Map(
    views.flatMap(({ entity, source }) => entity.joinKeys.map((joinKey) => [joinKey, source] as const)),
  );
  for (const name of Object.keys(given)) {
    if (!joinKeys.has(name)) {
      problems.push({ field: `${path}.${name}`, problem: `is no join key; give ${[...joinKeys.keys()].join(', ')}` });
    }
  }
  for (const [joinKey, source] of joinKeys) {
    const field = source.fieldList.find(({ name }) => name === joinKey);
    // Values are judged as the source judges them, so what no event could have is no question either.
    const value = field && decodeFieldValue(source, field, Object.hasOwn(given, joinKey) ? given[joinKey] : undefined);
    if (value instanceof Refusal) problems.push({ field: `${path}.${joinKey}`, problem: value.problem });
    else row[joinKey] = value;
  }
  if (problems.length === 0) requireKeys(views, row, path, problems);
  return row;
}

function requireKeys(views: readonly WindowedView[], row: EntityRow, path: string, problems: FieldProblem[]): void {
  try {
    for (const { entity } of views) if (namesEntity(entity, row)) entityKeyOf(entity, row);
  } catch (error) {
    if (!(error instanceof EntityKeyError)) throw error;
    problems.push({ field: `${path}.${error.field}`, problem: error.message.slice(error.field.length + 1) });
  }
}

function resultOf(
  row: EntityRow,
  readings: ViewReadings,
  features: readonly ServiceFeature[],
  service: FeatureService | undefined,
): EntityFeatures {
  const values = featureValues(features, readings);
  return {
    entity: row as EntityFeatures['entity'],
    status: [...readings.values()].some(({ found }) => found) ? 'found' : 'unknown',
    // Derived features that need the fields of an event see nulls in their place.
    features: service ? { ...values, ...derivedValues(service, values) } : values,
    views: freshnessByView(readings),
  };
}

/** Derived features are left out: those that need an event are null here by nature. */
function measure({ metrics }: ServePorts, features: readonly ServiceFeature[], readings: ViewReadings): void {
  metrics.nulls(featureValues(features, readings));
  for (const [view, reading] of readings) metrics.age(view.key, ageSecondsOf(reading));
}
