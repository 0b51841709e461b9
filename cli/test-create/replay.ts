/** A served decision, made again by `testStore`. */
import { readFileSync } from 'node:fs';
import { RefusedError, testStore } from '../../functions/testing/index.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import { EVENT_STATUSES } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { definitionVersions, type FeatureRepository } from '../../shared/registry/manifest.ts';
import { DEFAULT_CONFIGURATION } from '../../shared/scoring/configuration.ts';
import { decide, decisionPolicy } from '../../shared/scoring/decide.ts';
import { UserError } from '../user-error.ts';
import type { ServedDecision, SourceEvent } from './served-decision.ts';

/** What a test does, and what it expects. */
export interface Replay {
  readonly service: string;
  readonly mode: 'apply' | 'read-only';
  readonly decidedAtMillis: number;
  /** The decided event, as producers send it. */
  readonly decided: Readonly<Record<string, unknown>>;
  readonly sent: readonly SentEvent[];
  readonly features: Readonly<Record<string, FieldValue>>;
  /** Undefined before it is known, of a decision that counted nothing: what became of its event was not kept. */
  readonly rules: readonly string[] | undefined;
  readonly eventStatus: string;
  /** Undefined where what decided is not all there; `unexpected` says why. */
  readonly decision: string | undefined;
  readonly score: number | undefined;
  readonly unexpected: string | undefined;
}

export interface SentEvent {
  readonly atMillis: number;
  readonly source: string;
  readonly event: Readonly<Record<string, unknown>>;
}

/** How long the consumer may have been behind: what arrived so shortly before may not have been counted, or too late. */
const BEHIND_MILLIS = 5 * 60_000;

const ATTEMPTS_MAX = 200;

type Answer = Awaited<ReturnType<ReturnType<typeof testStore>['decide']>>;

/**
 * Finds which of the events that had arrived were counted, and what a test can expect.
 * @throws UserError naming what keeps the decision from being made again.
 */
export async function replayOf(
  repository: FeatureRepository,
  served: ServedDecision,
  model: string | undefined,
): Promise<Replay> {
  requireReplayable(repository, served);
  const modelBytes = model === undefined ? undefined : readModel(model);
  let closest: readonly string[] | undefined;
  for (const events of attemptsOf(served)) {
    const replay = planOf(served, events);
    const answer = await answerOf(repository, replay, modelBytes);
    const different = differencesOf(replay, answer);
    if (different.length === 0) return withDecision(replay, served, answer, modelBytes !== undefined);
    if (closest === undefined || different.length < closest.length) closest = different;
  }
  throw new UserError(
    `this decision cannot be made again: ${closest?.join(', ')} would be otherwise. What was counted then is not what is in ` +
      'the history, as after a backfill, or while the consumer was far behind; "audit" says why a value differs',
  );
}

function requireReplayable(repository: FeatureRepository, { record, service }: ServedDecision): void {
  const today = definitionVersions(repository);
  const subjects = [...service.views.map(({ key }) => key), `${service.key} derived`];
  const changed = subjects.find((subject) => record.definitions[subject] !== today[subject]);
  if (changed !== undefined) {
    throw new UserError(`${changed} has another definition today; name the module of then with --features`);
  }
  const missing = service.views.find(({ key }) => record.views[key] === undefined);
  if (missing !== undefined || record.eventStatus === 'unknown') {
    throw new UserError(
      `it was decided while the online store did not answer${missing ? ` for ${missing.key}` : ''}; test that with an event id feature-store-test:degraded`,
    );
  }
}

function readModel(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new UserError(`--model ${file} cannot be read; name the package of the model`, { cause });
  }
}

/** An event at the instant at which it may have been counted. */
interface Counted extends SourceEvent {
  readonly countedAtMillis: number;
}

/**
 * The events that may have been counted, and when, the likeliest first: each as it arrived; then those of the stream later and
 * later, in steps that change the order in which they and decided events were counted. The decided event is among them where
 * it had come before.
 */
function* attemptsOf({ record, events, source, decidedIds }: ServedDecision): Generator<Counted[]> {
  const others = events.filter((one) => one.source !== source || one.event.id !== record.event.id);
  const fromStream = new Set(others.filter(({ event }) => !decidedIds.has(event.id)));
  const decided = others.filter(({ event }) => decidedIds.has(event.id)).map(({ event }) => event.arrivedAtMillis);
  const lags = [...fromStream]
    .flatMap(({ event }) => [...decided, record.servedAtMillis].map((millis) => millis - event.arrivedAtMillis + 1))
    .filter((lag) => lag > 0 && lag <= BEHIND_MILLIS)
    .sort((left, right) => left - right);
  const bases = { duplicate: [events], skewed: [others, events] }[record.eventStatus ?? ''] ?? [others];
  for (const base of bases) {
    for (const lag of [0, ...new Set(lags)].slice(0, ATTEMPTS_MAX)) {
      yield base
        .map((one) => ({ ...one, countedAtMillis: one.event.arrivedAtMillis + (fromStream.has(one) ? lag : 0) }))
        .filter(({ countedAtMillis }) => countedAtMillis <= record.servedAtMillis)
        .sort((left, right) => left.countedAtMillis - right.countedAtMillis);
    }
  }
}

