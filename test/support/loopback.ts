import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** One request, with its body read. */
export interface LoopbackRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Respond = (response: ServerResponse, request: LoopbackRequest) => void;

/** An HTTP server on this machine that answers, or does not, as a test wants. */
export interface Loopback {
  readonly endpoint: string;
  /** What was asked, in order. */
  readonly requests: readonly LoopbackRequest[];
  respond: Respond;
  stop(): Promise<void>;
}

export async function startLoopback(respond: Respond): Promise<Loopback> {
  const requests: LoopbackRequest[] = [];
  const loopback = { respond };
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = {
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
      };
      requests.push(request);
      loopback.respond(response, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return Object.assign(loopback, {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

/** What a client needs to speak to it. */
export const connectionTo = (endpoint: string) => ({
  endpoint,
  region: 'eu-central-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});

export const answerJson =
  (body: object, status = 200): Respond =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', date: new Date().toUTCString() });
    response.end(JSON.stringify(body));
  };

/** S3 sends one with every object, and its client then reads the body through a stream of its own. */
const CHECKSUM = { 'x-amz-checksum-crc32': 'AAAAAA==' };

/** Ways in which an answer does not arrive. */
export const STALLS: Readonly<Record<'before its headers' | 'after its headers' | 'by a reset in its body', Respond>> =
  {
    'before its headers': () => {},
    'after its headers': (response) => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': 100, ...CHECKSUM });
      response.write('{"a');
    },
    'by a reset in its body': (response) => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': 100, ...CHECKSUM });
      response.write('{"a', () => response.socket?.resetAndDestroy());
    },
  };
