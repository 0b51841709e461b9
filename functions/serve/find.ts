import type { FeatureService, ServiceFeature } from '../../shared/definitions/service.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { DecideRoute, DecidingService } from '../routes.ts';
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

/**
 * The version of a deciding service that a request asks for by `?version=`, or the one that its path stands for.
 * @throws ProblemError `validation` for what is not such a parameter, `unknown-service` listing the versions.
 */
export function findVersionOf(
  route: DecideRoute,
  query: Readonly<Record<string, string | undefined>>,
): DecidingService {
  const { versions, alias, path } = route;
  const [{ service }] = versions;
  const { version: asked, ...others } = query;
  const [other] = Object.keys(alias === undefined ? others : query);
  if (other !== undefined) {
    const known = alias === undefined ? 'there is ?version' : `${path} is ${service.key} and takes none`;
    throw invalid([{ field: `?${other}`, problem: `is not a parameter here: ${known}. Remove it` }]);
  }
  if (asked === undefined) return versions[0];
  if (!/^[1-9]\d{0,6}$/.test(asked)) {
    throw invalid([{ field: '?version', problem: `must be a version of the service, such as ${service.version}` }]);
  }
  const found = versions.find((version) => version.service.version === Number(asked));
  if (found) return found;
  const known = versions.map((version) => version.service.version).join(', ');
  throw new ProblemError('unknown-service', `${service.name} decides here in the versions ${known}.`, {
    fields: [{ field: '?version', problem: `must be one of ${known}` }],
  });
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
