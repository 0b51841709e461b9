import { Agent } from 'node:https';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * Configuration common to all AWS clients. A client lives as long as its function, on connections that are kept alive.
 *
 * The SDK makes one attempt: retries are ours (`withRetries`), because they must end with the time of the invocation and
 * because every attempt must be seen by the metrics. The HTTP/1.1 handler also serves Kinesis, whose default HTTP/2
 * local endpoints do not speak.
 *
 * @param options.requestTimeoutMillis one attempt, from the wait for a connection to the last byte of the answer's body.
 */
export function clientConfiguration(options: { readonly requestTimeoutMillis: number }) {
  return { maxAttempts: 1, requestHandler: new AttemptHandler(options.requestTimeoutMillis) };
}

/** An attempt had no complete answer in time. It carries the name by which the SDK knows a passing failure. */
class AttemptTimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/**
 * Ends an attempt by its deadline, wherever it is. The SDK's own `requestTimeout` ends with the headers of the answer, and
 * a body that stalls after them would be waited for without end.
 */
class AttemptHandler extends NodeHttpHandler {
  readonly #millis: number;

  constructor(millis: number) {
    super({ connectionTimeout: 1_000, httpsAgent: new Agent({ keepAlive: true, maxSockets: 64 }) });
    this.#millis = millis;
  }

  override async handle(...[request, options = {}]: Parameters<NodeHttpHandler['handle']>) {
    const { abortSignal } = options;
    const deadline = AbortSignal.timeout(this.#millis);
    const signals = abortSignal instanceof AbortSignal ? [abortSignal, deadline] : [deadline];
    const overdue = () => new AttemptTimeoutError(`no complete answer within ${this.#millis} ms`);
    try {
      const output = await super.handle(request, { ...options, abortSignal: AbortSignal.any(signals) });
      const { body } = output.response;
      const destroy = () => body.destroy(overdue());
      deadline.addEventListener('abort', destroy, { once: true });
      // Whoever reads the body hears of it; where nobody does, an error without a listener would end the process.
      body.on('error', () => {});
      body.once('close', () => deadline.removeEventListener('abort', destroy));
      return output;
    } catch (error) {
      throw deadline.aborted && !abortSignal?.aborted ? overdue() : error;
    }
  }
}
