/** The streams of a local run: a poller for each, and events sent until their consumers are done with them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { EventSource } from '../shared/definitions/source.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { LocalEnvironmentError } from './child-process.ts';
import type { Deployment } from './deploy.ts';
import { startEventSourceMapping } from './event-source-mapping.ts';
import type { Poller, StreamRecord } from './poller.ts';
import { type KeyedEvent, sendEvents } from './send-events.ts';

/** Longer without a single record applied means that the consumer is stuck. */
const STALLED_MILLIS = 60_000;

export interface Streams {
  /** Sends events in order, and waits until each has been through its consumer. @throws LocalEnvironmentError */
  send(source: EventSource, events: readonly KeyedEvent[], onProgress?: (applied: number) => void): Promise<void>;
  /** Waits for a poller to end. @throws LocalEnvironmentError when it can no longer read, mostly because the endpoint is gone. */
  untilAnyEnds(): Promise<void>;
  stop(): Promise<void>;
}

/** @param options.onRead hears of every record once, when its consumer is done with it. */
export async function startStreams(options: {
  readonly deployment: Deployment;
  readonly repository: Pick<FeatureRepository, 'sources'>;
  readonly logFile: string;
  readonly onRead?: ((source: EventSource, records: readonly StreamRecord[]) => void) | undefined;
}): Promise<Streams> {
  const { deployment, repository, onRead, logFile } = options;
  const { endpoint } = deployment;
  const ended = new Map<EventSource, Set<string>>();
  const pollers: Poller[] = [];
  for (const source of repository.sources) {
    const endedOfSource = new Set<string>();
    ended.set(source, endedOfSource);
    const poller = await startEventSourceMapping({
      endpoint,
      functionName: named(deployment.consumerFunctionNames, source),
      onEnded: (records, outcome) => {
        if (outcome === 'failed') console.error(`${records.length} records were given up; see the quarantine bucket.`);
        for (const { sequenceNumber } of records) endedOfSource.add(sequenceNumber);
        onRead?.(source, records);
      },
    });
    pollers.push(poller);
  }
  async function untilAnyEnds(): Promise<void> {
    try {
      await Promise.race(pollers.map((poller) => poller.ended));
    } catch (cause) {
      const message = `The stream can no longer be read from ${endpoint} (${String(cause)}): is it still running? See ${logFile}`;
      throw new LocalEnvironmentError(message, { cause });
    }
  }
  return {
    untilAnyEnds,
    async send(source, events, onProgress = () => {}) {
      const sent: string[] = [];
      const endedOfSource = ended.get(source) ?? new Set();
      const applied = () => sent.filter((sequenceNumber) => endedOfSource.has(sequenceNumber)).length;
      const sending = sendEvents({
        endpoint,
        streamName: named(deployment.streamNames, source),
        events,
        onSent: (sequenceNumbers) => sent.push(...sequenceNumbers),
      });
      await Promise.race([
        Promise.all([sending, untilAll({ applied, total: events.length, onProgress, logFile })]),
        untilAnyEnds(),
      ]);
    },
    async stop() {
      await Promise.all(pollers.map((poller) => poller.stop()));
    },
  };
}

function named(nameBySource: Readonly<Record<string, string>>, { name }: EventSource): string {
  const found = nameBySource[name];
  if (found === undefined) throw new LocalEnvironmentError(`The deployment has no stream and consumer for ${name}`);
  return found;
}

async function untilAll(wait: {
  readonly applied: () => number;
  readonly total: number;
  readonly onProgress: (applied: number) => void;
  readonly logFile: string;
}): Promise<void> {
  const { total } = wait;
  let applied = 0;
  let progressedAtMillis = Date.now();
  while (applied < total) {
    await delay(100);
    const now = wait.applied();
    if (now > applied) progressedAtMillis = Date.now();
    applied = now;
    wait.onProgress(applied);
    if (Date.now() - progressedAtMillis > STALLED_MILLIS) {
      throw new LocalEnvironmentError(
        `Only ${applied} of ${total} events were applied, and none in the last ${STALLED_MILLIS / 1_000} s; read ${wait.logFile} for what the consumer says`,
      );
    }
  }
}
