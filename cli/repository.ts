import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FeatureService } from '../shared/definitions/service.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import { repository as shipped } from '../shared/features/index.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { UserError } from './user-error.ts';

/** The declarations to work with: those of a module that exports `repository`, or the ones that ship. */
export async function loadRepository(module: string | undefined): Promise<FeatureRepository> {
  if (module === undefined) return shipped;
  let loaded: { readonly repository?: FeatureRepository };
  try {
    loaded = await import(pathToFileURL(resolve(module)).href);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(`the module ${module} cannot be loaded: ${reason}`, { cause: error });
  }
  if (loaded.repository?.services === undefined) {
    throw new UserError(`the module ${module} does not export a "repository" made by featureRepository()`);
  }
  return loaded.repository;
}

/** A service by `name` (its newest version) or `name@version`. */
export function findService({ services }: FeatureRepository, wanted: string): FeatureService {
  const found = services
    .filter(({ name, key }) => name === wanted || key === wanted)
    .sort((left, right) => right.version - left.version)[0];
  if (found) return found;
  throw new UserError(`there is no service "${wanted}"; there is ${services.map(({ key }) => key).join(', ')}`);
}

export function findSource({ sources }: FeatureRepository, wanted: string): EventSource {
  const found = sources.find(({ name }) => name === wanted);
  if (found) return found;
  throw new UserError(`there is no source "${wanted}"; there is ${sources.map(({ name }) => name).join(', ')}`);
}
