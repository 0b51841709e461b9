/**
 * The routes of the API, as data: the router, the OpenAPI document, permissions, throttles and alarms are made of them.
 *
 * What may be permitted has a path of its own: every source of events, and every service that decides. So whoever may send
 * transactions may not send labels, unless somebody says so.
 */
import type { FeatureService } from '../shared/definitions/service.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';

interface RoutePlace {
  /** Value of the dimension `route` of metrics, and subject of alarms. Aliases share the name of what they stand for. */
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
}

export interface DecideRoute extends RoutePlace {
  readonly kind: 'decide';
  /** Versions of one service, the one that answers by default first. */
  readonly versions: readonly [DecidingService, ...DecidingService[]];
  /** Name of the alias whose path this is. */
  readonly alias?: string;
}

export interface EventsRoute extends RoutePlace {
  readonly kind: 'events';
  readonly source: EventSource;
}

interface PlainRoute extends RoutePlace {
  readonly kind: 'features' | 'health' | 'openapi';
}

interface TrainingSetRoute extends RoutePlace {
  readonly kind: 'createTrainingSet' | 'readTrainingSet';
}

export type ServingRoute = DecideRoute | EventsRoute | PlainRoute;

export type Route = ServingRoute | TrainingSetRoute;

/** A service together with the source whose events it decides. */
export interface DecidingService {
  readonly service: FeatureService;
  readonly source: EventSource;
}

/** What the serving function answers. */
export function servingRoutes({ services, aliases, sources }: FeatureRepository): ServingRoute[] {
  const deciding = decidingServices(services);
  const byName = Map.groupBy(deciding, ({ service }) => service.name);
  return [
    { kind: 'features', name: 'features', method: 'POST', path: '/features' },
    ...[...byName].map(([name, versions]) => decideRoute(`/services/${name}/decide`, versions)),
    ...Object.entries(aliases).map(([alias, service]) => ({
      ...decideRoute(`/${alias}`, decidingServices([service])),
      alias,
    })),
    ...sources.map(
      (source): EventsRoute => ({
        kind: 'events',
        name: `events-${source.name}`,
        method: 'POST',
        path: `/events/${source.name}`,
        source,
      }),
    ),
    { kind: 'health', name: 'health', method: 'GET', path: '/health' },
    { kind: 'openapi', name: 'openapi', method: 'GET', path: '/openapi.json' },
  ];
}

/** Those of some services that decide. */
export function decidingServices(services: readonly FeatureService[]): DecidingService[] {
  return services.flatMap((service) => (service.decides ? [{ service, source: service.decides }] : []));
}

function decideRoute(path: string, versions: readonly DecidingService[]): DecideRoute {
  const [newest, ...older] = versions.toSorted((left, right) => right.service.version - left.service.version);
  if (newest === undefined) throw new Error(`nothing decides at ${path}`);
  return { kind: 'decide', name: `decide-${newest.service.name}`, method: 'POST', path, versions: [newest, ...older] };
}

/** What is answered where history is landed, by a function of its own. */
export const TRAINING_SET_ROUTES = [
  { kind: 'createTrainingSet', name: 'create-training-set', method: 'POST', path: '/training-sets' },
  { kind: 'readTrainingSet', name: 'read-training-set', method: 'GET', path: '/training-sets/{id}' },
] as const satisfies readonly TrainingSetRoute[];
