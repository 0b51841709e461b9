import { type EventsRoute, isPathOf, type Route } from '../routes.ts';
import { ProblemError } from './problems.ts';

/** A request that no route takes, as the router sees it. */
interface Asked {
  readonly method: string;
  readonly path: string;
}

/** What a router does with what is not among its routes: it throws the ProblemError that names them. */
export function refuseRoute(routes: readonly Route[]): (asked: Asked) => never {
  return ({ method, path }) => {
    const methods = routes.filter((route) => isPathOf(route, path)).map((route): string => route.method);
    if (methods.length > 0 && !methods.includes(method)) {
      const allow = methods.join(', ');
      throw new ProblemError('method-not-allowed', `${path} takes ${allow}, not ${method}.`, { headers: { allow } });
    }
    throw goneRoute(routes, path) ?? unknownPart(routes, path) ?? unknownRoute(routes);
  };
}

/** Paths that there were before each source had its own. */
function goneRoute(routes: readonly Route[], path: string): ProblemError | undefined {
  const paths = routes.filter((route): route is EventsRoute => route.kind === 'events').map((route) => route.path);
  const wanted = /^\/labels\/?$/.test(path) ? paths.filter((one) => one === '/events/labels') : paths;
  if (!/^\/(events|labels)\/?$/.test(path) || wanted.length === 0) return undefined;
  return new ProblemError('gone', `Every source has a path of its own: POST ${wanted.join(', POST ')}.`);
}

/** A path of a form that there is, for a source or a service that there is not. */
function unknownPart(routes: readonly Route[], path: string): ProblemError | undefined {
  const kind = /^\/events\/[^/]+\/?$/.test(path)
    ? 'events'
    : /^\/services\/[^/]+\/decide\/?$/.test(path)
      ? 'decide'
      : undefined;
  if (kind === undefined) return undefined;
  const known = routes.filter((route) => route.kind === kind).map((route) => `${route.method} ${route.path}`);
  const problem = kind === 'events' ? 'unknown-source' : 'unknown-service';
  return new ProblemError(problem, known.length === 0 ? 'There is none.' : `There are: ${known.join(', ')}.`);
}

function unknownRoute(routes: readonly Route[]): ProblemError {
  const known = routes.map((route) => `${route.method} ${route.path}`);
  return new ProblemError('unknown-route', `There are: ${known.join(', ')}.`);
}
