import { setTimeout as delay } from 'node:timers/promises';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import { plainNumber } from '../../shared/definitions/json.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { featureValues } from '../../shared/online/read-features.ts';
import { type OnlineStore, OnlineStoreUnavailableError } from '../../shared/online/store.ts';
import { type ForcedOutcome, forcedOutcomeOf, withoutRefusedIds } from '../../shared/reserved-ids.ts';
import { type Decided, decide } from '../../shared/scoring/decide.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { DecidingService } from '../routes.ts';
import type { RequestRows } from './answer-rows.ts';
import { CachedViews } from './cached-views.ts';
import { SERVE_DEADLINES, SLOW_ANSWER_MILLIS } from './constants.ts';
import { type DecidedFeatures, featuresOfDecided } from './decided-features.ts';
import type { ActivePolicy } from './decision-policies.ts';
import { describeError } from './describe-error.ts';
import { ageSecondsOf, freshnessByView, isoOf } from './freshness.ts';
import type { ServePorts } from './ports.ts';
import { invalid, parseRequest } from './problems.ts';
import { type Degradation, type PredictAnswer, predictOptions } from './schemas.ts';

/**
 * `POST /services/{name}/decide`: decides over one event, with everything known up to and including it.
 *
 * 1. The features of the event, which is counted into the views that it changes.
 * 2. How the service decides now: thresholds, rules, lists and models.
 * 3. Rules and model over the features. There is an answer whatever has failed: what is missing is named in `degraded`.
 *
 * @param rows takes the row of the answer and, applied, the event's.
 * @throws ProblemError when the request is at fault.
 */
export async function decideEvent(
  ports: ServePorts,
  { service, source }: DecidingService,
  body: unknown,
  rows?: RequestRows,
): Promise<PredictAnswer> {
  const startedAt = performance.now();
  const { mode, explain, event } = requestOf(ports, source, body);
  const forced = forcedOutcomeOf(event.id);
  const store =
    forced === 'degraded' ? UNANSWERING : ports.store.within(ports.deadlines?.decision ?? SERVE_DEADLINES.decision);
  // Without a memory, so that every view is missing, whatever was asked before.
  const cachedViews = forced === 'degraded' ? new CachedViews({ clock: ports.clock, entries: 1 }) : ports.cachedViews;
  const [known, inForce] = await Promise.all([
    featuresOfDecided({ store, cachedViews, service, source, event, mode }),
    ports.policies.policyOf(service),
  ]);
  const active = forced === 'model-missing' ? withoutModel(inForce) : inForce;
  const { readings, eventStatus } = known;
  const servedAtMillis = ports.clock();
  const missing = service.features
    .filter(({ view, index }) => readings.get(view)?.missing.includes(index) ?? true)
    .map(({ name }) => name);
  const made = decide(active.policy, {
    values: event.values,
    eventStatus,
    windowFeatures: featureValues(service.features, readings),
    missing,
    explained: explain,
  });
  const decided = forced === undefined ? made : forcedDecision(made, forced);
  const answeredStatus = mode === 'read-only' ? mode : eventStatus;
  const degraded = degradationsOf(known, active, decided);
  measure(ports, known, active, decided, degraded);
  rows?.decided({
    service,
    source,
    event,
    eventStatus: answeredStatus,
    entity: joinKeysOf(service, event),
    readings,
    servedAtMillis,
    decided,
    active,
  });
  if (forced === 'slow') await (ports.pause ?? delay)(SLOW_ANSWER_MILLIS);
  const asOfMillis = Math.max(event.timeMillis, ...[...readings.values()].map((reading) => reading.asOfMillis));
  return {
    [source.eventId]: event.values[source.eventId],
    service: service.key,
    decision: decided.decision,
    ...(forced !== undefined && { forced }),
    is_fraud: decided.isFraud,
    score: decided.score,
    model: active.policy.champion?.key ?? null,
    configuration_version: active.configurationVersion,
    rules: [...decided.rules],
    shadow_rules: [...decided.shadowRules],
    listed: decided.listed ?? null,
    ...(explain > 0 && { contributions: [...decided.contributions] }),
    features: decided.features,
    degraded,
    event_status: answeredStatus,
    as_of: isoOf(asOfMillis),
    views: freshnessByView(readings),
    registry_version: ports.repository.registryVersion,
    latency_ms: Math.round((performance.now() - startedAt) * 100) / 100,
  };
}

