import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as zod from 'zod';
import { LocalEnvironmentError, PROJECT_ROOT } from '../../../localstack/child-process.ts';
import { EventMaker, isOfRun } from '../../../localstack/generated-traffic.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import {
  count,
  entity,
  eventSource,
  eventTime,
  featureRepository,
  identifier,
  windowedView,
  z,
} from '../../../shared/index.ts';
import type { FeatureRepository } from '../../../shared/registry/manifest.ts';
import { Random } from '../../simulation/random.ts';
import { randomModule } from '../../trials/declarations/module.ts';

const SEEDS = Array.from({ length: 40 }, (_, seed) => seed);
const EVENTS = 100;
const END = Date.UTC(2026, 5, 2, 12, 34, 56, 789);

/** Declarations of logins, with other schemas of some fields. */
function loginsOf(changed: { id?: zod.ZodEnum; user_id?: zod.ZodType<string | number>; other?: zod.ZodType }) {
  const prose = { description: 'Logins.', owner: 'identity' };
  const fields = { id: identifier(), at: eventTime(), user_id: identifier(), other: z.string() };
  const source = eventSource({
    name: 'logins',
    ...prose,
    eventId: 'id',
    eventTime: 'at',
    partitionKey: 'id',
    allowedLateness: '5s',
    schema: z.strictObject({ ...fields, ...changed }),
  });
  const user = entity({ name: 'user', description: 'A user.', joinKeys: ['user_id'] });
  const view = windowedView({
    name: 'logins',
    version: 1,
    ...prose,
    entity: user,
    source,
    ttl: '7d',
    windows: { h: '1h' },
    features: { times: count() },
  });
  return featureRepository({ views: [view], services: [] });
}

/** What a run plays of declarations. */
function trafficOf({ sources, views }: FeatureRepository, seed = 1) {
  const maker = new EventMaker({ views }, { seed, prefix: '' });
  return sources.map((source) => ({ source, deliveries: maker.deliveries(source, EVENTS, END, views) }));
}

describe('the traffic of random declarations', () => {
  let directory: string;
  let repositories: readonly FeatureRepository[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'generated-traffic-'));
    const store = JSON.stringify(pathToFileURL(join(PROJECT_ROOT, 'shared/index.ts')).href);
    repositories = await Promise.all(
      SEEDS.map(async (seed) => {
        const file = join(directory, `features-${seed}.ts`);
        await writeFile(file, randomModule(new Random(seed)).replace("'fraud-feature-store'", store));
        return (await import(/* @vite-ignore */ file)).repository;
      }),
    );
  });

  afterAll(() => rm(directory, { recursive: true }));

  it.each(SEEDS)('is accepted by its sources, each event with an id of its own: seed %i', (seed) => {
    for (const { source, deliveries } of trafficOf(repositories[seed] as FeatureRepository)) {
      const events = new Map(
        deliveries.map(({ event }) => {
          const decoded = decodeEvent(source, event, END);
          if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
          return [event, decoded.event];
        }),
      );
      expect(events.size).toBe(EVENTS);
      expect(new Set([...events.values()].map(({ id }) => id)).size).toBe(EVENTS);
    }
  });

  it.each(SEEDS)('reaches every window of every view: seed %i', (seed) => {
    const { views, ...repository } = repositories[seed] as FeatureRepository;
    const traffic = trafficOf({ views, ...repository });
    for (const { key, source, entity: described, layout } of views) {
      const events = (traffic.find((one) => one.source === source)?.deliveries ?? []).flatMap(({ event }) => {
        const decoded = decodeEvent(source, event, END);
        const isOfEntity =
          decoded.ok && described.joinKeys.every((joinKey) => (decoded.event.values[joinKey] ?? '') !== '');
        return isOfEntity ? [decoded.event] : [];
      });
      for (const { name, lengthMillis, offsetMillis } of layout.windows) {
        const ages = events.map(({ timeMillis }) => END - offsetMillis - timeMillis);
        const isInside = (age: number) => age >= 0 && age < lengthMillis + source.timeResolutionMillis;
        expect(ages.some(isInside), `${key} ${name}`).toBe(true);
      }
    }
  });

  it('is the same for one seed, and another for another one', () => {
    for (const repository of repositories.slice(0, 10)) {
      const [once, again, other] = [1, 1, 2].map((seed) =>
        JSON.stringify(trafficOf(repository, seed).map(({ deliveries }) => deliveries.map(({ event }) => event))),
      );
      expect(once).toBe(again);
      expect(once).not.toBe(other);
    }
  });
});

describe('the join keys of a run with a prefix', () => {
  it.each([
    ['texts', identifier(), 25],
    ['uuids', z.uuid(), 25],
    ['addresses', z.email(), 25],
    ['whole numbers', z.int().min(1), 25],
    ['few whole numbers', z.int().min(1).max(9), 0],
  ])('are its own where there are enough of them: %s', (_, schema, own) => {
    const { views, sources } = loginsOf({ user_id: schema });
    const usersOf = (prefix: string) => {
      const maker = new EventMaker({ views }, { seed: 1, prefix });
      return new Set(
        sources.flatMap((source) => maker.deliveries(source, 500, END, views).map(({ event }) => event.user_id)),
      );
    };
    const [users, others] = [usersOf('run2-'), usersOf('run3-')];

    expect([...users].filter((user) => isOfRun('run2-', user))).toHaveLength(own);
    expect([...others].filter((user) => isOfRun('run2-', user))).toEqual([]);
    expect([...usersOf('')].filter((user) => isOfRun('run2-', user))).toEqual([]);
  });
});

describe('a source of which no event can be made', () => {
  it('names the field, and how to declare values of it', () => {
    const pattern = z.string().regex(/^AT\d{18}$/);

    expect(() => trafficOf(loginsOf({ other: pattern }))).toThrow(
      new LocalEnvironmentError(
        "No value of field \"other\" of source logins was found that its schema accepts: declare some, with .meta({ examples: ['…', '…'] })",
      ),
    );
    const [told] = trafficOf(loginsOf({ other: pattern.meta({ examples: ['AT483200000012345864'] }) }));
    expect(told?.deliveries[0]?.event).toMatchObject({ other: 'AT483200000012345864' });
  });

  it('says that its ids are too few', () => {
    expect(() => trafficOf(loginsOf({ id: z.enum(['a', 'b']) }))).toThrow(
      /^After 2 events of source logins no further value of its eventId "id" was found: /,
    );
  });
});

describe('a field that is called as the event id of another source', () => {
  it('has ids of its events, so that a label is of something', () => {
    const maker = new EventMaker({ views: [] }, { seed: 1, prefix: '' });
    const { sources } = loginsOf({});
    const [logins] = sources;
    if (logins === undefined) throw new Error('there is a source');
    const labels = eventSource({
      name: 'labels',
      description: 'What became of logins.',
      owner: 'identity',
      schema: z.strictObject({ label_id: identifier(), id: identifier(), at: eventTime() }),
      eventId: 'label_id',
      eventTime: 'at',
      partitionKey: 'id',
      allowedLateness: '5s',
    });
    const ids = Array.from({ length: 20 }, () => maker.event(logins, END).id);
    const ofLabels = Array.from({ length: 20 }, () => maker.event(labels, END).id);
    expect(ofLabels.filter((id) => !ids.includes(id))).toEqual([]);
    expect(new Set(ofLabels).size).toBeGreaterThan(5);
  });
});
