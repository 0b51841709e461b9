import type { FieldValue } from '../../definitions/fields.ts';
import { type Cell, cellCode } from '../cell.ts';
import type { Attribute } from '../item.ts';

/** The value of a field in the earliest or latest event of a bucket, and when that was. */
export interface Endpoint {
  readonly timeMillis: number;
  readonly value: string | number | boolean;
}

/**
 * Order of values of one field: numbers by size, false before true, text by code points (as SQL orders UTF-8).
 * It breaks ties between events of one instant, so that the answer does not depend on the order of arrival.
 */
function compareValues(left: Endpoint['value'], right: Endpoint['value']): number {
  if (typeof left === 'string' && typeof right === 'string')
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  return Number(left) - Number(right);
}

function isValue(value: FieldValue): value is Endpoint['value'] {
  return value !== null && value !== undefined;
}

/** A value as text behind a letter for its type. */
function encodeValue(value: Endpoint['value']): string {
  return `${(typeof value).charAt(0)}${value}`;
}

function decodeValue(text: string): Endpoint['value'] | undefined {
  const rest = text.slice(1);
  if (text.startsWith('s')) return rest;
  if (text.startsWith('n')) return Number(rest);
  return text.startsWith('b') ? rest === 'true' : undefined;
}

/** `first` keeps the earliest event (of one instant the least value), `last` the latest (the greatest). */
export function endpointCell(field: string, side: 'first' | 'last'): Cell<Endpoint> {
  const direction = side === 'last' ? 1 : -1;
  const identity = `${side}(${field})`;

  const further = (left: Endpoint, right: Endpoint): Endpoint => {
    const order = left.timeMillis - right.timeMillis || compareValues(left.value, right.value);
    return order * direction >= 0 ? left : right;
  };
  const decode = (attribute: Attribute): Endpoint | undefined => {
    if (!('L' in attribute)) return undefined;
    const [time, value] = attribute.L;
    if (!time || !value || !('N' in time) || !('S' in value)) return undefined;
    const decoded = decodeValue(value.S);
    return decoded === undefined ? undefined : { timeMillis: Number(time.N), value: decoded };
  };
  const toAttribute = ({ timeMillis, value }: Endpoint): Attribute => ({
    L: [{ N: String(timeMillis) }, { S: encodeValue(value) }],
  });

  return {
    identity,
    code: cellCode(side === 'last' ? 'L' : 'F', identity),
    contribution: (values, timeMillis) => {
      const value = values[field];
      return isValue(value) ? { timeMillis, value } : undefined;
    },
    merge: (states) => states.reduce(further),
    decode,
    pack: ({ timeMillis, value }, writer) => {
      writer.count(timeMillis);
      writer.text(encodeValue(value));
    },
    unpack: (reader) => ({ timeMillis: reader.count(), value: decodeValue(reader.text()) ?? '' }),
    // Absent or equal, and.
    conditionOperators: 2,
    store: (update, name, state, current) => {
      const seen = current?.[name];
      const stored = seen && decode(seen);
      if (stored && further(stored, state) === stored) return;
      update.set(name, toAttribute(state));
      update.require(seen ? { kind: 'equals', name, value: seen } : { kind: 'absent', name });
    },
  };
}
