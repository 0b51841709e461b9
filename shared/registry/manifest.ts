import { hash } from 'node:crypto';
import * as z from 'zod';
import { formatDuration } from '../definitions/duration.ts';
import type { Entity } from '../definitions/entity.ts';
import { checkName, DefinitionError } from '../definitions/error.ts';
import type { FeatureService } from '../definitions/service.ts';
import { listOf, made, named, optional, requireShape } from '../definitions/shape.ts';
import type { EventSource } from '../definitions/source.ts';
import { featureReference, type WindowedView } from '../definitions/view.ts';
import { canonicalJson } from './canonical.ts';

/** All declarations of a deployment, and the manifest they compile to. */
export interface FeatureRepository {
  readonly sources: readonly EventSource[];
  readonly entities: readonly Entity[];
  readonly views: readonly WindowedView[];
  readonly services: readonly FeatureService[];
  /** By their names, which are paths of the API: the services that decide there, too. */
  readonly aliases: Readonly<Record<string, FeatureService>>;
  readonly manifest: Manifest;
  /** The manifest's content hash: 16 hexadecimal digits. Equal declarations have equal versions, everywhere. */
  readonly registryVersion: string;
}

/** Plain data: what was declared, without the code that declared it. */
export type Manifest = ReturnType<typeof manifestOf>;

const REPOSITORY = {
  expected: 'an object with views and services',
  options: {
    aliases: optional(named('{ predict_fraud: fraudDetection }')),
    views: listOf(made('windowedView', 'windowedView')),
    services: listOf(made('featureService', 'featureService')),
  },
};

/** First parts of the paths of the API, which no alias can have. */
const TAKEN_PATHS: readonly string[] = ['events', 'features', 'health', 'labels', 'services'];

/** Collects declarations. @throws DefinitionError when two declarations of one kind share a name. */
export function featureRepository(declared: {
  readonly views: readonly WindowedView[];
  readonly services: readonly FeatureService[];
  /** Further paths at which services decide: `{ predict_fraud: fraudDetection }` is `POST /predict_fraud`. */
  readonly aliases?: Readonly<Record<string, FeatureService>>;
}): FeatureRepository {
  requireShape('feature repository', declared, REPOSITORY);
  const { views, services, aliases = {} } = declared;
  const sources = [
    ...new Set([...views.map((view) => view.source), ...services.flatMap(({ decides }) => decides ?? [])]),
  ];
  const entities = [...new Set(views.map((view) => view.entity))];
  requireUnique(
    'source',
    sources.map(({ name }) => name),
  );
  requireUnique(
    'entity',
    entities.map(({ name }) => name),
  );
  requireUnique(
    'view',
    views.map(({ key }) => key),
  );
  requireUnique(
    'service',
    services.map(({ key }) => key),
  );
  for (const service of services) {
    const stranger = service.views.find((view) => !views.includes(view));
    if (stranger)
      throw new DefinitionError(`service ${service.name}`, `its view ${stranger.name} is not in the repository`);
  }
  for (const [name, service] of Object.entries(aliases)) checkAlias(name, service, services);
  const manifest = manifestOf({ sources, entities, views, services, aliases });
  const registryVersion = hash('sha256', canonicalJson(manifest)).slice(0, 16);
  return { sources, entities, views, services, aliases, manifest, registryVersion };
}

function checkAlias(name: string, service: FeatureService, services: readonly FeatureService[]): void {
  checkName('alias', name);
  const subject = `alias ${name}`;
  if (TAKEN_PATHS.includes(name)) {
    throw new DefinitionError(subject, `the API has another meaning for /${name}; rename it`);
  }
  if (!services.includes(service)) {
    throw new DefinitionError(subject, 'is not for a service of the repository; list the service in services');
  }
  if (service.decides === undefined) {
    throw new DefinitionError(subject, `its service ${service.key} does not decide; declare what it decides`);
  }
}

/** What does not change a feature's value. Everything else of a declaration is part of its definition. */
const PROSE = new Set(['description', 'owner', 'tags', 'ttl', 'rules', 'liveFrom', 'cacheFor']);

/**
 * Content hashes of what computes the features of each view (by its key) and the derived features of each service (by
 * its key and " derived"): 16
 * hexadecimal digits. Two rows were computed alike exactly if the versions of their definitions are equal; the registry
 * version also changes with words and with other features.
 */