function planOf({ service, record, source }: ServedDecision, events: readonly Counted[]): Replay {
  const { features, eventStatus, event } = record;
  const windowFeatures = Object.fromEntries(service.features.map(({ name }) => [name, features[name] ?? null]));
  const mode = eventStatus === 'read-only' ? 'read-only' : 'apply';
  // Rules are no column of what was served, but they follow from what is.
  const { rules } = decide(decisionPolicy(service, DEFAULT_CONFIGURATION), {
    values: event.values,
    eventStatus: EVENT_STATUSES.find((status) => status === eventStatus) ?? 'applied',
    windowFeatures,
  });
  return {
    service: service.key,
    mode,
    decidedAtMillis: record.servedAtMillis,
    decided: wireEvent(source, event.values),
    sent: events.map((one) => ({
      atMillis: one.countedAtMillis,
      source: one.source.name,
      event: wireEvent(one.source, one.event.values),
    })),
    features,
    rules: mode === 'read-only' ? undefined : rules.map(({ name }) => name),
    eventStatus: eventStatus ?? '',
    decision: undefined,
    score: undefined,
    unexpected: undefined,
  };
}

/** As producers send it: by their names, and with times that people can read. */
function wireEvent(
  { fieldList }: EventSource,
  values: Readonly<Record<string, FieldValue>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    fieldList
      .filter(({ name, whenMissing }) => whenMissing === 'null' || (values[name] ?? null) !== null)
      .map(({ name, wireName, type }) => {
        const value = values[name] ?? null;
        const isTime = type.kind === 'timestamp' && value !== null;
        return [wireName, isTime ? new Date(Number(value)).toISOString() : value];
      }),
  );
}

async function answerOf(
  repository: FeatureRepository,
  { sent, decidedAtMillis, decided, service, mode }: Replay,
  model: Uint8Array | undefined,
): Promise<Answer> {
  const clock = Math.min(decidedAtMillis, ...sent.map(({ atMillis }) => atMillis));
  const store = testStore(repository, { clock, ...(model && { model }) });
  try {
    for (const { atMillis, source, event } of sent) {
      store.advanceTo(atMillis);
      await store.send(source, event);
    }
    store.advanceTo(decidedAtMillis);
    return await store.decide(service, decided, { mode });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const [fault] = error.errors;
    throw new UserError(
      `an event of the history is refused today${fault ? `: ${fault.field} ${fault.problem}` : ''}; name the module of then with --features`,
    );
  }
}

const rulesOf = ({ rules }: Answer) => rules.map(({ name }) => name);

/** Names of what differs. */
function differencesOf(replay: Replay, answer: Answer): string[] {
  const names = new Set([...Object.keys(replay.features), ...Object.keys(answer.features)]);
  const features = [...names].filter((name) => answer.features[name] !== replay.features[name]);
  const isRight = replay.rules === undefined || replay.rules.join(' ') === rulesOf(answer).join(' ');
  return [
    ...features,
    ...(isRight ? [] : ['the rules']),
    ...(answer.event_status === replay.eventStatus ? [] : ['event_status']),
  ];
}

function withDecision(found: Replay, served: ServedDecision, answer: Answer, hasModel: boolean): Replay {
  const replay = { ...found, rules: rulesOf(answer) };
  const { model, score, decision } = served;
  const isScored = model !== null && hasModel;
  if (isScored && answer.model !== model) {
    throw new UserError(`${model} decided, and --model is ${answer.model ?? 'of another service'}; give its package`);
  }
  if (isScored && answer.score !== score) {
    throw new UserError(`--model does not score what ${model} scored; give the package that was deployed`);
  }
  const scored = isScored && score !== null ? { score } : {};
  if (model !== null && !hasModel) {
    return { ...replay, unexpected: `${model} had a part in the decision; with --model its score is expected, too` };
  }
  if (answer.decision === decision) return { ...replay, ...scored, decision };
  return {
    ...replay,
    ...scored,
    unexpected: `it was "${decision}" by the thresholds, rules and lists of a configuration`,
  };
}
