import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from 'cockatiel';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import { canonicalJson } from '../../shared/registry/canonical.ts';
import { withoutRefusedIds } from '../../shared/reserved-ids.ts';
import { idHashOf } from '../../shared/windows/event.ts';
import { SERVE_DEADLINES } from './constants.ts';
import { type EventRecord, EventStreamUnavailableError, type ServePorts } from './ports.ts';
import { invalid, ProblemError } from './problems.ts';
import type { EventsAnswer, FieldProblem } from './schemas.ts';

/** `POST /events/{source}`: puts one event or several on the stream of their source, all valid or none. @throws ProblemError */
export async function publishEvents(ports: ServePorts, source: EventSource, body: unknown): Promise<EventsAnswer> {
  const records = recordsOf(ports, source, eventsOf(body));
  await putAll(ports, source, records);
  return { accepted: records.length, registry_version: ports.repository.registryVersion };
}

/** The events of a body as records. Their text keeps every digit that was sent. */
function recordsOf(
  { clock, production = true }: ServePorts,
  source: EventSource,
  { events, pathOf }: GivenEvents,
): EventRecord[] {
  const arrivedAtMillis = clock();
  const problems: FieldProblem[] = [];
  const records = events.flatMap((value, index) => {
    const decoded = withoutRefusedIds(source, decodeEvent(source, value, arrivedAtMillis), { production });
    if (!decoded.ok) {
      problems.push(...decoded.problems.map(({ field, problem }) => ({ field: pathOf(index, field), problem })));
      return [];
    }
    const text = canonicalJson(value);
    if (Buffer.byteLength(text) > LIMITS.eventBytes) {
      problems.push({ field: pathOf(index, ''), problem: `must have at most ${LIMITS.eventBytes} bytes` });
    }
    return [{ partitionKey: partitionKeyOf(String(decoded.event.values[source.partitionKey])), text }];
  });
  if (problems.length > 0) throw invalid(problems);
  return records;
}

/** Member of a body that holds several events. */
const LIST = 'events';

interface GivenEvents {
  readonly events: readonly unknown[];
  /** Where in the body a field of an event is. */
  readonly pathOf: (index: number, field: string) => string;
}

/** `{ events: […] }`, else the body is one event. */
function eventsOf(body: unknown): GivenEvents {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, LIST)) {
    return { events: [body], pathOf: (_index, field) => field };
  }
  const { [LIST]: events, ...others }: { readonly [LIST]?: unknown } = body;
  const problems = Object.keys(others).map((field) => ({
    field,
    problem: `is not known beside ${LIST}; remove it`,
  }));
  if (!Array.isArray(events) || events.length === 0 || events.length > LIMITS.eventsPerRequest) {
    problems.push({ field: LIST, problem: `must be a list of 1 to ${LIMITS.eventsPerRequest} ${LIST}` });
  }
  if (problems.length > 0 || !Array.isArray(events)) throw invalid(problems);
  return { events, pathOf: (index, field) => (field === '' ? `${LIST}[${index}]` : `${LIST}[${index}].${field}`) };
}

/** Kinesis takes 1 to 256 characters; of any other value its hash keeps the same order. */
function partitionKeyOf(value: string): string {
  return value.length >= 1 && value.length <= 256 ? value : idHashOf(value);
}

/** Sends what was not accepted again, with backoff and full jitter, until the deadline. */
async function putAll(ports: ServePorts, source: EventSource, records: readonly EventRecord[]): Promise<void> {
  const { stream, deadlines, timeout } = ports;
  const deadlineMillis = deadlines?.events ?? SERVE_DEADLINES.events;
  let remaining = records;
  const policy = retry(
    handleWhen((error) => error instanceof EventStreamUnavailableError).orWhenResult((left) => left !== 0),
    {
      maxAttempts: Number.POSITIVE_INFINITY,
      backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500, generator: fullJitterGenerator }),
    },
  );
  let cause: unknown;
  try {
    await policy.execute(async () => {
      remaining = await stream.put(source, remaining);
      return remaining.length;
    }, timeout?.(deadlineMillis) ?? AbortSignal.timeout(deadlineMillis));
  } catch (error) {
    if (!(error instanceof EventStreamUnavailableError)) throw error;
    cause = error;
  }
  if (remaining.length === 0) return;
  const accepted = records.length - remaining.length;
  throw new ProblemError(
    'events-not-accepted',
    `${accepted} of ${records.length} events were accepted. Send all of them again; none is counted twice.`,
    { members: { accepted, not_accepted: remaining.length }, cause },
  );
}
