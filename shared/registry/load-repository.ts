import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FeatureRepository } from './manifest.ts';

/** What ships, by the name under which functions import it: `imports` of `package.json` says where it is. */
export const SHIPPED_FEATURES = '#features';

/** Thrown when the module of declarations that was named is none. The message names it and says what it must be. */
export class FeaturesModuleError extends Error {
  override readonly name = 'FeaturesModuleError';
}

/**
 * The declarations of a module that exports `repository`.
 * @param features its file, below the working directory or absolute.
 * @throws FeaturesModuleError when it cannot be loaded or exports no repository.
 */
export async function loadRepository(features: string = SHIPPED_FEATURES): Promise<FeatureRepository> {
  let loaded: { readonly repository?: FeatureRepository };
  try {
    loaded = await import(features === SHIPPED_FEATURES ? features : pathToFileURL(resolve(features)).href);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new FeaturesModuleError(
      `the module ${features} cannot be loaded: ${reason}; name a file, such as examples/handbook/features.ts`,
      { cause: error },
    );
  }
  if (loaded.repository?.registryVersion === undefined) {
    throw new FeaturesModuleError(
      `the module ${features} exports no repository; add: export const repository = featureRepository({ views, services })`,
    );
  }
  return loaded.repository;
}
