/** A deployment that is being tried: what was sent to it, what it must answer, and how much of that was compared. */
import { wireNameOf } from '../../shared/definitions/decode-event.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { type Decision, decide, decidePathOf } from '../api-client.ts';
import type { Deployment } from '../deploy.ts';
import { isOfRun, type SentEvent } from '../generated-traffic.ts';
import { differences, Referee } from '../referee.ts';
import { count, progressBar, step } from '../report.ts';
import type { Streams } from '../streams.ts';
import { ProofFailedError, requireEqual } from './proof.ts';

export class Session {
  readonly repository: FeatureRepository;
  readonly deployment: Deployment;
  readonly streams: Streams;
  readonly referee: Referee;
  /** Deliveries to the streams, by name of the source. */
  readonly streamed = new Map<string, number>();
  /** Events in the order in which they were first sent, by source; those that were decided, too. */
  readonly known = new Map<string, Map<string, WindowEvent>>();
  readonly decided = new Map<string, WindowEvent[]>();
  /** Keys of views that had something to say of an entity. */
  readonly telling = new Set<string>();
  /** Begins the texts of join keys that nothing but this session has sent; empty where nothing was sent before. */
  readonly prefix: string;
  /** An edit of what was deployed: with few texts or numbers as join keys, nothing may be known of any entity. */
  readonly isEdit: boolean;
  /** Rows of answers that must land. */
  answers = 0;

  constructor(parts: Pick<Session, 'repository' | 'deployment' | 'streams' | 'prefix' | 'isEdit'>) {
    this.prefix = parts.prefix;
    this.isEdit = parts.isEdit;
    this.repository = parts.repository;
    this.deployment = parts.deployment;
    this.streams = parts.streams;
    this.referee = new Referee(parts.repository);
  }

  /** Sends deliveries of one source, and waits until each has been through its consumer. */
  async send(source: EventSource, deliveries: readonly SentEvent['event'][]): Promise<void> {
    const key = wireNameOf(source, source.partitionKey);
    const taken = deliveries.map((event) => this.#take(source, event));
    await step({
      label: 'Traffic',
      work: async () => {
        const bar = progressBar({ label: 'Traffic', total: deliveries.length });
        const keyed = deliveries.map((event) => ({ event, partitionKey: String(event[key]) }));
        await this.streams.send(source, keyed, (applied) => bar.update(applied)).finally(() => bar.stop());
      },
      summary: () => {
        const events = new Set(taken.map(({ id }) => id)).size;
        return `${count(events)} events of ${source.name} and ${count(taken.length - events)} duplicates, through Kinesis`;
      },
    });
    this.streamed.set(source.name, (this.streamed.get(source.name) ?? 0) + deliveries.length);
  }

  /** Whether no earlier run or definition can have counted anything of the row's entities. */
  #isOwn({ entity }: WindowedView, row: Readonly<Record<string, FieldValue>>): boolean {
    return this.prefix === '' || entity.joinKeys.some((joinKey) => isOfRun(this.prefix, row[joinKey]));
  }

  /** Features whose values are known: those of views of which nothing but this session changed the row's entities. */
  comparable<Feature extends { readonly view: WindowedView }>(
    features: readonly Feature[],
    row: Readonly<Record<string, FieldValue>>,
  ): readonly Feature[] {
    return features.filter(({ view }) => this.#isOwn(view, row));
  }

  #take(source: EventSource, event: SentEvent['event'], countedBy?: readonly WindowedView[]): WindowEvent {
    const taken = this.referee.take(source, event, Date.now(), countedBy);
    const known = this.known.get(source.name) ?? new Map<string, WindowEvent>();
    this.known.set(source.name, known);
    if (!known.has(taken.id)) known.set(taken.id, taken);
    return taken;
  }

  /**
   * Decides an event by the API, and compares every feature that the answer tells.
   * @returns the answer, and how many features were compared. @throws ProofFailedError when one differs.
   */
  async decide(
    service: FeatureService,
    event: SentEvent['event'],
  ): Promise<{ readonly answer: Decision; readonly compared: number }> {
    const { decides: source } = service;
    if (source === undefined) throw new ProofFailedError(`${service.key} does not decide`);
    const taken = this.#take(source, event, service.views);
    const answer = await decide(this.deployment.apiUrl, event, { path: decidePathOf(service) });
    this.answers++;
    // A view that is read from memory may lack what was decided since.
    const isTold = ({ view }: FeatureService['features'][number]) =>
      view.source.name === source.name || view.cacheForMillis === undefined || !this.decided.has(view.source.name);
    const known = this.comparable(service.features.filter(isTold), taken.values);
    // What is derived follows from all of them.
    const derived = known.length === service.features.length ? service.derived : [];
    const told = { features: known, derived };
    if (answer.degraded.length > 0) {
      throw new ProofFailedError(
        `${service.key} decided without ${answer.degraded.map(({ name }) => name).join(', ')}`,
      );
    }
    const expected = this.referee.expected(told, taken.values, asOfIn(answer, taken.timeMillis), taken);
    this.decided.set(source.name, [...(this.decided.get(source.name) ?? []), taken]);
    const found = differences(`${service.key} at ${taken.id}`, expected, answer.features);
    if (found.length > 0) requireEqual(found, Object.keys(expected).length);
    return { answer, compared: Object.keys(expected).length };
  }
}

/**
 * The instant at which an answer says that a view's features hold.
 * @param earliestMillis what was asked for. @throws ProofFailedError when the view did not answer, or as of an earlier instant.
 */
export function asOfIn({ views }: Pick<Decision, 'views'>, earliestMillis: number) {
  return ({ key, cacheForMillis = 0 }: Pick<WindowedView, 'key' | 'cacheForMillis'>): number => {
    const asOfMillis = views[key]?.as_of;
    if (asOfMillis === undefined) throw new ProofFailedError(`The view ${key} did not answer`);
    // What is kept in memory may be as old as it says.
    if (asOfMillis >= earliestMillis - cacheForMillis) return asOfMillis;
    throw new ProofFailedError(
      `The view ${key} answered as of ${new Date(asOfMillis).toISOString()}, before ${new Date(earliestMillis).toISOString()}, which was asked for`,
    );
  };
}

/** Join keys of the views, in rows of which each is as events had it: the newest events first, at most `rowsMax`. */
export function entityRows(
  { known }: Pick<Session, 'known'>,
  views: FeatureService['views'],
  rowsMax: number,
): Readonly<Record<string, FieldValue>>[] {
  const tuplesOf = [...views]
    .sort((left, right) => right.entity.joinKeys.length - left.entity.joinKeys.length)
    .map(({ entity, source }) => {
      const newestFirst = [...(known.get(source.name)?.values() ?? [])].toReversed();
      const tuples = newestFirst
        .map(({ values }) => entity.joinKeys.map((joinKey) => [joinKey, values[joinKey]] as const))
        .filter((tuple) => tuple.every(([, value]) => value !== undefined && value !== null));
      return [...new Map(tuples.map((tuple) => [JSON.stringify(tuple), tuple])).values()];
    })
    .filter((tuples) => tuples.length > 0);
  const rows = Array.from(
    { length: Math.min(rowsMax, Math.max(0, ...tuplesOf.map(({ length }) => length))) },
    (_, index) => {
      // The keys of views of several go first, so that they stay together.
      const pairs = tuplesOf.map((tuples) => tuples[index % tuples.length] ?? []).toReversed();
      return Object.fromEntries(pairs.flat());
    },
  );
  return rows;
}
