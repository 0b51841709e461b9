/** The product's HTTP API as a caller sees it. Answers are parsed, so that a broken contract is a clear error. */
import * as z from 'zod';
import { fraudDetection } from '../shared/features/fraud.ts';
import { LocalEnvironmentError } from './child-process.ts';
import type { Transaction } from './traffic.ts';

const featureValue = z.union([z.number(), z.string(), z.boolean(), z.null()]);

const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const featuresAnswer = z.object({
  results: z.array(
    z.object({
      entity: z.object({ user_id: z.string() }),
      status: z.enum(['found', 'unknown']),
      features: z.record(z.string(), featureValue),
      views: z.record(z.string(), z.object({ as_of: instant })),
    }),
  ),
});
export type FeaturesResult = z.infer<typeof featuresAnswer>['results'][number];

const decision = z.object({
  transaction_id: z.string(),
  decision: z.enum(['approve', 'review', 'block']),
  score: z.number().nullable(),
  model: z.string().nullable(),
  rules: z.array(z.object({ name: z.string(), reason: z.string(), outcome: z.enum(['review', 'block']) })),
  event_status: z.enum(['applied', 'duplicate', 'late', 'skewed', 'read-only', 'unrelated', 'unknown']),
  latency_ms: z.number(),
});
export type Decision = z.infer<typeof decision>;

/** The API refuses larger requests. */
const ENTITY_ROWS_PER_REQUEST = 100;

/** Features of users at one merchant, in the order of `userIds`. */
export async function readFeatures(
  apiUrl: string,
  userIds: readonly string[],
  merchantId: string,
): Promise<FeaturesResult[]> {
  const results: FeaturesResult[] = [];
  for (let start = 0; start < userIds.length; start += ENTITY_ROWS_PER_REQUEST) {
    const entities = userIds
      .slice(start, start + ENTITY_ROWS_PER_REQUEST)
      .map((user_id) => ({ user_id, merchant_id: merchantId }));
    const answer = await post(`${apiUrl}/features`, { service: fraudDetection.name, entities }, featuresAnswer);
    results.push(...answer.results);
  }
  return results;
}

/** Decides a transaction, in one request; `apply` counts it. */
export async function decide(
  apiUrl: string,
  transaction: Transaction,
  mode: 'apply' | 'read-only' = 'apply',
): Promise<Decision> {
  return post(`${apiUrl}/predict_fraud`, { ...transaction, mode }, decision);
}

async function post<Answer extends z.ZodType>(url: string, body: object, answer: Answer): Promise<z.infer<Answer>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new LocalEnvironmentError(`POST ${url} answered ${response.status}: ${text}`);
  const parsed = answer.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new LocalEnvironmentError(
      `POST ${url} answered in an unknown form:\n${z.prettifyError(parsed.error)}\n${text}`,
    );
  }
  return parsed.data;
}
