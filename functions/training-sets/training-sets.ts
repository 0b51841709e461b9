import * as z from 'zod';
import type { FeatureService } from '../../shared/definitions/service.ts';
import { parquetOf } from '../../shared/offline/athena/columns.ts';
import { columnsOfRows, type JsonRow } from '../../shared/offline/athena/rows.ts';
import { placeOf } from '../../shared/offline/athena/s3-objects.ts';
import { checkedSpine, leastColumnsOf } from '../../shared/offline/athena/spine.ts';
import { type HistoryMode, SpineError } from '../../shared/offline/offline-store.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { findService } from '../serve/find.ts';
import { invalid, ProblemError, parseRequest } from '../serve/problems.ts';
import { QUEUED_MILLIS_MAX, SPINES_PREFIX } from './constants.ts';
import { type queuedAnswer, type TrainingSetAnswer, type TrainingSetState, trainingSetRequest } from './schemas.ts';
import { keysOf, readState, type States, writeState } from './states.ts';

/** Everything that the API of training sets uses of the world. */
export interface TrainingSetPorts {
  readonly repository: FeatureRepository;
  /** The bucket of history. */
  readonly store: States;
  readonly bucketName: string;
  /** Has the training set made, after this. */
  readonly start: (id: string) => Promise<void>;
  /** An address at which anybody may read an object for some minutes. */
  readonly presign: (key: string) => Promise<string>;
  /** A UUID that nobody has seen. */
  readonly newId: () => string;
  /** Milliseconds since 1970 UTC. */
  readonly clock: () => number;
}

/** @throws ProblemError naming what cannot be used. */
export async function createTrainingSet(ports: TrainingSetPorts, body: unknown): Promise<z.infer<typeof queuedAnswer>> {
  const { service: reference, mode, spine } = parseRequest(trainingSetRequest, body);
  const service = findService(ports.repository, reference);
  const id = ports.newId();
  const location = Array.isArray(spine)
    ? await keepRows(ports, { id, rows: spine, service, mode })
    : requireSpineLocation(ports, spine.location);
  await writeState(ports.store, {
    id,
    state: 'queued',
    service: service.key,
    mode,
    spine: location,
    ends_before: new Date(ports.clock() + QUEUED_MILLIS_MAX).toISOString(),
  });
  await ports.start(id);
  return { id, state: 'queued' };
}

async function keepRows(
  { store, bucketName, clock }: TrainingSetPorts,
  request: {
    readonly id: string;
    readonly rows: readonly JsonRow[];
    readonly service: FeatureService;
    readonly mode: HistoryMode;
  },
): Promise<string> {
  const { id, rows, service, mode } = request;
  const columns = rows.length === 0 ? leastColumnsOf(service) : columnsOf(rows);
  refuseUnusable(() => checkedSpine(columns, { service, mode, nowMillis: clock() }));
  const { spine } = keysOf(id);
  await store.put(spine, parquetOf(columns));
  return `s3://${bucketName}/${spine}`;
}

function columnsOf(rows: readonly JsonRow[]) {
  return refuseUnusable(() => columnsOfRows(rows));
}

function refuseUnusable<Answer>(use: () => Answer): Answer {
  try {
    return use();
  } catch (error) {
    if (error instanceof SpineError) throw invalid([{ field: 'spine', problem: error.message }]);
    throw error;
  }
}

function requireSpineLocation({ bucketName }: TrainingSetPorts, location: string): string {
  const place = placeOf(location);
  if (place?.bucket === bucketName && place.key.startsWith(SPINES_PREFIX)) return location;
  const problem = `must be s3://${bucketName}/${SPINES_PREFIX}… of one Parquet file`;
  throw invalid([{ field: 'spine.location', problem }]);
}

/** @throws ProblemError `unknown-training-set`. */
export async function readTrainingSet(ports: TrainingSetPorts, id: string | undefined): Promise<TrainingSetAnswer> {
  // What is no UUID is not looked for: it would be part of a key.
  const known = z.uuid().safeParse(id);
  const state = known.success ? await readState(ports.store, known.data.toLowerCase()) : undefined;
  if (state === undefined) {
    throw new ProblemError('unknown-training-set', 'There is none with this id. POST /training-sets answers ids.');
  }
  const { spine: _spine, ends_before: endsBefore, ...said } = state;
  if (hasEnded(state)) {
    return {
      ...said,
      ...(state.manifest && { rows: state.manifest.rows, download_url: await ports.presign(keysOf(state.id).data) }),
    };
  }
  return ports.clock() > Date.parse(endsBefore) ? { ...said, state: 'failed', reason: SILENT_END } : said;
}

const SILENT_END = 'It ended without a word: it ran out of time or memory, or was never begun. Ask for fewer rows.';

function hasEnded({ state }: TrainingSetState): boolean {
  return state === 'succeeded' || state === 'failed';
}
