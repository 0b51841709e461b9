import middy from '@middy/core';
import httpRouterHandler from '@middy/http-router';
import type { Context } from 'aws-lambda';
import { LIMITS } from '../../shared/limits.ts';
import { TRAINING_SET_ROUTES } from '../routes.ts';
import { describeError } from '../serve/describe-error.ts';
import { type HttpAnswer, type HttpRequest, jsonAnswer, jsonBodyOf } from '../serve/http.ts';
import type { ServeLogger } from '../serve/ports.ts';
import { problemAnswer, problemOf } from '../serve/problems.ts';
import { refuseRoute } from '../serve/refuse-route.ts';
import { createTrainingSet, readTrainingSet, type TrainingSetPorts } from './training-sets.ts';

/** Answers API Gateway HTTP API requests, payload version 2. Never rejects: failures are answers too. */
export function createHandler(ports: TrainingSetPorts & { readonly logger: Pick<ServeLogger, 'error'> }) {
  const handlers = {
    createTrainingSet: async (request: HttpRequest) => {
      const body = jsonBodyOf(request, { bytesMaximum: LIMITS.requestBytes });
      return jsonAnswer(202, await createTrainingSet(ports, body));
    },
    readTrainingSet: async ({ pathParameters }: HttpRequest) =>
      jsonAnswer(200, await readTrainingSet(ports, pathParameters?.id)),
  };
  const router = httpRouterHandler<HttpRequest, HttpAnswer>({
    routes: TRAINING_SET_ROUTES.map(({ kind, method, path }) => ({ method, path, handler: handlers[kind] })),
    notFoundResponse: refuseRoute(TRAINING_SET_ROUTES),
  });
  const app = middy<HttpRequest, HttpAnswer>()
    .use({
      onError: (request) => {
        const problem = problemOf(request.error);
        const requestId = request.event.requestContext?.requestId;
        request.response = problemAnswer(problem, requestId);
        if (problem.status < 500) return;
        ports.logger.error('a request failed', { request_id: requestId, error: describeError(problem.cause) });
      },
    })
    .handler(router);
  return (request: HttpRequest, context: Partial<Context> = {}) =>
    app(request, context as Context) as Promise<HttpAnswer>;
}
