import { ProblemError } from './problems.ts';

interface Route {
  readonly method: string;
  readonly path: string;
}

/** What a router does with what is not among its routes: it throws the ProblemError that names them. */
export function refuseRoute(routes: Readonly<Record<string, Route>>): (request: Route) => never {
  return ({ method, path }) => {
    const methods = Object.values(routes)
      .filter((route) => route.path === path)
      .map((route) => route.method);
    if (methods.length === 0) {
      const known = Object.values(routes).map((route) => `${route.method} ${route.path}`);
      throw new ProblemError('unknown-route', `There are: ${known.join(', ')}.`);
    }
    const allow = methods.join(', ');
    throw new ProblemError('method-not-allowed', `${path} takes ${allow}, not ${method}.`, { headers: { allow } });
  };
}