/** An online store that does not answer. */
const UNANSWERING: OnlineStore = { update: notAnswered, get: notAnswered };

async function notAnswered(): Promise<never> {
  throw new OnlineStoreUnavailableError('the id of the event forces that the online store does not answer');
}

/** Decides as if the model could not be loaded, also where there is none. */
function withoutModel({ policy, ...active }: ActivePolicy): ActivePolicy {
  const problems = [...policy.problems.filter((problem) => problem !== 'model'), 'model' as const];
  return { ...active, policy: { ...policy, champion: undefined, challengers: [], problems } };
}

function forcedDecision(decided: Decided, forced: ForcedOutcome): Decided {
  if (forced !== 'approve' && forced !== 'review' && forced !== 'block') return decided;
  return { ...decided, decision: forced, isFraud: decided.score === null ? forced === 'block' : decided.isFraud };
}

interface PredictRequest {
  readonly mode: 'apply' | 'read-only';
  /** How many contributions to name. */
  readonly explain: number;
  readonly event: WindowEvent;
}

/** Splits the body into options and event, and decodes both. */
function requestOf({ clock, production = true }: ServePorts, source: EventSource, body: unknown): PredictRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid([{ field: '', problem: 'The body must be a JSON object with the fields of one event.' }]);
  }
  if (Object.hasOwn(body, 'service') && !source.fieldList.some(({ wireName }) => wireName === 'service')) {
    const problem = 'is said by the path, POST /services/{name}/decide; remove it';
    throw invalid([{ field: 'service', problem }]);
  }
  const options: Record<string, unknown> = {};
  const fields: [string, unknown][] = [];
  for (const [name, value] of Object.entries(body)) {
    if (Object.hasOwn(predictOptions.shape, name)) options[name] = plainNumber(value);
    else fields.push([name, value]);
  }
  const { mode, explain } = parseRequest(predictOptions, options);
  const decoded = withoutRefusedIds(source, decodeEvent(source, Object.fromEntries(fields), clock()), { production });
  if (!decoded.ok) throw invalid(decoded.problems);
  return { mode, explain, event: decoded.event };
}

/** Features that cannot be told though their view answered: the event is a repeat, and they exclude it or it may lie outside. */
function untoldFeatures({ features }: FeatureService, readings: DecidedFeatures['readings']): Degradation[] {
  return features
    .filter(({ view, index }) => readings.get(view)?.missing.includes(index))
    .map(({ name }) => ({ what: 'feature', name }));
}

function degradationsOf(
  { failures, readings }: DecidedFeatures,
  { policy }: ActivePolicy,
  { problems }: Decided,
): Degradation[] {
  const views = [...failures.keys()].map((view): Degradation => {
    const remembered = readings.get(view);
    return { what: 'view', name: view.key, ...(remembered && { remembered_of: isoOf(remembered.asOfMillis) }) };
  });
  return views.concat(
    untoldFeatures(policy.service, readings),
    problems.map((what) => ({
      what,
      name: (what === 'model' ? policy.configuration.model : undefined) ?? policy.service.key,
    })),
  );
}

function measure(
  { metrics, logger }: ServePorts,
  { readings, unchanged, failures, eventStatus }: DecidedFeatures,
  { policy, ageSeconds }: ActivePolicy,
  { features }: Decided,
  degraded: readonly Degradation[],
): void {
  metrics.nulls(features);
  for (const view of unchanged) {
    const reading = readings.get(view);
    if (reading) metrics.age(view.key, ageSecondsOf(reading));
  }
  metrics.decided({
    featureService: policy.service.key,
    isDegraded: degraded.some(({ what }) => what !== 'feature'),
    eventStatus,
    configurationAgeSeconds: ageSeconds,
  });
  for (const [view, error] of failures) {
    const details = { view: view.key, error: describeError(error) };
    // What will not pass by itself is somebody's to mend.
    if (error.retryable) logger.warn('a decision was made without a view', details);
    else logger.error('a decision was made without a view', details);
  }
}

/** Of all views of a service, as far as the event names them. */
function joinKeysOf({ views }: FeatureService, { values }: WindowEvent): Record<string, FieldValue> {
  const joinKeys = views.flatMap(({ entity }) => entity.joinKeys);
  return Object.fromEntries(joinKeys.map((joinKey) => [joinKey, values[joinKey] ?? null]));
}
