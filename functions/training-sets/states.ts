import type { S3ObjectStore } from '../s3-object-store.ts';
import { TRAINING_SETS_PREFIX } from './constants.ts';
import { type TrainingSetState, trainingSetState } from './schemas.ts';

/** Keys of everything that belongs to a training set. */
export function keysOf(id: string) {
  const folder = `${TRAINING_SETS_PREFIX}${id}/`;
  return {
    state: `${folder}state.json`,
    /** Rows that came with the request. */
    spine: `${folder}spine.parquet`,
    data: `${folder}data/training-set.parquet`,
    manifest: `${folder}manifest.json`,
  } as const;
}

export type States = Pick<S3ObjectStore, 'get' | 'put'>;

/** How far a training set is; `undefined` when there is none. */
export async function readState(store: States, id: string): Promise<TrainingSetState | undefined> {
  const bytes = await store.get(keysOf(id).state);
  return bytes === undefined ? undefined : trainingSetState.parse(JSON.parse(Buffer.from(bytes).toString()));
}

export async function writeState(store: States, state: TrainingSetState): Promise<void> {
  await store.put(keysOf(state.id).state, jsonBytes(state));
}

export function jsonBytes(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
