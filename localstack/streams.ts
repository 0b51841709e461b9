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
  /**
   * Reads the streams of a deployment from now on, those that it shares with the one before from where they are. Streams that are
   * gone are let go of before they are: `release`.
   */
  follow(deployment: Deployment, repository: Declared): Promise<void>;
  /** Reads no longer what other declarations do not have. */
  release(repository: Declared): Promise<void>;
  /** Sends events in order, and waits until each has been through its consumer. @throws LocalEnvironmentError */
  send(source: EventSource, events: readonly KeyedEvent[], onProgress?: (applied: number) => void): Promise<void>;
  /** Waits for a poller to end. @throws LocalEnvironmentError when it can no longer read, mostly because the endpoint is gone. */
  untilAnyEnds(): Promise<void>;
  stop(): Promise<void>;
}

type Declared = Pick<FeatureRepository, 'sources'>;

/** A stream that is read. */
interface Followed {
  readonly streamName: string;
  readonly poller: Poller;
  readonly ended: Set<string>;
}

/** @param options.onRead hears of every record once, when its consumer is done with it. */
export async function startStreams(options: {
  readonly deployment: Deployment;
  readonly repository: Declared;
  readonly logFile: string;
  readonly onRead?: ((source: EventSource, records: readonly StreamRecord[]) => void) | undefined;
}): Promise<Streams> {
  const { onRead, logFile } = options;
  let { deployment, repository } = options;
  /** By name of the source: declarations that are loaded again are other objects. */
  const followed = new Map<string, Followed>();
  const failure = Promise.withResolvers<never>();
  // Whoever waits for it hears of it; a run that ends meanwhile does not.
  failure.promise.catch(() => {});

  async function start({ name }: EventSource, streamName: string): Promise<Followed> {
    const ended = new Set<string>();
    const poller = await startEventSourceMapping({
      endpoint: deployment.endpoint,
      functionName: named(deployment.consumerFunctionNames, name),
      onEnded: (records, outcome) => {
        if (outcome === 'failed') console.error(`${records.length} records were given up; see the quarantine bucket.`);
        for (const { sequenceNumber } of records) ended.add(sequenceNumber);
        const source = repository.sources.find((declared) => declared.name === name);
        if (source !== undefined) onRead?.(source, records);
      },
    });
    poller.ended.catch((cause: unknown) => {
      if (followed.get(name)?.poller !== poller) return;
      const message = `The stream can no longer be read from ${deployment.endpoint} (${String(cause)}): is it still running? See ${logFile}`;
      failure.reject(new LocalEnvironmentError(message, { cause }));
    });
    return { streamName, poller, ended };
  }

  async function letGo(name: string): Promise<void> {
    const found = followed.get(name);
    followed.delete(name);
    await found?.poller.stop().catch(() => {});
  }

  async function follow(next: Deployment, declared: Declared): Promise<void> {
    ({ deployment, repository } = { deployment: next, repository: declared });
    for (const source of declared.sources) {
      const streamName = named(deployment.streamNames, source.name);
      if (followed.get(source.name)?.streamName === streamName) continue;
      await letGo(source.name);
      followed.set(source.name, await start(source, streamName));
    }
  }

  await follow(deployment, repository);
  return {
    follow,
    release: async ({ sources }) => {
      const gone = [...followed.keys()].filter((name) => !sources.some((source) => source.name === name));
      for (const name of gone) await letGo(name);
    },
    untilAnyEnds: () => failure.promise,
    async send(source, events, onProgress = () => {}) {
      const sent: string[] = [];
      const ended = followed.get(source.name)?.ended ?? new Set();
      const applied = () => sent.filter((sequenceNumber) => ended.has(sequenceNumber)).length;
      const sending = sendEvents({
        endpoint: deployment.endpoint,
        streamName: named(deployment.streamNames, source.name),
        events,
        onSent: (sequenceNumbers) => sent.push(...sequenceNumbers),
      });
      await Promise.race([
        Promise.all([sending, untilAll({ applied, total: events.length, onProgress, logFile })]),
        failure.promise,
      ]);
    },
    async stop() {
      await Promise.all([...followed.keys()].map(letGo));
    },
  };
}

function named(nameBySource: Readonly<Record<string, string>>, name: string): string {
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
