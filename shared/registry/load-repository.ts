import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { DefinitionError } from '../definitions/error.ts';
import type { FeatureRepository } from './manifest.ts';
import { freshUrlOf } from './own-modules.ts';

/** The declarations that a function is bundled with, by the name under which it imports them. */
export const BUNDLED_FEATURES = '#features';

/** Thrown when the module of declarations that was named cannot be used. The message names it and says what it must be. */
export class FeaturesModuleError extends Error {
  override readonly name = 'FeaturesModuleError';
}

/**
 * The declarations of a module that exports `repository`, as its file and those that it imports are now.
 * @param features its file, below the working directory or absolute.
 * @throws FeaturesModuleError when it cannot be loaded or exports no repository.
 * @throws DefinitionError when one of its declarations cannot be built.
 */
export async function loadRepository(features: string): Promise<FeatureRepository> {
  const { repository } = await loadModule<{ readonly repository?: FeatureRepository }>(features);
  if (repository?.registryVersion === undefined) {
    throw new FeaturesModuleError(
      `the module ${features} exports no repository; add: export const repository = featureRepository({ views, services })`,
    );
  }
  return repository;
}

/** @throws FeaturesModuleError that says why it cannot be loaded, and where. */
export async function loadModule<Exports extends object>(module: string): Promise<Exports> {
  const file = moduleFile(module);
  try {
    return await import(freshUrlOf(file));
  } catch (error) {
    // It names what was declared and the fix; the module's name would add nothing.
    if (error instanceof DefinitionError) throw error;
    throw new FeaturesModuleError(`the module ${module} cannot be loaded: ${reasonOf(error)}`, { cause: error });
  }
}

/** @returns the absolute path. @throws FeaturesModuleError when nothing is there. */
export function moduleFile(module: string): string {
  const file = resolve(module);
  if (existsSync(file)) return file;
  throw new FeaturesModuleError(
    `there is no file ${module}; name the module of your declarations, such as features.ts`,
  );
}

/**
 * The first line of an error's message, with its place in the module or what that imports. That of a syntax error is what Node
 * writes above the stack.
 */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [first = error.name] = error.message.split('\n');
  const reason = `${withoutLoad(first)}${fixOf(first)}`;
  const stack = error.stack ?? '';
  const [, path, line] =
    /^(?:file:\/\/)?(\/.+|[A-Z]:.+):(\d+)\n/.exec(stack) ?? /file:\/\/(\S+\?load=\d+):(\d+):\d+\)?$/m.exec(stack) ?? [];
  return path === undefined ? reason : `${withoutLoad(path)}, line ${line}: ${reason}`;
}

function withoutLoad(text: string): string {
  return text.replaceAll(/\?load=\d+/g, '');
}

/** What to do about a module that Node does not find. */
function fixOf(message: string): string {
  const [, missing] = /^Cannot find (?:package|module) '([^']+)'/.exec(message) ?? [];
  if (missing === 'zod') return "; write: import { z } from 'fraud-feature-store'";
  if (missing === undefined) return '';
  return message.startsWith('Cannot find package')
    ? `; install it in the folder of your declarations: npm install ${missing}`
    : '; write the path of the file that is meant, with its ending: ./views.ts';
}
