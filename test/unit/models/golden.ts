import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { MODEL_FORMATS } from '../../../shared/scoring/models/model.ts';

const Numbers = z.array(z.number());

/**
 * What a library said of a small model, once; `test/parity/models.py --golden` writes these files, and
 * `test/parity/versions.py` those of the folders `versions` and `refused`.
 */
const Golden = z.strictObject({
  format: z.enum(MODEL_FORMATS),
  rows: z.array(z.array(z.number().nullable())),
  scores: Numbers,
  margins: Numbers,
  /** Of each row, the inputs' and then the base. */
  contributions: z.array(Numbers).nullable(),
  model: z.string(),
});
export type Golden = z.infer<typeof Golden>;

export const GOLDEN_NAMES = [
  'xgboost',
  'xgboost-2.1',
  'lightgbm',
  'logistic-regression',
  'random-forest',
  'histogram-boosting',
] as const;
export type GoldenName = (typeof GOLDEN_NAMES)[number];

const FOLDER = join(import.meta.dirname, 'golden');

/** By older and newer versions than `models.py` has. */
export const VERSION_NAMES: readonly string[] = readdirSync(join(FOLDER, 'versions')).map(
  (file) => `versions/${file.slice(0, -5)}`,
);

export function golden(name: string): Golden {
  return Golden.parse(JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')));
}

/** A model's file that is refused. */
export function refusedFile(file: string): string {
  return readFileSync(join(FOLDER, 'refused', file), 'utf8');
}

/** Rows as models take them. */
export function rowsOf({ rows }: Golden): Float64Array[] {
  return rows.map((row) => Float64Array.from(row, (value) => value ?? Number.NaN));
}
