/**
 * Modules of people's own folders, which import `fraud-feature-store` without having it installed, and are loaded anew after
 * an edit. Hooks of Node's loader do both; whoever loads such modules imports this file first.
 */
import { registerHooks } from 'node:module';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PROJECT_ROOT } from './working-directory.ts';

/** What can be imported by which name, from wherever. Bundles and the type checker are told the same. */
export const IMPORTABLE: Readonly<Record<string, string>> = {
  'fraud-feature-store': join(PROJECT_ROOT, 'shared/index.ts'),
  'fraud-feature-store/testing': join(PROJECT_ROOT, 'functions/testing/index.ts'),
};

const ENGINE = [
  'functions',
  'shared/definitions',
  'shared/expressions',
  'shared/index.ts',
  'shared/registry',
  'shared/windows',
].map((path) => join(PROJECT_ROOT, path));

/** Tells loads of one module from each other: Node keeps what it has loaded by its address. */
const LOAD = 'load';
let loads = 0;

/** Paths of all modules of declarations that were loaded so far, or tried to be. */
export const loadedFiles = new Set<string>();

/** The address of a file whose module, with those of the same folder and beside it, is loaded as it is now. */
export function freshUrlOf(file: string): string {
  const url = pathToFileURL(file);
  url.searchParams.set(LOAD, String(++loads));
  return url.href;
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    const file = IMPORTABLE[specifier];
    if (file !== undefined) return nextResolve(pathToFileURL(file).href, context);
    const resolved = nextResolve(specifier, context);
    const load = loadOf(context.parentURL);
    if (load === null || !isOwn(resolved.url)) return resolved;
    const url = new URL(resolved.url);
    url.searchParams.set(LOAD, load);
    return { ...resolved, url: url.href };
  },
  load(url, context, nextLoad) {
    if (loadOf(url) !== null) loadedFiles.add(fileURLToPath(url));
    // Where no package.json says "module", Node would guess, and warn that it does; "npm init" writes one that says "commonjs".
    const isTypeScript = isOwn(url) && new URL(url).pathname.endsWith('.ts');
    return nextLoad(url, isTypeScript ? { ...context, format: 'module-typescript' } : context);
  },
});

function loadOf(url: string | undefined): string | null {
  return url?.startsWith('file:') ? new URL(url).searchParams.get(LOAD) : null;
}

/** A module of declarations: no package's, and none of the engine, of which there must be one. */
function isOwn(url: string): boolean {
  if (!url.startsWith('file:')) return false;
  const path = fileURLToPath(url);
  return !path.includes(`${sep}node_modules${sep}`) && !ENGINE.some((folder) => path.startsWith(folder));
}
