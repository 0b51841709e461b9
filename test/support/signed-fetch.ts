import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { REGION } from '../../localstack/endpoint.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Whom emulators let do anything. */
export const ROOT: Credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = typeof secret === 'string' || secret === undefined ? secret : viewOf(secret);
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', key);
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error('a hash is used once');
  }
}

function viewOf(bytes: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

/** A request as whoever holds the credentials signs it. */
export async function signedFetch(
  url: string,
  request: {
    readonly credentials: Credentials;
    readonly service: string;
    readonly method: string;
    readonly body?: string;
    readonly contentType?: string;
  },
): Promise<Response> {
  const { credentials, service, method, body, contentType = 'application/json' } = request;
  const { protocol, hostname, port, host, pathname, searchParams } = new URL(url);
  const signer = new SignatureV4({ credentials, region: REGION, service, sha256: Sha256 });
  const signed = await signer.sign({
    method,
    protocol,
    hostname,
    port: Number(port),
    path: pathname,
    query: Object.fromEntries(searchParams),
    headers: { host, 'content-type': contentType },
    ...(body !== undefined && { body }),
  });
  return fetch(url, { method, headers: signed.headers, ...(body !== undefined && { body }) });
}
