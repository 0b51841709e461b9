/** What a deployment has landed in its bucket, on this machine. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { DuckDBInstance } from '@duckdb/node-api';
import pMap from 'p-map';
import type { Deployment } from '../../../localstack/deploy.ts';
import { clientConfigurationOf } from '../../../localstack/endpoint.ts';

/** Thrown when rows do not land. */
export class LandingError extends Error {
  override readonly name = 'LandingError';
}

const DOWNLOADS_AT_ONCE = 8;
/** Longer without a new object means that no more will come. */
const STALLED_MILLIS = 30_000;

export class LandedFiles {
  readonly #s3: S3Client;
  readonly #bucket: string;
  /** Keys of objects that are on this machine, by folder. */
  readonly #savedBelow = new Map<string, Set<string>>();

  constructor({ endpoint, historyBucketName }: Deployment) {
    this.#s3 = new S3Client({ ...clientConfigurationOf(endpoint), forcePathStyle: true });
    this.#bucket = historyBucketName;
  }

  /**
   * Downloads what lies below a prefix into a folder, until there are as many rows as expected.
   * @throws LandingError when they do not.
   */
  async download(options: { readonly prefix: string; readonly folder: string; readonly rows: number }): Promise<void> {
    const { prefix, folder, rows } = options;
    await mkdir(folder, { recursive: true });
    const known = this.#savedBelow.get(folder) ?? new Set<string>();
    this.#savedBelow.set(folder, known);
    let landed = 0;
    let progressedAtMillis = Date.now();
    for (;;) {
      const added = (await this.#keysBelow(prefix)).filter((key) => !known.has(key));
      // Flat: the day and the hour in their paths say nothing that the rows do not.
      await pMap(added, (key) => this.#save(key, join(folder, key.replaceAll(/[^\w.-]/g, '_'))), {
        concurrency: DOWNLOADS_AT_ONCE,
      });
      for (const key of added) known.add(key);
      if (added.length > 0) {
        progressedAtMillis = Date.now();
        landed = await rowsIn(folder);
      }
      if (landed >= rows) return;
      if (Date.now() - progressedAtMillis > STALLED_MILLIS) {
        throw new LandingError(`below ${prefix} there are ${landed} rows instead of ${rows}; read ministack.log`);
      }
      await delay(500);
    }
  }

  async #keysBelow(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: this.#s3 },
      { Bucket: this.#bucket, Prefix: prefix },
    )) {
      keys.push(...Contents.flatMap(({ Key }) => Key ?? []));
    }
    return keys;
  }

  async #save(key: string, file: string): Promise<void> {
    const { Body } = await this.#s3.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
    if (Body === undefined) throw new LandingError(`${key} has no content`);
    await writeFile(file, await Body.transformToByteArray());
  }
}

async function rowsIn(folder: string): Promise<number> {
  const connection = await (await DuckDBInstance.create()).connect();
  try {
    const result = await connection.runAndReadAll('SELECT count(*) FROM read_parquet($1)', [join(folder, '*.parquet')]);
    return Number(result.getRows()[0]?.[0]);
  } finally {
    connection.closeSync();
  }
}
