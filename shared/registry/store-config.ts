import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { suggestion } from '../definitions/shape.ts';
import { loadModule } from './load-repository.ts';

/** Looked for in the working directory and those above it. */
export const CONFIG_FILE = 'feature-store.config.ts';

/** An emulator on this machine: there for every store, without being declared. */
export const LOCAL_STAGE = 'local';

/**
 * No two stores have stacks or prefixes of one name: in a stack's name, each word of the store's begins with a capital, and what
 * follows the last hyphen of a prefix is the stage.
 */
const WORD = '[a-z][a-z0-9]*';
const storeName = z
  .string()
  .regex(
    new RegExp(`^${WORD}(-${WORD})*$`),
    'must be words of lower-case letters and digits, each beginning with a letter, with hyphens between: login-risk',
  )
  .max(24, 'must have at most 24 characters');
const stageName = z
  .string()
  .regex(new RegExp(`^${WORD}$`), 'must be lower-case letters and digits, beginning with a letter: staging')
  .max(16, 'must have at most 16 characters')
  .refine((name) => name !== LOCAL_STAGE, `must not be ${LOCAL_STAGE}, which is always there`);
const wholeNumber = (least: number, most: number) => z.int().min(least).max(most);
const memoryMegabytes = wholeNumber(128, 10_240);

/** Instead of what a stage of its kind has. */
const limits = z.strictObject({
  /** That each route takes a second in the long run, and at once. More are answered with 429. */
  requestsPerSecond: wholeNumber(1, 1_000_000).optional(),
  requestBurst: wholeNumber(1, 1_000_000).optional(),
  /** What Athena may read for one training set. */
  trainingSetBytes: wholeNumber(10 * 1024 ** 2, 1024 ** 5).optional(),
  streamShards: z.union([wholeNumber(1, 10_000), z.literal('on-demand')]).optional(),
  /** How far back events can be replayed from their stream. */
  streamHours: wholeNumber(24, 8_760).optional(),
  /** Batches of one shard in flight at once. */
  batchesPerShard: wholeNumber(1, 10).optional(),
  consumerMemoryMegabytes: memoryMegabytes.optional(),
  servingMemoryMegabytes: memoryMegabytes.optional(),
  trainingSetMemoryMegabytes: memoryMegabytes.optional(),
});

const stage = z.strictObject({
  /** Must not lose anything: data outlive a mistaken deletion, and ids that force an outcome are refused. Default: false. */
  production: z.boolean().default(false),
  /** Where it is deployed. Default: what credentials and environment of the shell say. */
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-central-1')
    .optional(),
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be the 12 digits of an account')
    .optional(),
  /** Who is told about alarms, beside other subscribers of their topic. */
  alarmEmail: z.email('must be an address such as fraud-oncall@example.com').optional(),
  /** Whether events and answers are kept as Parquet in S3. Default: true. */
  landsHistory: z.boolean().default(true),
  limits: limits.default({}),
});

const storeConfig = z.strictObject({
  /** Names stacks, metrics, alarms and everything else that has a name: other stores in the account have others. */
  name: storeName,
  /** The module of the declarations, from the folder of this file on. */
  features: z.string().min(1),
  /** By name. The stage `local` is always there. */
  stages: z.record(stageName, stage).default({}),
});

const EXAMPLE = "export default { name: 'my-store', features: './features.ts', stages: {} }";
const MISSING = `is missing; write it, as in ${EXAMPLE}`;
/** Of the file, of a stage and of its limits, by the length of the path to them. */
const SETTINGS = [Object.keys(storeConfig.shape), [], Object.keys(stage.shape), Object.keys(limits.shape)];

/** What `feature-store.config.ts` exports as its default. */
export type StoreConfig = z.input<typeof storeConfig>;

/** A stage, with its defaults. */
export type StageDeclaration = z.output<typeof stage>;

/** A configuration that was read. */
export interface LoadedStoreConfig extends z.output<typeof storeConfig> {
  /** Where it stands, absolute. */
  readonly file: string;
}

/** Thrown when there is no configuration, or a faulty one. The message names the field and the fix. */
export class StoreConfigError extends Error {
  override readonly name = 'StoreConfigError';
}

/** The path of the configuration of a folder: the nearest one, in it or above. */
export function findConfigFile(folder: string): string | undefined {
  const file = join(folder, CONFIG_FILE);
  if (existsSync(file)) return file;
  return dirname(folder) === folder ? undefined : findConfigFile(dirname(folder));
}

/** @throws StoreConfigError that says how to write one, or what is wrong with it. */
export async function loadStoreConfig(folder: string): Promise<LoadedStoreConfig> {
  const file = findConfigFile(folder);
  if (file === undefined) {
    throw new StoreConfigError(
      `there is no ${CONFIG_FILE} in ${folder} or above it; write one there: ${EXAMPLE}; or, where a command has --features, name a module of declarations`,
    );
  }
  const { default: declared } = await loadModule<{ readonly default?: unknown }>(file);
  const parsed = storeConfig.safeParse(declared, {
    error: ({ code, input }) => (code === 'invalid_type' && input === undefined ? MISSING : undefined),
  });
  if (!parsed.success) throw new StoreConfigError(`${file}: ${faultsOf(parsed.error).join('; ')}`);
  const features = resolve(dirname(file), parsed.data.features);
  if (!existsSync(features)) {
    throw new StoreConfigError(
      `${file}: features: there is no file ${features}; name the module of your declarations, such as './features.ts'`,
    );
  }
  return { ...parsed.data, file, features };
}

/** A misspelt setting is also a missing one: then only that is said. */
function faultsOf({ issues }: z.ZodError): string[] {
  const misspelt = issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [];
    const [at, known] = [issue.path.join('.'), SETTINGS[issue.path.length] ?? []];
    return issue.keys.map(
      (key) => `${at === '' ? '' : `${at}: `}"${key}" is not a setting; ${suggestion(key, known, 'settings')}`,
    );
  });
  if (misspelt.length > 0) return misspelt;
  return issues.map((issue) => {
    const reason = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
    return `${issue.path.join('.') || 'its default export'}: ${reason ?? issue.message}`;
  });
}

/** @throws StoreConfigError that lists the stages that there are. */
export function stageNamed({ file, stages }: LoadedStoreConfig, name: string): StageDeclaration {
  const found = Object.hasOwn(stages, name) ? stages[name] : undefined;
  if (found !== undefined) return found;
  const known = [LOCAL_STAGE, ...Object.keys(stages)].join(', ');
  throw new StoreConfigError(`there is no stage "${name}" in ${file}; declare it there, or name one of ${known}`);
}