export function definitionVersions({ manifest }: FeatureRepository): Readonly<Record<string, string>> {
  const versionOf = (...parts: readonly object[]) =>
    hash('sha256', canonicalJson(parts.map((part) => withoutProse(part)))).slice(0, 16);
  const sources = new Map(manifest.sources.map((source) => [source.name, source]));
  const entities = new Map(manifest.entities.map((entity) => [entity.name, entity]));
  const views = manifest.views.map((view) => {
    const { fields, eventId, eventTime, allowedLateness, timeResolution } = sources.get(view.source) ?? {};
    const source = { fields, eventId, eventTime, allowedLateness, timeResolution };
    return [`${view.name}@${view.version}`, versionOf(view, source, entities.get(view.entity) ?? {})] as const;
  });
  const services = manifest.services.map(
    ({ name, version, derived }) => [`${name}@${version} derived`, versionOf({ derived })] as const,
  );
  return Object.fromEntries([...views, ...services]);
}

function withoutProse(part: object): object {
  return Object.fromEntries(Object.entries(part).filter(([name, value]) => !PROSE.has(name) && value !== undefined));
}

/** What producers call fields, where it is not their name. */
function wireNamesOf({ fieldList }: EventSource): { readonly wireNames?: Readonly<Record<string, string>> } {
  const mapped = fieldList.filter(({ name, wireName }) => name !== wireName);
  return mapped.length === 0
    ? {}
    : { wireNames: Object.fromEntries(mapped.map(({ name, wireName }) => [name, wireName])) };
}

function requireUnique(kind: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new DefinitionError(`${kind} ${twice}`, 'is declared twice; rename one');
}

function manifestOf(declared: {
  readonly sources: readonly EventSource[];
  readonly entities: readonly Entity[];
  readonly views: readonly WindowedView[];
  readonly services: readonly FeatureService[];
  readonly aliases: Readonly<Record<string, FeatureService>>;
}) {
  const aliases = Object.entries(declared.aliases).map(([name, { key }]) => [name, key] as const);
  return {
    manifestVersion: 1,
    ...(aliases.length > 0 && { aliases: Object.fromEntries(aliases) }),
    sources: declared.sources.map((source) => ({
      name: source.name,
      description: source.description,
      owner: source.owner,
      schema: z.toJSONSchema(source.schema, { io: 'input' }),
      fields: source.fields,
      ...(source.unknownFields === 'ignore' && { unknownFields: source.unknownFields }),
      ...wireNamesOf(source),
      eventId: source.eventId,
      eventTime: source.eventTime,
      partitionKey: source.partitionKey,
      allowedLateness: formatDuration(source.allowedLatenessMillis),
      timeResolution: formatDuration(source.timeResolutionMillis),
    })),
    entities: declared.entities.map(({ name, description, joinKeys }) => ({ name, description, joinKeys })),
    views: declared.views.map((view) => ({
      name: view.name,
      version: view.version,
      description: view.description,
      owner: view.owner,
      tags: view.tags,
      entity: view.entity.name,
      source: view.source.name,
      where: view.where ?? null,
      windows: view.layout.windows.map((window) => ({
        name: window.name,
        length: formatDuration(window.lengthMillis),
        hop: formatDuration(window.hopMillis),
        offset: formatDuration(window.offsetMillis),
      })),
      features: view.layout.features.map(({ name, window, aggregate, input, excludesCurrent }) => ({
        name,
        type: aggregate.outputType(input),
        aggregate: aggregate.name,
        field: input.fieldName ?? null,
        quantile: input.quantile ?? null,
        window: window.name,
        ...(excludesCurrent && { excludesCurrent }),
      })),
      ttl: formatDuration(view.layout.expiresAfterMillis),
      lanes: view.lanes,
      ...(view.cacheForMillis !== undefined && { cacheFor: formatDuration(view.cacheForMillis) }),
      ...(view.layout.liveFromMillis !== undefined && {
        liveFrom: new Date(view.layout.liveFromMillis).toISOString(),
      }),
    })),
    services: declared.services.map((service) => ({
      name: service.name,
      version: service.version,
      description: service.description,
      owner: service.owner,
      tags: service.tags,
      decides: service.decides?.name ?? null,
      features: service.features.map(({ view, name }) => featureReference(view, name)),
      derived: service.derived.map(({ name, type, expression }) => ({ name, type, expression })),
      rules: service.rules.map(({ name, reason, outcome, severity, state, when }) => ({
        name,
        reason,
        outcome,
        severity,
        state,
        when,
      })),
    })),
  };
}
