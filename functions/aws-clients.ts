import { Agent } from 'node:https';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * Configuration common to all AWS clients. A client lives as long as its function, on connections that are kept alive.
 *
 * The SDK makes one attempt: retries are ours (`withRetries`), because they must end with the time of the invocation and
 * because every attempt must be seen by the metrics. The HTTP/1.1 handler also serves Kinesis, whose default HTTP/2
 * local endpoints do not speak.
 */
export function clientConfiguration(options: { readonly requestTimeoutMillis: number }) {
  return {
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 1_000,
      requestTimeout: options.requestTimeoutMillis,
      // Without this the SDK only warns, and waits on.
      throwOnRequestTimeout: true,
      httpsAgent: new Agent({ keepAlive: true, maxSockets: 64 }),
    }),
  };
}
