/**
 * Firehose as functions of a local run see it: `PutRecordBatch` (AWS JSON 1.1), whose records go to the lander.
 * It listens on the loopback address alone.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import * as z from 'zod';
import { PUT_LIMITS } from '../../functions/row-sink.ts';
import type { HistoryDelivery } from '../../shared/offline/deliveries.ts';
import { LocalEnvironmentError } from '../child-process.ts';
import { type Lander, type RefusedRecord, unconverted } from './lander.ts';

export interface RowServer {
  /** Without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

/** What Firehose takes at most, in base64, and what is said around it. */
const BODY_BYTES_MAX = Math.ceil(PUT_LIMITS.bytes / 3) * 4 + PUT_LIMITS.records * 64 + 1_024;
const OPERATION = 'Firehose_20150804.PutRecordBatch';

/** Answered with status 400 and the code by which the SDK makes an error of a class of its own. */
class RefusedRequestError extends Error {
  override readonly name = 'RefusedRequestError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const PutRecordBatch = z.object({
  DeliveryStreamName: z.string(),
  Records: z
    .array(z.object({ Data: z.base64() }))
    .min(1)
    .max(PUT_LIMITS.records),
});

/** @param options.deliveries by the name of the delivery stream that functions put their rows to. */
export async function startRowServer(options: {
  readonly deliveries: ReadonlyMap<string, HistoryDelivery>;
  readonly lander: Pick<Lander, 'land' | 'refuse'>;
}): Promise<RowServer> {
  const server = createServer((request, response) => {
    void answer(request, options).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new LocalEnvironmentError('The lander has no port.');
  return {
    url: `http://127.0.0.1:${address.port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(
  request: IncomingMessage,
  options: Parameters<typeof startRowServer>[0],
): Promise<{ readonly status: number; readonly body: object }> {
  try {
    return { status: 200, body: putRecordBatch(await readRequest(request), options) };
  } catch (error) {
    if (!(error instanceof RefusedRequestError)) {
      return { status: 500, body: { __type: 'ServiceUnavailableException', message: String(error) } };
    }
    return { status: 400, body: { __type: error.code, message: error.message } };
  }
}

async function readRequest(request: IncomingMessage): Promise<z.infer<typeof PutRecordBatch>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Read to its end, whatever it is: a connection that is cut tells nobody why.
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (request.method !== 'POST' || request.headers['x-amz-target'] !== OPERATION) {
    throw new RefusedRequestError('UnknownOperationException', `Send POST with X-Amz-Target: ${OPERATION}`);
  }
  if (bytes > BODY_BYTES_MAX) {
    const message = `A request has at most ${PUT_LIMITS.bytes} bytes of data; send fewer records`;
    throw new RefusedRequestError('InvalidArgumentException', message);
  }
  const parsed = PutRecordBatch.safeParse(jsonOf(Buffer.concat(chunks)));
  if (parsed.success) return parsed.data;
  throw new RefusedRequestError('InvalidArgumentException', z.prettifyError(parsed.error));
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw new RefusedRequestError('SerializationException', 'The body must be JSON');
  }
}

function putRecordBatch(
  { DeliveryStreamName, Records }: z.infer<typeof PutRecordBatch>,
  { deliveries, lander }: Parameters<typeof startRowServer>[0],
): object {
  const delivery = deliveries.get(DeliveryStreamName);
  if (delivery === undefined) {
    const known = [...deliveries.keys()].join(', ');
    throw new RefusedRequestError('ResourceNotFoundException', `There is no ${DeliveryStreamName}, but ${known}`);
  }
  const rows: unknown[] = [];
  const originals: Uint8Array[] = [];
  const refused: RefusedRecord[] = [];
  for (const { Data } of Records) {
    const data = Buffer.from(Data, 'base64');
    try {
      rows.push(JSON.parse(data.toString()));
      originals.push(data);
    } catch {
      // As Firehose: it takes every record, and keeps below its error prefix what it cannot convert.
      refused.push(unconverted(data, 'The record is not JSON.'));
    }
  }
  lander.land(delivery, rows, originals);
  if (refused.length > 0) lander.refuse(delivery, refused);
  return { FailedPutCount: 0, Encrypted: false, RequestResponses: Records.map(() => ({ RecordId: randomUUID() })) };
}
