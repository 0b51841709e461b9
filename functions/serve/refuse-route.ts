import type { EventsRoute, Route } from '../routes.ts';
import { ProblemError, type ProblemKind } from './problems.ts';

/** A request that no route takes, as the router sees it. */
interface Asked {
  readonly method: string;
  readonly path: string;
}

/** What a router does with what is not among its routes: it throws the ProblemError that names them. */
export function refuseRoute(routes: readonly Route[]): (asked: Asked) => never {
  return ({ method, path: asked }) => {
    const path = asked.length > 1 && asked.endsWith('/') ? asked.slice(0, -1) : asked;
    const methods = routes.filter((route) => isPathOf(route, path)).map((route): string => route.method);
    if (methods.length > 0 && !methods.includes(method)) {
      const allow = methods.join(', ');
      throw new ProblemError('method-not-allowed', `${asked} takes ${allow}, not ${method}.`, { headers: { allow } });
    }
    throw goneRoute(routes, path) ?? unknownPart(routes, path) ?? unknown('unknown-route', routes);
  };
}

/** Whether a path is one of a route, whose path may have a variable as its last part. */
function isPathOf({ path }: Route, wanted: string): boolean {
  const variable = path.indexOf('{');
  if (variable < 0) return path === wanted;
  const value = wanted.slice(variable);
  return wanted.startsWith(path.slice(0, variable)) && value !== '' && !value.includes('/');
}

/** Paths that there were before each source had its own. */
function goneRoute(routes: readonly Route[], path: string): ProblemError | undefined {
  if (path !== '/events' && path !== '/labels') return undefined;
  const paths = routes.filter((route): route is EventsRoute => route.kind === 'events').map((route) => route.path);
  const wanted = path === '/labels' ? paths.filter((one) => one === '/events/labels') : paths;
  if (wanted.length === 0) return undefined;
  return new ProblemError('gone', `Every source has a path of its own: POST ${wanted.join(', POST ')}.`);
}

/** A path of a form that there is, for a source or a service that there is not. */
function unknownPart(routes: readonly Route[], path: string): ProblemError | undefined {
  const of = (kind: Route['kind']) => routes.filter((route) => route.kind === kind);
  if (/^\/events\/[^/]+$/.test(path)) return unknown('unknown-source', of('events'));
  if (/^\/services\/[^/]+\/decide$/.test(path)) return unknown('unknown-service', of('decide'));
  return undefined;
}

function unknown(problem: ProblemKind, routes: readonly Route[]): ProblemError {
  const known = routes.map((route) => `${route.method} ${route.path}`);
  return new ProblemError(problem, known.length === 0 ? 'There is none.' : `There are: ${known.join(', ')}.`);
}
