/** A caller of the API that remembers what it sent, so that the naive oracle can say what each answer must be. */
import { join } from 'node:path';
import * as z from 'zod';
import { readFeatures } from '../../../localstack/api-client.ts';
import { type Difference, differences, Referee } from '../../../localstack/referee.ts';
import type { FeatureService, WindowedView } from '../../../shared/definitions/index.ts';
import { loadRepository } from '../../../shared/registry/load-repository.ts';
import type { FeatureRepository } from '../../../shared/registry/manifest.ts';
import { untilHolds } from './user.ts';

const value = z.union([z.number(), z.string(), z.boolean(), z.null()]);
const answer = z.object({
  decision: z.string(),
  score: z.number().nullable(),
  model: z.string().nullable(),
  rules: z.array(z.object({ name: z.string() })),
  contributions: z.array(z.object({ feature: z.string(), contribution: z.number() })).optional(),
  features: z.record(z.string(), value),
  degraded: z.array(z.object({ name: z.string() })),
  event_status: z.string(),
  views: z.record(z.string(), z.object({ as_of: z.iso.datetime().transform((text) => Date.parse(text)) })),
  registry_version: z.string(),
});
export type Answer = z.infer<typeof answer>;

/** As producers send it. */
export type Event = Readonly<Record<string, string | number | boolean>>;
export type EntityRow = Readonly<Record<'account_id' | 'device_id', string>>;

export interface Told {
  readonly event: Event;
  readonly answer: Answer;
}

export class Client {
  readonly #folder: string;
  /** Of the deployment, which another start replaces. */
  apiUrl = '';
  #repository: FeatureRepository | undefined;
  #referee = new Referee({ views: [] });
  readonly #sent: { readonly source: string; readonly event: Event; readonly arrivedAtMillis: number }[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  get repository(): FeatureRepository {
    if (this.#repository === undefined) throw new Error('load comes first');
    return this.#repository;
  }

  /** Reads the declarations as they are now, of which everything that was sent is an event. */
  async load(module = 'features.ts'): Promise<void> {
    this.#repository = await loadRepository(join(this.#folder, module));
    this.#referee = new Referee(this.#repository);
    for (const { source, event, arrivedAtMillis } of this.#sent) this.#take(source, event, arrivedAtMillis);
  }

  /** What came some other way, such as by a backfill. */
  remember(source: string, event: Event, arrivedAtMillis: number): void {
    this.#sent.push({ source, event, arrivedAtMillis });
    this.#take(source, event, arrivedAtMillis);
  }

  #take(source: string, event: Event, arrivedAtMillis: number) {
    const declared = this.repository.sources.find(({ name }) => name === source);
    if (declared === undefined) throw new Error(`there is no source ${source}`);
    return this.#referee.take(declared, event, arrivedAtMillis);
  }

  service(name: string): FeatureService {
    const found = this.repository.services.find((service) => service.name === name);
    if (found === undefined) throw new Error(`there is no service ${name}`);
    return found;
  }

  async call(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(`${this.apiUrl}${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  /** By `POST /events/…`, which is asked for and not yet counted. @throws Error with what was answered instead of 202 or 200. */
  async post(source: string, events: readonly Event[]): Promise<void> {
    const { status, body } = await this.call('POST', `/events/${source}`, { events });
    if (status >= 300) throw new Error(`/events/${source} answered ${status}: ${JSON.stringify(body)}`);
    for (const event of events) this.remember(source, event, Date.now());
  }

  /** @returns the answer, and where it is not the oracle's. */
  async decide(path: string, service: string, event: Event, options: { readonly explain?: number } = {}) {
    const { status, body } = await this.call('POST', path, { ...event, ...options });
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    const parsed = answer.parse(body);
    const arrivedAtMillis = Date.now();
    const declared = this.service(service);
    const source = declared.decides?.name ?? '';
    this.#sent.push({ source, event, arrivedAtMillis });
    const taken = this.#take(source, event, arrivedAtMillis);
    const asOf = ({ key }: WindowedView) => parsed.views[key]?.as_of ?? Number.NaN;
    const expected = this.#referee.expected(declared, taken.values, asOf, taken);
    return {
      answer: parsed,
      compared: Object.keys(expected).length,
      differences: differences(`${service} at ${taken.id}`, expected, parsed.features),
    };
  }

  /** Polls until the features of entities are the oracle's, for the stream needs its time. @returns how many, and what is not. */
  async read(service: string, entities: readonly EntityRow[], { except }: { readonly except?: RegExp } = {}) {
    const declared = this.service(service);
    const asked = declared.features.filter(({ name }) => except?.test(name) !== true);
    const found: { compared: number; differences: Difference[] } = { compared: 0, differences: [] };
    await untilHolds(async () => {
      const results = await readFeatures(this.apiUrl, { service: declared.key }, entities);
      const expected = results.map(({ views }, index) =>
        this.#referee.expected(
          { features: asked, derived: [] },
          entities[index] ?? {},
          (view) => views[view.key]?.as_of ?? Number.NaN,
        ),
      );
      found.compared = expected.reduce((sum, features) => sum + Object.keys(features).length, 0);
      found.differences = results.flatMap(({ features }, index) =>
        differences(`${service} of ${JSON.stringify(entities[index])}`, expected[index] ?? {}, features),
      );
      return found.differences.length === 0;
    }, READ_WITHIN_MILLIS);
    return found;
  }
}

const READ_WITHIN_MILLIS = 60_000;

export function sentenceOf({ subject, feature, expected, actual }: Difference): string {
  return `${subject} ${feature} is ${actual}, and should be ${expected}`;
}
