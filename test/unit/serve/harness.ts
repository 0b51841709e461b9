import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { createHandler } from '../../../functions/serve/app.ts';
import { CachedViews } from '../../../functions/serve/cached-views.ts';
import { DefaultPolicies } from '../../../functions/serve/decision-policies.ts';
import { GuardedStore } from '../../../functions/serve/guarded-store.ts';
import type { MeasuredDecision, ServingMetrics } from '../../../functions/serve/metrics.ts';
import type { EventRecord, EventStream, HealthProbe, ServePorts } from '../../../functions/serve/ports.ts';
import { httpRequest } from '../../../functions/testing/http-request.ts';
import type { EventSource } from '../../../shared/definitions/source.ts';
import { repository as shippedRepository } from '../../../shared/features/index.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import type { OnlineStore } from '../../../shared/online/store.ts';
import type { FeatureRepository } from '../../../shared/registry/manifest.ts';
import { API } from '../../support/api-description.ts';

export { httpRequest };

export const NOW_MILLIS = Date.UTC(2026, 0, 31, 12);

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape; schemas are checked apart.
  readonly body: any;
}

/** A stream in memory that can be told to refuse. */
export class MemoryStream implements EventStream {
  readonly records: EventRecord[] = [];
  /** The source of each record. */
  readonly sources: string[] = [];
  calls = 0;
  /** How many records of each call it refuses, or what it throws. */
  refusals: (number | Error)[] = [];

  async put({ name }: EventSource, records: readonly EventRecord[]): Promise<readonly EventRecord[]> {
    this.calls++;
    const refusal = this.refusals.length > 1 ? this.refusals.shift() : this.refusals[0];
    if (refusal instanceof Error) throw refusal;
    const accepted = records.slice(0, records.length - (refusal ?? 0));
    this.records.push(...accepted);
    this.sources.push(...accepted.map(() => name));
    return records.slice(accepted.length);
  }
}

interface Logged {
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export class RecordedMetrics implements ServingMetrics {
  readonly requests: { readonly route: string; readonly status: number; readonly latencyMillis: number }[] = [];
  readonly nullNames: string[] = [];
  readonly ages: (readonly [string, number | null])[] = [];

  answered(route: string, options: { readonly latencyMillis: number; readonly status: number }): void {
    this.requests.push({ route, ...options });
  }

  degradedCount = 0;

  readonly statuses: string[] = [];

  decided({ featureService, isDegraded, eventStatus, configurationAgeSeconds }: MeasuredDecision): void {
    this.configurationAges.push([featureService, configurationAgeSeconds]);
    this.statuses.push(eventStatus);
    if (isDegraded) this.degradedCount++;
  }

  nulls(features: Readonly<Record<string, unknown>>): void {
    this.nullNames.push(...Object.keys(features).filter((name) => features[name] === null));
  }

  age(view: string, ageSeconds: number | null): void {
    this.ages.push([view, ageSeconds]);
  }

  readonly configurationAges: (readonly [string, number | null])[] = [];
}

/** The real handler over memory, and the ways to call it. */
export function serve(
  options: {
    readonly store?: OnlineStore;
    readonly repository?: FeatureRepository;
    readonly probes?: readonly HealthProbe[];
    readonly metrics?: ServingMetrics;
    readonly rows?: ServePorts['rows'];
    readonly policies?: ServePorts['policies'];
    readonly production?: boolean;
    readonly pause?: NonNullable<ServePorts['pause']>;
    readonly deadlines?: NonNullable<ServePorts['deadlines']>;
    /** Default: unless `deadlines` are given, none ever passes, so that no answer depends on the speed of the machine. */
    readonly timeout?: NonNullable<ServePorts['timeout']>;
  } = {},
) {
  const store = options.store ?? new MemoryOnlineStore();
  const repository = options.repository ?? shippedRepository;
  const deciding = repository.services.find(({ decides }) => decides !== undefined)?.name;
  const stream = new MemoryStream();
  const metrics = new RecordedMetrics();
  const logged: Logged[] = [];
  const log = (message: string, details: Logged['details']) => logged.push({ message, details });
  const clock = { nowMillis: NOW_MILLIS };
  const never = () => new AbortController().signal;
  const timeout = options.timeout ?? (options.deadlines ? AbortSignal.timeout.bind(AbortSignal) : never);
  const handler = createHandler({
    store: new GuardedStore(store, { hedgeAfterMillis: 2 ** 31 - 1, timeout }),
    cachedViews: new CachedViews({ clock: () => clock.nowMillis }),
    policies: options.policies ?? new DefaultPolicies(),
    ...(options.deadlines && { deadlines: options.deadlines }),
    timeout,
    repository,
    api: API,
    stream,
    clock: () => clock.nowMillis,
    logger: { error: log, warn: log },
    metrics: options.metrics ?? metrics,
    probes: options.probes ?? [{ name: 'online_store', check: async () => undefined }],
    ...(options.rows && { rows: options.rows }),
    ...(options.production !== undefined && { production: options.production }),
    ...(options.pause && { pause: options.pause }),
  });
  async function call(request: APIGatewayProxyEventV2): Promise<Answered> {
    const { statusCode = 0, headers = {}, body = '' } = await handler(request);
    return { status: statusCode, headers, body: JSON.parse(body) };
  }
  const post = (path: string, body: unknown, query?: Record<string, string>) =>
    call(
      httpRequest('POST', path, {
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...(query && { query }),
      }),
    );
  return {
    handler,
    store,
    stream,
    metrics,
    logged,
    clock,
    call,
    post,
    get: (path: string) => call(httpRequest('GET', path)),
    predict: (body: unknown) => post(`/services/${deciding}/decide`, body),
    features: (body: unknown) => post('/features', body),
    events: (body: unknown, source = 'transactions') => post(`/events/${source}`, body),
  };
}

let transactionCount = 0;

/** A transaction, different from all others unless told not to be. */
export function transaction(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  transactionCount++;
  return {
    transaction_id: `transaction-${transactionCount}`,
    user_id: 'user-1',
    merchant_id: 'merchant-1',
    amount: 10,
    timestamp: NOW_MILLIS,
    ...fields,
  };
}

let labelCount = 0;

/** A label of an hour, different from all others unless told not to be. */
export function label(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  labelCount++;
  return {
    label_id: `label-${labelCount}`,
    transaction_id: 'transaction-1',
    user_id: 'user-1',
    merchant_id: 'merchant-1',
    is_fraud: 1,
    labelled_at: NOW_MILLIS,
    ...fields,
  };
}

export const ruleNames = (answer: Answered): string[] => answer.body.rules.map(({ name }: { name: string }) => name);
