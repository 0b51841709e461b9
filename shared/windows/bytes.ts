import type { Exact } from './exact.ts';

/** `byte` values that say how a number is written: 0 to 15 digits after the point, or as it is in memory. */
const AS_DOUBLE = 255;
const PLAIN_DECIMAL = /^-?\d{1,15}(?:\.(\d{1,15}))?$/;

/**
 * Writes values so that small ones take few bytes: integers in groups of seven bits, the sign in the lowest bit
 * (variable-length "zigzag" integers, as in Protocol Buffers), numbers as decimals where they have few digits.
 */
export class ByteWriter {
  readonly #bytes: number[] = [];

  byte(value: number): void {
    this.#bytes.push(value & 255);
  }

  bytes(values: Uint8Array): void {
    for (const value of values) this.#bytes.push(value);
  }

  /** A whole number from 0. */
  count(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#bytes.push((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.#bytes.push(rest);
  }

  integer(value: Exact): void {
    if (typeof value === 'number' && Math.abs(value) < 2 ** 51) {
      this.count(value < 0 ? -2 * value - 1 : 2 * value);
      return;
    }
    let rest = value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value);
    for (; rest >= 128n; rest /= 128n) this.#bytes.push(Number(rest % 128n) + 128);
    this.#bytes.push(Number(rest));
  }

  number(value: number): void {
    const digits = PLAIN_DECIMAL.exec(String(value));
    const scale = digits?.[1]?.length ?? 0;
    const units = Math.round(value * 10 ** scale);
    if (digits && Math.abs(units) < 1e15 && units / 10 ** scale === value) {
      this.byte(scale);
      this.integer(units);
      return;
    }
    this.byte(AS_DOUBLE);
    this.bytes(new Uint8Array(new Float64Array([value]).buffer));
  }

  text(value: string): void {
    const encoded = Buffer.from(value);
    this.count(encoded.length);
    this.bytes(encoded);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Reads what `ByteWriter` wrote, in the same order. @throws RangeError when the bytes end too soon. */
export class ByteReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#position++];
    if (value === undefined) throw new RangeError('the bytes end too soon');
    return value;
  }

  /** The next bytes, not copied. */
  bytes(length: number): Buffer {
    const end = this.#position + length;
    if (end > this.#bytes.length) throw new RangeError('the bytes end too soon');
    const part = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return part;
  }

  /** The next bytes as characters of Latin-1: one each. */
  latin1(length: number): string {
    const start = this.#position;
    if (start + length > this.#bytes.length) throw new RangeError('the bytes end too soon');
    this.#position += length;
    return this.#bytes.toString('latin1', start, this.#position);
  }

  count(): number {
    return Number(this.#groups());
  }

  integer(): Exact {
    const zigzag = this.#groups();
    if (typeof zigzag === 'number') return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    return zigzag % 2n === 0n ? zigzag / 2n : -(zigzag + 1n) / 2n;
  }

  number(): number {
    const scale = this.byte();
    if (scale === AS_DOUBLE) return new Float64Array(Uint8Array.from(this.bytes(8)).buffer)[0] ?? 0;
    return Number(this.integer()) / 10 ** scale;
  }

  text(): string {
    return this.bytes(this.count()).toString();
  }

  /** Groups of seven bits, the lowest first; a bigint where a double could not hold them. */
  #groups(): Exact {
    const start = this.#position;
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const group = this.byte();
      value += (group & 127) * factor;
      if (group < 128) break;
    }
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    let exact = 0n;
    for (let index = this.#position - 1; index >= start; index--)
      exact = exact * 128n + BigInt((this.#bytes[index] ?? 0) & 127);
    return exact;
  }
}
