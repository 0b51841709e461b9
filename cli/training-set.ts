import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { offsetMinutesOf } from '../shared/definitions/instants.ts';
import {
  EmbeddedOfflineStore,
  type TrainingSetProgress,
  writeManifest,
} from '../shared/offline/embedded/embedded-offline-store.ts';
import type { HistoryMode } from '../shared/offline/offline-store.ts';
import { definitionFingerprints } from '../shared/registry/fingerprints.ts';
import { findService, repositoryOf } from './repository.ts';
import { type Download, isS3, withDownloads } from './s3.ts';
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
  const repository = await repositoryOf(options);
  const service = findService(repository, options.service);
  requireParquet(options);
  if (resolve(options.output) === resolve(options.spine)) {
    throw new UserError('the output would overwrite the spine; give it another name');
  }
  await mkdir(dirname(options.output), { recursive: true });
  const store = new EmbeddedOfflineStore(options.onProgress ? { onProgress: options.onProgress } : {});
  const made = await withDownloads(async (download) =>
    store.getHistoricalFeatures({
      service,
      mode: options.mode,
      spine: isS3(options.spine) ? await globOf(options.spine, download) : options.spine,
      history: await historyOf(options.history, download),
      output: options.output,
      ...offsetOf(options.timeZone),
    }),
  );
  const manifest = await writeManifest(options.output, {
    ...made,
    registryVersion: repository.registryVersion,
    definitions: Object.fromEntries(definitionFingerprints(service)),
  });
  return {
    rows: made.rows,
    features: service.features.length + service.derived.length,
    seconds: (performance.now() - startedAt) / 1_000,
    output: options.output,
    manifest,
    notes: made.notes,
  };
}

/** By their names alone: what a file holds is found out when it is read. */
function requireParquet({ spine, output }: Pick<TrainingSetOptions, 'spine' | 'output'>): void {
  if (TEXT_FILE.test(spine)) {
    throw new UserError(
      `the spine ${spine} must be Parquet, with a type for each column; write it with pandas, ` +
        "pd.read_csv('spine.csv').to_parquet('spine.parquet'), or DuckDB, COPY (FROM 'spine.csv') TO 'spine.parquet'",
    );
  }
  if (/\.\w+$/.test(output) && !output.endsWith('.parquet')) {
    throw new UserError(`--output ${output}: it is written as Parquet; name it FILE.parquet`);
  }
}

const TEXT_FILE = /\.(?:csv|tsv|txt|json|jsonl|ndjson|xlsx?)(?:\.gz)?$/i;

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
export async function historyOf(entries: readonly string[], download: Download): Promise<Record<string, string>> {
  const history: Record<string, string> = {};
  for (const entry of entries) {
    const separator = entry.indexOf('=');
    const [source, glob] = [entry.slice(0, Math.max(0, separator)), entry.slice(separator + 1)];
    if (source === '' || glob === '') {
      throw new UserError(`--history ${entry}: write source=GLOB, for example transactions='history/*.parquet'`);
    }
    if (history[source] !== undefined)
      throw new UserError(`--history names ${source} twice; use one glob for all its files`);
    history[source] = await globOf(glob, download);
  }
  return history;
}

/** All Parquet files of a folder, or of a prefix in S3; what is neither is a glob. */
export async function globOf(path: string, download: Download): Promise<string> {
  if (isS3(path)) {
    const { folder, files } = await download(path);
    if (files.some(({ url }) => url.endsWith('.parquet'))) return join(folder, '**', '*.parquet');
    throw new UserError(`there is no .parquet at ${path}; look at its prefix`);
  }
  return existsSync(path) && statSync(path).isDirectory() ? join(path, '**', '*.parquet') : path;
}
