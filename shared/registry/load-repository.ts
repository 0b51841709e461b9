import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DefinitionError } from '../definitions/error.ts';
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
 * @throws DefinitionError when one of its declarations cannot be built.
 */
export async function loadRepository(features: string = SHIPPED_FEATURES): Promise<FeatureRepository> {
  const file = resolve(features);
  if (features !== SHIPPED_FEATURES && !existsSync(file)) {
    throw new FeaturesModuleError(
      `there is no file ${features}; name the module of your declarations, such as examples/handbook/features.ts`,
    );
  }
  let loaded: { readonly repository?: FeatureRepository };
  try {
    loaded = await import(features === SHIPPED_FEATURES ? features : pathToFileURL(file).href);
  } catch (error) {
    // It names what was declared and the fix; the module's name would add nothing.
    if (error instanceof DefinitionError) throw error;
    throw new FeaturesModuleError(`the module ${features} cannot be loaded: ${reasonOf(error)}`, { cause: error });
  }
  if (loaded.repository?.registryVersion === undefined) {
    throw new FeaturesModuleError(
      `the module ${features} exports no repository; add: export const repository = featureRepository({ views, services })`,
    );
  }
  return loaded.repository;
}

/** The first line of an error's message, with the place of a syntax error, which Node writes above the stack. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [reason = error.name] = error.message.split('\n');
  const [, path, line] = /^(?:file:\/\/)?(\/.+|[A-Z]:.+):(\d+)\n/.exec(error.stack ?? '') ?? [];
  return path === undefined ? reason : `${path}, line ${line}: ${reason}`;
}
