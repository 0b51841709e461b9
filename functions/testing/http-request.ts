import type { APIGatewayProxyEventV2 } from 'aws-lambda';

/** A request as API Gateway hands it over, payload version 2. */
export function httpRequest(
  method: string,
  path: string,
  options: {
    readonly body?: string;
    readonly query?: Record<string, string>;
    readonly isBase64Encoded?: boolean;
    /** Default 0. */
    readonly nowMillis?: number;
  } = {},
): APIGatewayProxyEventV2 {
  const { nowMillis = 0 } = options;
  return {
    version: '2.0',
    routeKey: `${method} ${path}`,
    rawPath: path,
    rawQueryString: new URLSearchParams(options.query).toString(),
    headers: { 'content-type': 'application/json; charset=utf-8', host: 'api.example.com' },
    ...(options.query && { queryStringParameters: options.query }),
    requestContext: {
      accountId: '123456789012',
      apiId: 'api',
      domainName: 'api.example.com',
      domainPrefix: 'api',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      requestId: 'request-1',
      routeKey: `${method} ${path}`,
      stage: '$default',
      time: new Date(nowMillis).toISOString(),
      timeEpoch: nowMillis,
    },
    ...(options.body !== undefined && { body: options.body }),
    isBase64Encoded: options.isBase64Encoded ?? false,
  };
}
