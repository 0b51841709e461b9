import type { EventSource } from '../../shared/definitions/source.ts';
import type { AthenaTrainingSet } from '../../shared/offline/athena/athena-offline-store.ts';
import { AthenaQueryError } from '../../shared/offline/athena/errors.ts';
import { historySchema } from '../../shared/offline/history-schema.ts';
import { type HistoricalRequest, SpineError } from '../../shared/offline/offline-store.ts';
import { definitionFingerprints } from '../../shared/registry/fingerprints.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { RUNNING_MILLIS_MAX } from '../training-sets/constants.ts';
import type { TrainingSetState } from '../training-sets/schemas.ts';
import { jsonBytes, keysOf, readState, type States, writeState } from '../training-sets/states.ts';

export interface MakePorts {
  readonly repository: FeatureRepository;
  readonly store: States;
  readonly bucketName: string;
  readonly compute: (request: HistoricalRequest) => Promise<AthenaTrainingSet>;
  /** Milliseconds since 1970 UTC. */
  readonly clock: () => number;
}

/** How an attempt ended, for metrics and the log. */
export type Outcome =
  | { readonly kind: 'made'; readonly bytesScanned: number }
  /** Somebody made it before: a repeated invocation. */
  | { readonly kind: 'was made' }
  | {
      readonly kind: 'failed';
      readonly isFaultOfRequest: boolean;
      readonly isWorthRepeating: boolean;
      readonly error: unknown;
    };

/**
 * Makes one training set, and keeps what became of it. Repeated, it makes the same one again, unless it was made:
 * every attempt works apart, and the result is put in place whole.
 */
export async function makeTrainingSet(ports: MakePorts, id: string): Promise<Outcome> {
  const { store, bucketName, clock } = ports;
  const asked = await readState(store, id);
  if (asked === undefined) throw new Error(`there is no training set ${id}`);
  if (asked.state === 'succeeded') return { kind: 'was made' };
  const { reason: _earlier, ...request } = asked;
  const running = { ...request, ends_before: new Date(clock() + RUNNING_MILLIS_MAX).toISOString() };
  await writeState(store, { ...running, state: 'running' });
  try {
    const historical = requestOf(ports, asked);
    const { bytesScanned, ...made } = await ports.compute(historical);
    const manifest = {
      ...made,
      columns: [...made.columns],
      notes: [...made.notes],
      registryVersion: ports.repository.registryVersion,
      definitions: Object.fromEntries(definitionFingerprints(historical.service)),
    };
    const { data, manifest: manifestKey } = keysOf(id);
    await store.put(manifestKey, jsonBytes({ ...manifest, bytesScanned }));
    const location = `s3://${bucketName}/${data}`;
    await writeState(store, { ...running, state: 'succeeded', location, manifest, bytes_scanned: bytesScanned });
    return { kind: 'made', bytesScanned };
  } catch (error) {
    await writeState(store, { ...running, state: 'failed', reason: reasonOf(error) });
    const isFaultOfRequest = error instanceof SpineError;
    const isFinal = error instanceof AthenaQueryError ? !error.retryable : isTimeout(error);
    return { kind: 'failed', isFaultOfRequest, isWorthRepeating: !isFaultOfRequest && !isFinal, error };
  }
}

function requestOf({ repository, bucketName }: MakePorts, asked: TrainingSetState): HistoricalRequest {
  const service = repository.services.find(({ key }) => key === asked.service);
  if (service === undefined) throw new SpineError(`the service ${asked.service} is no longer declared`);
  const tableOf = (source: EventSource) => [source.name, historySchema(source).tableName];
  return {
    service,
    mode: asked.mode,
    spine: asked.spine,
    history: Object.fromEntries(service.views.map(({ source }) => tableOf(source))),
    output: `s3://${bucketName}/${keysOf(asked.id).data}`,
  };
}

/** The end of the invocation. A request of the SDK that had no answer in time has the same name, and passes. */
function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

/** For whoever asked, who knows the spine and the history anyway. What else goes wrong is for the log. */
function reasonOf(error: unknown): string {
  if (error instanceof SpineError || error instanceof AthenaQueryError) return error.message;
  if (isTimeout(error)) return 'It did not end within 15 minutes: ask for fewer rows, or use the command training-set.';
  return 'The service failed; what happened is in its log, under the id.';
}
