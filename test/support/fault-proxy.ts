/** Stands between a client and an HTTP endpoint of this machine, and spoils the answers to its reads. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export type Fault = 'none' | 'slow' | 'stalled before headers' | 'stalled after headers' | 'reset in the body';

/** Twice: before the headers, and in the body. */
const SLOW_MILLIS = 5;

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export class FaultProxy {
  fault: Fault = 'none';
  readonly #server: Server;
  readonly #target: string;
  /** What lets each stalled answer go. */
  #stalled: (() => void)[] = [];
  #onStall: (() => void)[] = [];

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((incoming, outgoing) => {
      this.#answer(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  /** @param target such as `http://localhost:4566`. */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get #isStalling(): boolean {
    return this.fault.startsWith('stalled');
  }

  /** Settles when an answer stalls; at once if the fault is one that stalls and an answer does already. */
  async stall(): Promise<void> {
    if (this.#isStalling && this.#stalled.length > 0) return;
    await new Promise<void>((resolve) => this.#onStall.push(resolve));
  }

  /** Lets all stalled answers go, each with what it was when it was asked for. Returns how many there were. */
  release(): number {
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const go of stalled) go();
    return stalled.length;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { fault } = this;
    const { status, headers, body } = await this.#forwarded(incoming);
    if (fault === 'slow') await delay(SLOW_MILLIS);
    if (fault === 'stalled before headers') await this.#released();
    outgoing.writeHead(status, { ...headers, 'content-length': body.length });
    outgoing.flushHeaders();
    if (fault === 'stalled after headers') await this.#released();
    const half = Math.floor(body.length / 2);
    outgoing.write(body.subarray(0, half));
    if (fault === 'reset in the body') {
      // Of an answer without a body there is nothing to reset but its end.
      await delay(1);
      outgoing.socket?.resetAndDestroy();
      return;
    }
    if (fault === 'slow') await delay(SLOW_MILLIS);
    outgoing.end(body.subarray(half));
  }

  #released(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#stalled.push(resolve);
      // One from before the fault was changed is nobody's news.
      if (this.#isStalling) for (const told of this.#onStall.splice(0)) told();
    });
  }

  async #forwarded({ method, url = '/', headers }: IncomingMessage): Promise<Answered> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(new URL(url, this.#target), { method, headers }, resolve).once('error', reject).end();
    });
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const { 'transfer-encoding': _encoding, connection: _connection, ...kept } = answer.headers;
    return { status: answer.statusCode ?? 502, headers: kept, body: Buffer.concat(chunks) };
  }
}
