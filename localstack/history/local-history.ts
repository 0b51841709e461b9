/** The history of a local run: who takes events and rows, and where they land. */
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { landEvents } from '../../functions/land-events/land-events.ts';
import { S3ObjectStore } from '../../functions/s3-object-store.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { functionDeliveries, type HistoryDelivery, streamDelivery } from '../../shared/offline/deliveries.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { LocalEnvironmentError } from '../child-process.ts';
import type { Deployment } from '../deploy.ts';
import { clientConfigurationOf, s3EndpointOf } from '../endpoint.ts';
import type { StreamRecord } from '../poller.ts';
import { holdDirectory } from '../run-directory.ts';
import { DiskLander, type Lander } from './lander.ts';
import { startRowServer } from './row-server.ts';

type Declared = Pick<FeatureRepository, 'sources' | 'services'>;

export interface LocalHistory {
  /** Of the files, in the layout of the bucket: `raw/<source>/…`, `served_rows/…`. */
  readonly folder: string;
  /** Where functions hand their rows over: `landerUrl` of the deployment. */
  readonly url: string;
  /** From now on events and rows are those of other declarations. @throws what kept something before from its place. */
  declare(repository: Declared): Promise<void>;
  /** Lands events that were read from the stream of a source. */
  landStreamed(source: EventSource, records: readonly StreamRecord[]): void;
  /** From now on files go into the bucket of a deployment, too. */
  publishTo(deployment: Pick<Deployment, 'endpoint' | 'historyBucketName'>): void;
  /** @throws what kept something from its place. */
  flush(): Promise<void>;
  /** Lands what waits, and takes nothing any more. @throws LocalEnvironmentError that says what is lost, and why. */
  close(): Promise<void>;
  /** What would be lost if the process ended now. */
  unlanded(): string | undefined;
}

/**
 * @param options.directory of the run, held from now on; its folder `history` is emptied, when a run made it.
 * @throws LocalEnvironmentError when another run holds the directory, or the folder is somebody else's.
 */
export async function openLocalHistory(options: {
  readonly directory: string;
  readonly repository: Declared;
  readonly onError: (error: unknown) => void;
}): Promise<LocalHistory> {
  const folder = join(options.directory, 'history');
  const release = await holdDirectory(options.directory);
  const lander = await DiskLander.open({ folder, onError: options.onError }).catch((error: unknown) => {
    release();
    throw error;
  });
  const deliveries = new Map<string, HistoryDelivery>();
  /** Also of earlier declarations, by which streams are read until the new ones are deployed. */
  const streamed = new Map<EventSource, HistoryDelivery>();
  function take(repository: Declared): void {
    deliveries.clear();
    for (const delivery of functionDeliveries(repository)) deliveries.set(delivery.schema.tableName, delivery);
    for (const source of repository.sources) streamed.set(source, streamDelivery(source));
  }
  take(options.repository);
  const server = await startRowServer({ deliveries, lander });
  let s3: S3Client | undefined;
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await server.stop();
    try {
      await lander.close();
    } finally {
      s3?.destroy();
      release();
    }
  }
  return {
    folder,
    url: server.url,
    declare: async (repository) => {
      await lander.flush();
      take(repository);
    },
    landStreamed: (source, records) => {
      const delivery = streamed.get(source);
      if (delivery === undefined) throw new LocalEnvironmentError(`The repository has no source ${source.name}`);
      landStreamed(lander, { source, delivery, records });
    },
    publishTo: ({ endpoint, historyBucketName }) => {
      s3 ??= new S3Client({ ...clientConfigurationOf(s3EndpointOf(endpoint)), forcePathStyle: true });
      const bucket = new S3ObjectStore({ client: s3, bucketName: historyBucketName });
      lander.publishTo((key, content) => bucket.put(key, content));
    },
    flush: () => lander.flush(),
    unlanded: () => lander.unlanded(),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/**
 * As the function that lands events does behind Firehose, which takes aggregated records apart before it; what it refuses is kept
 * with its original bytes.
 */
export function landStreamed(
  lander: Pick<Lander, 'land' | 'refuse'>,
  {
    source,
    delivery,
    records,
  }: { readonly source: EventSource; readonly delivery: HistoryDelivery; readonly records: readonly StreamRecord[] },
): void {
  const landings = landEvents(source, records, { production: false });
  lander.land(
    delivery,
    landings.flatMap((landing) => (landing.ok ? [{ ...landing.row, ...landing.partition }] : [])),
  );
  const refused = landings.filter((landing) => !landing.ok);
  if (refused.length === 0) return;
  lander.refuse(
    delivery,
    refused.map(({ data }) => ({
      data,
      kind: 'processing-failed',
      errorCode: 'Lambda.ProcessingFailedStatus',
      errorMessage: 'The record is not an event of its source.',
    })),
  );
}
