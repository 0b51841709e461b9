import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { offsetMinutesOf } from '../shared/definitions/forms.ts';
import {
  EmbeddedOfflineStore,
  type TrainingSetProgress,
  writeManifest,
} from '../shared/offline/embedded/embedded-offline-store.ts';
import type { HistoryMode } from '../shared/offline/offline-store.ts';
import { loadRepository } from '../shared/registry/load-repository.ts';
import { findService } from './repository.ts';
import { UserError } from './user-error.ts';

export interface TrainingSetOptions {
  readonly service: string;
  readonly spine: string;
  /** `source=GLOB` each. */
  readonly history: readonly string[];
  readonly output: string;
  readonly mode: HistoryMode;
  /** The offset of instants that do not say it: `UTC` or `+01:00`. */
  readonly timeZone?: string;
  readonly features?: string;
  readonly onProgress?: (progress: TrainingSetProgress) => void;
}

export interface TrainingSetSummary {
  readonly rows: number;
  readonly features: number;
  readonly seconds: number;
  readonly output: string;
  readonly manifest: string;
  readonly notes: readonly string[];
}

/** Makes a training set and its manifest. @throws UserError, SpineError, HistoryError. */
export async function makeTrainingSet(options: TrainingSetOptions): Promise<TrainingSetSummary> {
  const startedAt = performance.now();
  const repository = await loadRepository(options.features);
  const service = findService(repository, options.service);
  if (resolve(options.output) === resolve(options.spine)) {
    throw new UserError('the output would overwrite the spine; give it another name');
  }
  await mkdir(dirname(options.output), { recursive: true });
  const store = new EmbeddedOfflineStore(options.onProgress ? { onProgress: options.onProgress } : {});
  const made = await store.getHistoricalFeatures({
    service,
    mode: options.mode,
    spine: options.spine,
    history: historyOf(options.history),
    output: options.output,
    ...offsetOf(options.timeZone),
  });
  const manifest = await writeManifest(options.output, { ...made, registryVersion: repository.registryVersion });
  return {
    rows: made.rows,
    features: service.features.length + service.derived.length,
    seconds: (performance.now() - startedAt) / 1_000,
    output: options.output,
    manifest,
    notes: made.notes,
  };
}

/** @throws UserError for what is no offset. */
export function offsetOf(timeZone: string | undefined): { readonly offsetMinutes?: number } {
  if (timeZone === undefined) return {};
  const offsetMinutes = offsetMinutesOf(timeZone);
  if (offsetMinutes !== undefined) return { offsetMinutes };
  throw new UserError(
    `--time-zone ${timeZone}: must be UTC or an offset such as +01:00. ` +
      'In a zone with daylight saving time an hour occurs twice: write instants of such a zone with their offsets',
  );
}

/** @throws UserError for what is no `source=GLOB`, or a source that is given twice. */
export function historyOf(entries: readonly string[]): Record<string, string> {
  const history: Record<string, string> = {};
  for (const entry of entries) {
    const separator = entry.indexOf('=');
    const [source, glob] = [entry.slice(0, Math.max(0, separator)), entry.slice(separator + 1)];
    if (source === '' || glob === '') {
      throw new UserError(`--history ${entry}: write source=GLOB, for example transactions='history/*.parquet'`);
    }
    if (history[source] !== undefined)
      throw new UserError(`--history names ${source} twice; use one glob for all its files`);
    history[source] = globOf(glob);
  }
  return history;
}

/** All Parquet files of a folder; what is no folder is a glob. */
export function globOf(path: string): string {
  return existsSync(path) && statSync(path).isDirectory() ? join(path, '**', '*.parquet') : path;
}
