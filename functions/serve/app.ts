import middy from '@middy/core';
import httpRouterHandler from '@middy/http-router';
import type { Context } from 'aws-lambda';
import { LIMITS } from '../../shared/limits.ts';
import { type Route, type ServingRoute, servingRoutes, TRAINING_SET_ROUTES } from '../routes.ts';
import { sendWithin } from '../row-sink.ts';
import { AnswerRows } from './answer-rows.ts';
import { SERVE_DEADLINES } from './constants.ts';
import { decideEvent } from './decide-event.ts';
import { describeError } from './describe-error.ts';
import { findVersionOf } from './find.ts';
import { checkHealth } from './health.ts';
import { type HttpAnswer, type HttpRequest, jsonAnswer, jsonBodyOf } from './http.ts';
import { openApiDocument } from './openapi.ts';
import type { ServePorts } from './ports.ts';
import { problemAnswer, problemOf } from './problems.ts';
import { publishEvents } from './publish-event.ts';
import { readFeatures } from './read-features.ts';
import { refuseRoute } from './refuse-route.ts';
import { requireUsableNames } from './schemas.ts';

type RouteHandler = (request: HttpRequest) => Promise<HttpAnswer>;

/** Answers API Gateway HTTP API requests, payload version 2. Never rejects: failures are answers too. */
export type ServeHandler = (request: HttpRequest, context?: Partial<Context>) => Promise<HttpAnswer>;

/** The serving function over its ports. @throws DefinitionError when declared names clash with those of the API. */
export function createHandler(ports: ServePorts): ServeHandler {
  requireUsableNames(ports.repository);
  const handlerOf = routeHandlers(ports);
  const routes = servingRoutes(ports.repository);
  const router = httpRouterHandler<HttpRequest, HttpAnswer>({
    routes: routes.map((route) => ({ method: route.method, path: route.path, handler: handlerOf(route) })),
    notFoundResponse: refuseRoute(ports.api.offersTrainingSets ? [...routes, ...TRAINING_SET_ROUTES] : routes),
  });
  const app = middy<HttpRequest, HttpAnswer>().use(observation(ports, routes)).handler(router);
  return async (request, context = {}) => {
    const answer = (await app(request, context as Context)) as HttpAnswer;
    if (ports.rows?.waits) await sendWithin(ports.rows.sink, ports.deadlines?.rows ?? SERVE_DEADLINES.rows);
    // Begun when the answer is ready, and going on beside the requests that follow.
    else void ports.rows?.sink.send();
    return answer;
  };
}

/** @returns the handler of each of `servingRoutes`. */
function routeHandlers(ports: ServePorts): (route: ServingRoute) => RouteHandler {
  let openApiText: string | undefined;
  const rows = ports.rows && new AnswerRows({ repository: ports.repository, sink: ports.rows.sink });
  return (route) => {
    switch (route.kind) {
      case 'features':
        return async (request) => {
          const body = jsonBodyOf(request, { bytesMaximum: LIMITS.requestBytes });
          return jsonAnswer(200, await readFeatures(ports, body, rows?.of(request)));
        };
      case 'decide':
        return async (request) => {
          const deciding = findVersionOf(route, request.queryStringParameters ?? {});
          const body = jsonBodyOf(request, { bytesMaximum: LIMITS.eventBytes });
          return jsonAnswer(200, await decideEvent(ports, deciding, body, rows?.of(request)));
        };
      case 'events':
        return async (request) => {
          const body = jsonBodyOf(request, { bytesMaximum: LIMITS.requestBytes });
          return jsonAnswer(202, await publishEvents(ports, route.source, body));
        };
      case 'health':
        return async () => {
          const health = await checkHealth(ports);
          return jsonAnswer(health.status === 'ok' ? 200 : 503, health);
        };
      case 'openapi':
        return async () => {
          openApiText ??= JSON.stringify(openApiDocument(ports.repository, ports.api, ports));
          return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: openApiText };
        };
    }
  };
}

/** Measures every request, and turns whatever was thrown into a problem. Logs only what the caller cannot mend. */
function observation(
  { logger, metrics }: ServePorts,
  routes: readonly Route[],
): middy.MiddlewareObj<HttpRequest, HttpAnswer> {
  const routeNameOf = routeNames(routes);
  const startTimes = new WeakMap<object, number>();
  const answered = (request: middy.Request<HttpRequest, HttpAnswer>, status: number): number => {
    const latencyMillis = performance.now() - (startTimes.get(request) ?? performance.now());
    metrics.answered(routeNameOf(request.event), { latencyMillis, status });
    return latencyMillis;
  };
  return {
    before: (request) => {
      startTimes.set(request, performance.now());
    },
    after: (request) => {
      answered(request, request.response?.statusCode ?? 200);
    },
    onError: (request) => {
      const problem = problemOf(request.error);
      const latencyMillis = answered(request, problem.status);
      const requestId = request.event.requestContext?.requestId;
      request.response = problemAnswer(problem, requestId);
      if (problem.status < 500) return;
      logger.error('a request failed', {
        request_id: requestId,
        route: routeNameOf(request.event),
        problem: problem.kind,
        latency_ms: latencyMillis,
        error: describeError(problem.cause),
      });
    },
  };
}

/** What is asked for and does not exist shares one name, so that nobody can make metrics by asking. */
function routeNames(routes: readonly Route[]): (request: HttpRequest) => string {
  const names = new Map(
    routes.flatMap(({ name, method, path }) => [
      [`${method} ${path}`, name],
      [`${method} ${path}/`, name],
    ]),
  );
  return ({ requestContext }) => {
    const http = requestContext?.http;
    return names.get(`${http?.method} ${http?.path}`) ?? 'unknown';
  };
}
