import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import { entityKeyOf } from '../../shared/definitions/entity.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { applyEvents, type MaintenancePolicy } from '../../shared/online/apply-events.ts';
import { countsOnline } from '../../shared/online/counts-online.ts';
import { itemKeyOf, itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
import { featureValues, readViews, type ViewReadings } from '../../shared/online/read-features.ts';
import type { OnlineStore } from '../../shared/online/store.ts';
import { DEFAULT_CONFIGURATION } from '../../shared/scoring/configuration.ts';
import { decide, decisionPolicy } from '../../shared/scoring/decide.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { Item } from '../../shared/windows/item.ts';
import { type EventOutcome, planUpdate } from '../../shared/windows/plan.ts';
import { readWindows, type WindowReading } from '../../shared/windows/read.ts';
import { applyToItem } from '../../shared/windows/update-builder.ts';
import type { RequestRows } from './answer-rows.ts';
import { SERVE_DEADLINES } from './constants.ts';
import { withinDeadline } from './deadline.ts';
import { findDecidingService } from './find.ts';
import { ageSecondsOf, freshnessByView, isoOf } from './freshness.ts';
import type { ServePorts } from './ports.ts';
import { invalid } from './problems.ts';
import { fieldProblemsOf, type PredictAnswer, predictOptions } from './schemas.ts';

/**
 * The caller waits for maintenance, so it is rare here and worth its write many times over. The stream consumer, which
 * sees the same events, does the bulk of it.
 */
const MAINTENANCE: MaintenancePolicy = { everyEvents: 64, minimumBytesFreed: 8 * 1024 };

/** A view's features with the event inside, and what became of the event there. */
interface Counted {
  readonly view: WindowedView;
  readonly outcome: EventOutcome;
  readonly reading: WindowReading;
}

/**
 * `POST /predict_fraud`: decides over one event, with everything known up to and including it.
 *
 * 1. Views that count such events fold it in with one conditional update each, and are read from the item it returns,
 *    so that no two calls see the same state. Read-only, the same happens to a copy.
 * 2. The other views of the service are read for the entities that the event names.
 * 3. Rules decide over the features of both.
 *
 * @param rows takes the row of the answer and, applied, the event's.
 * @throws ProblemError, OnlineStoreError
 */
export async function predictFraud(ports: ServePorts, body: unknown, rows?: RequestRows): Promise<PredictAnswer> {
  const startedAt = performance.now();
  const { service, source, mode, event } = requestOf(ports, body);
  const store = withinDeadline(ports.store, SERVE_DEADLINES.predictFraud);
  const counting = service.views.filter((view) => view.source === source && countsOnline(view, event));
  const other = service.views.filter((view) => !counting.includes(view));
  const count = mode === 'apply' ? applyToView : applyVirtually;
  const [counted, read] = await Promise.all([
    Promise.all(counting.map((view) => count(store, view, event))),
    readOtherViews(store, other, event),
  ]);
  const servedAtMillis = ports.clock();
  const readings: ViewReadings = new Map([...counted.map(({ view, reading }) => [view, reading] as const), ...read]);
  const { decision, isFraud, rules, features } = decide(decisionPolicy(service, DEFAULT_CONFIGURATION), {
    values: event.values,
    windowFeatures: featureValues(service.features, readings),
  });
  ports.metrics.nulls(features);
  for (const [view, reading] of read) ports.metrics.age(view.key, ageSecondsOf(reading));
  const eventStatus = mode === 'read-only' ? 'read-only' : eventStatusOf(counted);
  const entity = joinKeysOf(service, event);
  rows?.decided({ service, source, event, eventStatus, decision, entity, readings, features, servedAtMillis });
  return {
    [source.eventId]: event.values[source.eventId],
    service: service.key,
    decision,
    is_fraud: isFraud,
    rules: [...rules],
    features,
    event_status: eventStatus,
    as_of: isoOf(Math.max(event.timeMillis, ...[...readings.values()].map(({ asOfMillis }) => asOfMillis))),
    views: freshnessByView(readings),
    registry_version: ports.repository.registryVersion,
    latency_ms: Math.round((performance.now() - startedAt) * 100) / 100,
  };
}

interface PredictRequest {
  readonly service: FeatureService;
  readonly source: EventSource;
  readonly mode: 'apply' | 'read-only';
  readonly event: WindowEvent;
}

/** Splits the body into options and event, and decodes both. */
function requestOf({ repository, clock }: ServePorts, body: unknown): PredictRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid([{ field: '', problem: 'The body must be a JSON object with the fields of one event.' }]);
  }
  const options = predictOptions.safeParse(body);
  if (!options.success) throw invalid(fieldProblemsOf(options.error));
  const { mode, service: reference } = options.data;
  const { service, source } = findDecidingService(repository, reference);
  const fields = Object.entries(body).filter(([name]) => !Object.hasOwn(predictOptions.shape, name));
  const decoded = decodeEvent(source, Object.fromEntries(fields), clock());
  if (!decoded.ok) throw invalid(decoded.problems);
  return { service, source, mode, event: decoded.event };
}

