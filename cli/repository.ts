import type { FeatureService } from '../shared/definitions/service.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import type { WindowedView } from '../shared/definitions/view.ts';
import { loadRepository } from '../shared/registry/load-repository.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { loadStoreConfig } from '../shared/registry/store-config.ts';
import { WORKING_DIRECTORY } from '../shared/registry/working-directory.ts';
import { UserError } from './user-error.ts';

interface FeaturesOption {
  readonly features?: string | undefined;
}

/** The module of `--features`; by default what `feature-store.config.ts` names, in the working directory or above it. */
export async function featuresModuleOf({ features }: FeaturesOption): Promise<string> {
  return features ?? (await loadStoreConfig(WORKING_DIRECTORY)).features;
}

/** The declarations that a command works with. @throws FeaturesModuleError, StoreConfigError, DefinitionError */
export async function repositoryOf(options: FeaturesOption): Promise<FeatureRepository> {
  return loadRepository(await featuresModuleOf(options));
}

/** A service by `name` (its newest version) or `name@version`. */
export function findService({ services }: FeatureRepository, wanted: string): FeatureService {
  const found = services
    .filter(({ name, key }) => name === wanted || key === wanted)
    .sort((left, right) => right.version - left.version)[0];
  if (found) return found;
  throw new UserError(`there is no service "${wanted}"; there is ${services.map(({ key }) => key).join(', ')}`);
}

/** A view by `name` (its newest version) or `name@version`. */
export function findView({ views }: FeatureRepository, wanted: string): WindowedView {
  const found = views
    .filter(({ name, key }) => name === wanted || key === wanted)
    .sort((left, right) => right.version - left.version)[0];
  if (found) return found;
  throw new UserError(`there is no view "${wanted}"; there is ${views.map(({ key }) => key).join(', ')}`);
}

export function findSource({ sources }: FeatureRepository, wanted: string): EventSource {
  const found = sources.find(({ name }) => name === wanted);
  if (found) return found;
  throw new UserError(`there is no source "${wanted}"; there is ${sources.map(({ name }) => name).join(', ')}`);
}
