import type { FeatureService, ServiceFeature } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { LABELS_SOURCE, ROUTES } from './constants.ts';
import { invalid, ProblemError } from './problems.ts';

interface Versioned {
  readonly name: string;
  readonly version: number;
  readonly key: string;
}

/** By `name@version`, or the newest version of a `name`. */
function findVersion<Item extends Versioned>(items: readonly Item[], reference: string): Item | undefined {
  return items
    .filter(({ name, key }) => key === reference || name === reference)
    .reduce<Item | undefined>((newest, item) => (newest && newest.version > item.version ? newest : item), undefined);
}

const keysOf = (items: readonly { readonly key: string }[]): string => items.map(({ key }) => key).join(', ');

/** @throws ProblemError `unknown-service`, listing those that exist. */
export function findService({ services }: FeatureRepository, reference: string): FeatureService {
  const service = findVersion(services, reference);
  if (service) return service;
  throw new ProblemError('unknown-service', `There is no service "${reference}"; there are: ${keysOf(services)}.`, {
    fields: [{ field: 'service', problem: `must be one of ${keysOf(services)}` }],
  });
}

/** A service together with the source whose events it decides. */
export interface DecidingService {
  readonly service: FeatureService;
  readonly source: EventSource;
}

/** The service to decide with: the one named, else the only one that decides. @throws ProblemError */
export function findDecidingService(repository: FeatureRepository, reference: string | undefined): DecidingService {
  const deciding = repository.services.filter(({ decides }) => decides !== undefined);
  const [only] = deciding;
  const service = reference === undefined ? only : findService(repository, reference);
  if (service?.decides === undefined || (reference === undefined && deciding.length > 1)) {
    throw invalid([{ field: 'service', problem: `must be a service that decides: ${keysOf(deciding)}` }]);
  }
  return { service, source: service.decides };
}

/**
 * The feature that `view:feature` or `view@version:feature` names.
 * @throws ProblemError `unknown-feature`, listing the views or the view's features.
 */
export function findFeature({ views }: FeatureRepository, reference: string, field: string): ServiceFeature {
  const separator = reference.indexOf(':');
  const view = findVersion(views, reference.slice(0, Math.max(separator, 0)));
  const name = reference.slice(separator + 1);
  const index = view?.features.findIndex((feature) => feature.name === name) ?? -1;
  const feature = view?.features[index];
  if (view && feature) return { ...feature, view, index };
  const problem = view
    ? `must name a feature of ${view.key}: ${view.features.map((known) => known.name).join(', ')}`
    : `must be view:feature, of one of the views ${keysOf(views)}`;
  throw new ProblemError('unknown-feature', `There is no feature "${reference}": it ${problem}.`, {
    fields: [{ field, problem }],
  });
}

/** The source that `POST /labels` fills. @throws ProblemError `unknown-source` where none is declared. */
export function findLabelsSource({ sources }: FeatureRepository): EventSource {
  const source = sources.find(({ name }) => name === LABELS_SOURCE);
  if (source) return source;
  const detail = `No source named "${LABELS_SOURCE}" is declared, so there is nowhere to put labels; send events of other sources to ${ROUTES.events.path}.`;
  throw new ProblemError('unknown-source', detail);
}

/** The source named, else the only one. @throws ProblemError `unknown-source`, listing those that exist. */
export function findSource({ sources }: FeatureRepository, name: string | undefined): EventSource {
  const [only] = sources;
  const source = name === undefined && sources.length === 1 ? only : sources.find((known) => known.name === name);
  if (source) return source;
  const problem = `must be one of ${sources.map((known) => known.name).join(', ')}`;
  if (name === undefined) throw invalid([{ field: '?source', problem }]);
  throw new ProblemError('unknown-source', `There is no source "${name}": it ${problem}.`, {
    fields: [{ field: '?source', problem }],
  });
}