async function applyToView(store: OnlineStore, view: WindowedView, event: WindowEvent): Promise<Counted> {
  const entityKey = entityKeyOf(view.entity, event.values);
  const { outcomes, items } = await applyEvents(store, view, entityKey, [event], MAINTENANCE);
  const outcome = outcomeIn(outcomes, event);
  // The update answered with the lane that it changed.
  const otherLanes = itemKeysOf(view, entityKey).filter((key) => !items.has(key));
  const others = otherLanes.length > 0 ? await existing(store, otherLanes) : [];
  const scored = { event, counted: outcome !== 'late' };
  const reading = readWindows(view.layout, [...items.values(), ...others], event.timeMillis, scored);
  return { view, outcome, reading };
}

/** As `applyToView`, to a copy of the item. Freshness is that of what is stored. */
async function applyVirtually(store: OnlineStore, view: WindowedView, event: WindowEvent): Promise<Counted> {
  const entityKey = entityKeyOf(view.entity, event.values);
  const keys = itemKeysOf(view, entityKey);
  const items = await store.get(keys);
  const changed = keys.indexOf(itemKeyOf(view, entityKey, laneOf(view, event)));
  const before = items[changed] ?? {};
  const { update, outcomes } = planUpdate(view.layout, [event], before);
  const outcome = outcomeIn(outcomes, event);
  const after = update ? applyToItem(before, update) : before;
  const scored = { event, counted: outcome !== 'late' };
  const virtual = readWindows(view.layout, items.with(changed, after).filter(isItem), event.timeMillis, scored);
  const stored = readWindows(view.layout, items.filter(isItem), event.timeMillis);
  return { view, outcome, reading: { ...stored, asOfMillis: virtual.asOfMillis, values: virtual.values } };
}

/** Views that this event does not change. Where it does not name the view's entity, that is an unknown one. */
async function readOtherViews(
  store: OnlineStore,
  views: readonly WindowedView[],
  event: WindowEvent,
): Promise<ViewReadings> {
  if (views.length === 0) return new Map();
  const named = views.filter(({ entity }) => entity.joinKeys.every((key) => (event.values[key] ?? '') !== ''));
  const [readings = new Map<WindowedView, WindowReading>()] =
    named.length > 0 ? await readViews(store, named, [event.values], event.timeMillis) : [];
  return new Map(views.map((view) => [view, readings.get(view) ?? readWindows(view.layout, [], event.timeMillis)]));
}

function outcomeIn(outcomes: ReadonlyMap<WindowEvent, EventOutcome>, event: WindowEvent): EventOutcome {
  const outcome = outcomes.get(event);
  if (outcome === undefined) throw new Error('An update left out the outcome of its event.');
  return outcome;
}

/** Of all views of a service, as far as the event names them. */
function joinKeysOf({ views }: FeatureService, { values }: WindowEvent): Record<string, FieldValue> {
  const joinKeys = views.flatMap(({ entity }) => entity.joinKeys);
  return Object.fromEntries(joinKeys.map((joinKey) => [joinKey, values[joinKey] ?? null]));
}

function eventStatusOf(counted: readonly Counted[]): PredictAnswer['event_status'] {
  if (counted.length === 0) return 'unrelated';
  return counted.find(({ outcome }) => outcome !== 'applied')?.outcome ?? 'applied';
}

const isItem = (item: Item | undefined): item is Item => item !== undefined;

async function existing(store: OnlineStore, keys: readonly string[]): Promise<Item[]> {
  return (await store.get(keys)).filter(isItem);
}
