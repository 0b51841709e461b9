/** What requests for training sets and their answers look like. */
import * as z from 'zod';
import { LIMITS } from '../../shared/limits.ts';
import { SPINE } from '../../shared/offline/offline-store.ts';
import { SPINES_PREFIX } from './constants.ts';

const mode = z
  .enum(['bitemporal', 'event-time'])
  .describe('bitemporal: what had happened and was known. event-time: what had happened, whenever it arrived');

export const trainingSetRequest = z.strictObject({
  service: z.string().min(1).max(LIMITS.identifierCharacters).describe('name or name@version'),
  mode: mode.default('bitemporal'),
  spine: z
    .union(
      [
        z.array(z.record(z.string(), z.unknown())),
        z.strictObject({
          location: z.string().describe(`s3://bucket/${SPINES_PREFIX}…, one Parquet file in the bucket of history`),
        }),
      ],
      { error: 'must be a list of rows, each an object, or {"location": "s3://…"}' },
    )
    .describe(
      `Rows of join keys, ${SPINE.timestamp} (ISO 8601 or milliseconds), perhaps ${SPINE.knownAt}, and anything else, which is handed ` +
        `through: labels, say. For what a decision saw, name its event by its id, give when it was answered as ${SPINE.knownAt} ` +
        '(by default the timestamp, when the event itself had not arrived yet), and the fields that derived features use',
    ),
});
export type TrainingSetRequest = z.infer<typeof trainingSetRequest>;

const manifest = z.strictObject({
  service: z.string().describe('name@version'),
  registryVersion: z.string().describe('Content hash of the declarations'),
  definitions: z
    .record(z.string(), z.string())
    .optional()
    .describe('By name of a field, feature or derived feature: fingerprint of what computes it'),
  mode,
  engine: z.string().describe('What computed it'),
  sqlHash: z.string().nullable().describe('SHA-256 of the SQL; null where there was nothing to compute'),
  spineHash: z.string().describe("SHA-256 over the spine's rows"),
  rows: z.int().describe('As many as the spine has'),
  columns: z.array(z.string()).describe('In order: those of the spine, then the features'),
  notes: z.array(z.string()).default([]).describe('What to look at, in sentences'),
});

const states = ['queued', 'running', 'succeeded', 'failed'] as const;

export const trainingSetAnswer = z.strictObject({
  id: z.uuid().describe('As it was asked for'),
  state: z.enum(states).describe('How far it is; succeeded and failed are the ends'),
  service: z.string().describe('name@version'),
  mode,
  reason: z.string().optional().describe('Why it failed, and what to do'),
  rows: z.int().optional().describe('How many it has'),
  location: z.string().optional().describe('s3://… of the Parquet file'),
  download_url: z.url().optional().describe('The same file over HTTPS, for 15 minutes'),
  manifest: manifest.optional().describe('What it was made of, as it lies beside the file'),
  bytes_scanned: z.number().optional().describe('What Athena read'),
});
export type TrainingSetAnswer = z.infer<typeof trainingSetAnswer>;

export const queuedAnswer = z.strictObject({
  id: z.uuid().describe('Ask GET /training-sets/{id} how far it is'),
  state: z.literal('queued').describe('It will be made'),
});

/** A training set from its request to its end, as it is kept beside it. */
export const trainingSetState = z.object({
  id: z.uuid(),
  state: z.enum(states),
  service: z.string(),
  mode,
  /** `s3://bucket/key` of the spine. */
  spine: z.string(),
  /** If it has not ended by then, it never will. */
  ends_before: z.iso.datetime(),
  reason: z.string().optional(),
  location: z.string().optional(),
  manifest: manifest.optional(),
  bytes_scanned: z.number().optional(),
});
export type TrainingSetState = z.infer<typeof trainingSetState>;
