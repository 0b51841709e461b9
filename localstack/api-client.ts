/** The product's HTTP API as a caller sees it. Answers are parsed, so that a broken contract is a clear error. */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import type { FieldValue } from '../shared/definitions/fields.ts';
import type { FeatureService } from '../shared/definitions/service.ts';
import { LocalEnvironmentError } from './child-process.ts';

const featureValue = z.union([z.number(), z.string(), z.boolean(), z.null()]);

const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const views = z.record(z.string(), z.object({ as_of: instant }));

const featuresAnswer = z.object({
  results: z.array(
    z.object({
      entity: z.record(z.string(), featureValue),
      status: z.enum(['found', 'unknown']),
      features: z.record(z.string(), featureValue),
      views,
    }),
  ),
});
export type FeaturesResult = z.infer<typeof featuresAnswer>['results'][number];

const decision = z.object({
  decision: z.enum(['approve', 'review', 'block']),
  score: z.number().nullable(),
  model: z.string().nullable(),
  rules: z.array(z.object({ name: z.string(), reason: z.string(), outcome: z.enum(['review', 'block']) })),
  features: z.record(z.string(), featureValue),
  degraded: z.array(z.object({ what: z.string(), name: z.string() })),
  event_status: z.enum(['applied', 'duplicate', 'late', 'skewed', 'read-only', 'unrelated', 'unknown']),
  views,
  latency_ms: z.number(),
});
export type Decision = z.infer<typeof decision>;

/** The API refuses larger requests. */
const ENTITY_ROWS_PER_REQUEST = 100;

/** Join keys of the entities that a service speaks of. */
export type EntityRow = Readonly<Record<string, FieldValue>>;

/** Features of entities, in their order: all of a service, or those named `view@version:feature`. */
export async function readFeatures(
  apiUrl: string,
  asked: { readonly service: string } | { readonly features: readonly string[] },
  entities: readonly EntityRow[],
): Promise<FeaturesResult[]> {
  const results: FeaturesResult[] = [];
  for (let start = 0; start < entities.length; start += ENTITY_ROWS_PER_REQUEST) {
    const body = { ...asked, entities: entities.slice(start, start + ENTITY_ROWS_PER_REQUEST) };
    const answer = await post(`${apiUrl}/features`, body, featuresAnswer);
    results.push(...answer.results);
  }
  return results;
}

/** Path at which a service decides, in this version. */
export function decidePathOf({ name, version }: Pick<FeatureService, 'name' | 'version'>): string {
  return `/services/${name}/decide?version=${version}`;
}

/** Decides an event, in one request; `apply`, the default, counts it. */
export async function decide(
  apiUrl: string,
  event: object,
  options: { readonly path?: string; readonly mode?: 'apply' | 'read-only' } = {},
): Promise<Decision> {
  const { path = '/predict_fraud', mode = 'apply' } = options;
  return post(`${apiUrl}${path}`, { ...event, mode }, decision);
}

const queuedTrainingSet = z.object({ id: z.string() });
const trainingSet = z.object({
  state: z.enum(['queued', 'running', 'succeeded', 'failed']),
  reason: z.string().optional(),
  download_url: z.url().optional(),
});
const TRAINING_SET_POLL_MILLIS = 200;
const TRAINING_SET_MILLIS_MAX = 120_000;

/** Has a training set made. @returns the bytes of its Parquet file. @throws LocalEnvironmentError when it fails. */
export async function makeTrainingSet(apiUrl: string, service: string, spine: readonly object[]): Promise<Uint8Array> {
  const url = `${apiUrl}/training-sets`;
  const { id } = await post(url, { service, spine }, queuedTrainingSet);
  for (let waited = 0; waited < TRAINING_SET_MILLIS_MAX; waited += TRAINING_SET_POLL_MILLIS) {
    const answer = await parsedAnswer(`GET ${url}/${id}`, await fetch(`${url}/${id}`), trainingSet);
    if (answer.state === 'failed')
      throw new LocalEnvironmentError(`The training set failed: ${answer.reason ?? 'without a reason'}`);
    if (answer.state === 'succeeded' && answer.download_url !== undefined) {
      return new Uint8Array(await (await fetch(answer.download_url)).arrayBuffer());
    }
    await delay(TRAINING_SET_POLL_MILLIS);
  }
  throw new LocalEnvironmentError(`The training set ${id} was not made within ${TRAINING_SET_MILLIS_MAX / 1_000} s`);
}

async function post<Answer extends z.ZodType>(url: string, body: object, answer: Answer): Promise<z.infer<Answer>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return parsedAnswer(`POST ${url}`, response, answer);
}

async function parsedAnswer<Answer extends z.ZodType>(
  request: string,
  response: Response,
  answer: Answer,
): Promise<z.infer<Answer>> {
  const text = await response.text();
  if (!response.ok) throw new LocalEnvironmentError(`${request} answered ${response.status}: ${text}`);
  const parsed = answer.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new LocalEnvironmentError(
      `${request} answered in an unknown form:\n${z.prettifyError(parsed.error)}\n${text}`,
    );
  }
  return parsed.data;
}
