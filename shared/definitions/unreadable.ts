/**
 * Why the bytes of a record are no event, for whoever sent them: the format that they are in, and what to change. Producers and
 * services between them wrap events in many ways, and each loses all of its events until somebody knows which.
 *
 * 1. Bytes that are no text are recognised by how their format begins.
 * 2. Text is recognised by its first character; JSON by what lies outside of its strings (`outlineOf`).
 * 3. A value that is JSON and no event is recognised by members that only one kind of envelope has.
 *
 * No sentence quotes anything of the event. Nothing here throws, and all of it takes time in proportion to the bytes.
 */
import { LIMITS } from '../limits.ts';
import type { EventSource } from './source.ts';

/** What came instead of an event, and what to do: parts of a sentence. */
interface Frame {
  readonly got: string;
  readonly fix: string;
}

const sentence = ({ got, fix }: Frame): string => `the event must be one JSON object in UTF-8; got ${got}. ${fix}.`;

const FIX = {
  compressed: "Switch the producer's compression off",
  registry: 'Use a serializer that writes plain JSON, without a schema registry',
  encode: 'Encode each event as JSON',
  rows: 'Send each row as a record of its own, in JSON; whole files are history, which the import reads',
  one: 'Send each event as a record of its own; PutRecords takes 500 at once',
  encoder: 'Write it with a JSON encoder, such as json.dumps in Python',
  unwrap: 'Send what is in it alone',
} as const;

/** How formats begin, in hexadecimal digits; the longer of two beginnings comes first. */
const SIGNATURES: readonly (Frame & { readonly begins: readonly string[]; readonly leastBytes?: number })[] = [
  {
    begins: ['1f8b'],
    got: 'gzip (1F 8B)',
    fix: `${FIX.compressed}; CloudWatch Logs always compresses, so put a function between that unpacks`,
  },
  { begins: ['28b52ffd'], got: 'zstd (28 B5 2F FD)', fix: FIX.compressed },
  { begins: ['04224d18'], got: 'LZ4 (04 22 4D 18)', fix: FIX.compressed },
  { begins: ['ff060000734e6150'], got: 'Snappy (FF 06 00 00)', fix: FIX.compressed },
  { begins: ['82534e4150505900'], got: 'Snappy as Java writes it (82 53 4E 41)', fix: FIX.compressed },
  { begins: ['425a68'], got: 'bzip2 (BZh)', fix: FIX.compressed },
  { begins: ['fd377a585a00'], got: 'xz (FD 37 7A 58)', fix: FIX.compressed },
  { begins: ['504b0304'], got: 'a zip archive (PK)', fix: FIX.compressed },
  { begins: ['7801', '785e', '789c', '78da'], got: 'zlib (78)', fix: FIX.compressed },
  { begins: ['4f626a01'], got: 'an Avro file (Obj 01)', fix: FIX.rows },
  { begins: ['50415231'], got: 'a Parquet file (PAR1)', fix: FIX.rows },
  { begins: ['4f5243'], got: 'an ORC file (ORC)', fix: FIX.rows },
  { begins: ['4152524f5731'], got: 'an Arrow file (ARROW1)', fix: FIX.rows },
  { begins: ['c301'], got: 'an Avro object (C3 01)', fix: FIX.encode },
  { begins: ['e00100ea'], got: 'Ion (E0 01 00 EA)', fix: FIX.encode },
  { begins: ['3a290a'], got: 'Smile (3A 29 0A)', fix: FIX.encode },
  { begins: ['d9d9f7'], got: 'CBOR (D9 D9 F7)', fix: FIX.encode },
  { begins: ['aced0005'], got: 'a serialized Java object (AC ED 00 05)', fix: FIX.encode },
  { begins: ['8002', '8003', '8004', '8005'], got: 'a Python pickle (80)', fix: FIX.encode },
  {
    begins: ['0300', '0305'],
    leastBytes: 18,
    got: "the header of Glue's schema registry (03, then a schema version's UUID)",
    fix: FIX.registry,
  },
  {
    begins: ['00'],
    leastBytes: 5,
    got: "the header of Confluent's schema registry (00, then a schema's id)",
    fix: FIX.registry,
  },
];

/** Its byte order mark, or two characters of which the first begins JSON. */
const UTF_16_SIGNATURE = /^(fffe|feff|(7b|5b|22)00..00|00(7b|5b|22)00)/;

/** Control characters other than white space: no text has them, except a string that should have escaped them. */
const CONTROL = /[^\P{Cc}\s]/u;
/** Those that a string in JSON may not have: the first 32. */
const UNESCAPED = /[^\P{Cc}\u{7f}-\u{9f}]/u;

/**
 * Names what the bytes are that `JSON.parse` does not take.
 * @param bytes all of a record.
 */
export function whyUnreadable(bytes: Uint8Array): string {
  const text = textOf(bytes);
  const frame =
    frameOf(bytes) ??
    (text === undefined
      ? {
          got: 'bytes that are not UTF-8',
          fix: 'Encode text in UTF-8, not in Latin-1, Windows-1252 or what the system prefers',
        }
      : defectOf(text));
  return sentence(frame);
}

/** Names what a record is that has more bytes than an event may have, if they begin as something other than an event. */
export function whyTooLarge(head: Uint8Array): string | undefined {
  const frame = frameOf(head);
  return frame && sentence(frame);
}

/** The format or the text around events; undefined for what is meant to be one JSON object. */
function frameOf(bytes: Uint8Array): Frame | undefined {
  if (bytes.byteLength === 0) return { got: 'no bytes', fix: 'Send no empty records; delete by other means' };
  const beginning = Buffer.from(bytes.subarray(0, 8)).toString('hex');
  if (UTF_16_SIGNATURE.test(beginning)) return { got: 'UTF-16', fix: 'Encode text in UTF-8' };
  const text = textOf(bytes);
  const isJsonLike = /^\s*[{["]/.test(text ?? String.fromCharCode(bytes[0] ?? 0));
  if (isJsonLike) return text === undefined ? undefined : jsonFrameOf(text.trimStart());
  return text === undefined || (CONTROL.test(text) && text[0] !== RECORD_SEPARATOR)
    ? binaryFrameOf(bytes, beginning)
    : textFrameOf(text.trim());
}

/** As text in UTF-8 without its byte order mark, however it ends; undefined if it is none. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    // Part of a text may end within a character.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

function binaryFrameOf(bytes: Uint8Array, beginning: string): Frame {
  const signature = SIGNATURES.find(
    ({ begins, leastBytes = 0 }) =>
      bytes.byteLength >= leastBytes && begins.some((start) => beginning.startsWith(start)),
  );
  if (signature) return signature;
  // A map of a few members, then a text as its first key.
  if (/^8[1-9a-f](a[1-9a-f]|b|d9)|^de/.test(beginning)) return { got: 'what looks like MessagePack', fix: FIX.encode };
  if (/^(a[1-9a-f]|b[0-7f]|b8..)(6|7[0-8f])/.test(beginning)) return { got: 'what looks like CBOR', fix: FIX.encode };
  const digits = beginning
    .slice(0, 8)
    .toUpperCase()
    .replace(/(..)(?=.)/g, '$1 ');
  return { got: `bytes that are no text (${digits} …), such as Protobuf`, fix: FIX.encode };
}

/** Stands before each document of a JSON text sequence. */
const RECORD_SEPARATOR = String.fromCharCode(0x1e);

/** Texts by their shape; the first that fits counts. */
const TEXTS: readonly (Frame & { readonly shape: RegExp })[] = [
  { shape: /^$/, got: 'white space alone', fix: 'Send no empty records' },
  { shape: new RegExp(`^${RECORD_SEPARATOR}`), got: 'a JSON text sequence (RFC 7464)', fix: FIX.one },
  { shape: /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/, got: 'a JSON Web Token', fix: 'Send its payload, as JSON' },
  { shape: /^</, got: 'XML or HTML', fix: FIX.encode },
  { shape: /^\d+:[{["]/, got: 'netstrings (a length before each document)', fix: FIX.one },
  { shape: /^(data|event|id):/, got: 'server-sent events', fix: 'Send the JSON after "data:" alone' },
  { shape: /^[A-Za-z_][\w.-]*=/, got: 'text of names and values with "="', fix: FIX.encode },
  { shape: /^[^\n]*[,;\t|][^\n]*[,;\t|]/, got: 'a line of values with separators (CSV)', fix: FIX.encode },
];

function textFrameOf(text: string): Frame | undefined {
  if (isBase64OfEvent(text)) {
    return {
      got: 'base64 text',
      fix: 'Send the bytes themselves: the SDKs of AWS encode them, and so does its command line with --cli-binary-format raw-in-base64-out',
    };
  }
  return TEXTS.find(({ shape }) => shape.test(text));
}

/** Of an object, an array or gzip: other text may be base64 by chance. */
function isBase64OfEvent(text: string): boolean {
  return text.length >= 16 && /^(ey|ew|W3|Wy|H4sI)[\w+/=\s-]+$/.test(text);
}

/** Several documents, an array, or undefined. The text begins with a bracket or a quote. */
function jsonFrameOf(text: string): Frame | undefined {
  if (text.startsWith('[')) return { got: 'a JSON array', fix: FIX.one };
  if (text.startsWith('"')) return undefined;
  const { afterFirst } = outlineOf(text);
  if (/^[{["',;]/.test(afterFirst)) return { got: 'several JSON documents', fix: FIX.one };
  return afterFirst === '' ? undefined : { got: 'text after the JSON object', fix: 'Remove it' };
}

/** What is wrong outside of strings, in the order in which it is looked for. */
const DEFECTS: readonly (Frame & { readonly shape: RegExp })[] = [
  {
    shape: /\b(NaN|Infinity|inf)\b/i,
    got: 'a bare NaN or Infinity, which JSON does not have',
    fix: 'Send null, or leave the field out',
  },
  { shape: /'/, got: 'single quotes', fix: FIX.encoder },
  {
    shape: /\b(None|True|False|undefined)\b/,
    got: 'a value such as None, True or undefined, which JSON does not have',
    fix: FIX.encoder,
  },
  { shape: /\/[/*]/, got: 'a comment', fix: 'Remove it' },
  { shape: /,\s*[}\]]/, got: 'a comma before a closing bracket', fix: 'Remove it' },
  { shape: /[{,]\s*[A-Za-z_$][\w$]*\s*[:=]/, got: 'names without double quotes', fix: FIX.encoder },
  {
    shape: /[:,[]\s*([+.]|-?0\d)/,
    got: 'a number with a leading zero, plus or point',
    fix: 'Send ids as text in quotes, and numbers as JSON writes them',
  },
];

function defectOf(text: string): Frame {
  const { outline, depth, deepest, hasControl } = outlineOf(text);
  const defect = DEFECTS.find(({ shape }) => shape.test(outline));
  if (defect) return defect;
  if (hasControl) return { got: 'a line break or a control character within a string', fix: 'Escape it, as in \\n' };
  if (depth > 0 || outline.trim() === '"') return { got: 'JSON that breaks off', fix: 'Send all of it in one record' };
  if (deepest > LIMITS.jsonDepth) return { got: `JSON of more than ${LIMITS.jsonDepth} levels`, fix: FIX.unwrap };
  return { got: 'text that is not JSON', fix: FIX.encoder };
}

interface Outline {
  /** The text, with `""` in the place of each string, and one quote in that of a string that does not end. */
  readonly outline: string;
  /** What comes after the first bracket is closed, of the outline. */
  readonly afterFirst: string;
  /** Brackets that are open at the end. */
  readonly depth: number;
  readonly deepest: number;
  /** Whether a string has a control character. */
  readonly hasControl: boolean;
}

function outlineOf(text: string): Outline {
  let hasControl = false;
  const outline = text.replace(/"(?:[^"\\]|\\.)*("|\\?$)/gs, (string, end: string) => {
    hasControl ||= UNESCAPED.test(string);
    return end === '"' ? '""' : '"';
  });
  let depth = 0;
  let deepest = 0;
  let firstEnd: number | undefined;
  for (let position = 0; position < outline.length; position++) {
    const character = outline[position];
    if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if ((character === '}' || character === ']') && --depth === 0) firstEnd ??= position + 1;
  }
  const afterFirst = firstEnd === undefined ? '' : outline.slice(firstEnd).trim();
  return { outline, afterFirst, depth, deepest, hasControl };
}

/** Envelopes by the members that one has and no other; a point leads to a member of a member. */
const ENVELOPES: readonly (Frame & { readonly members: readonly string[] })[] = [
  {
    members: ['payload.op', 'payload.source'],
    got: 'a change event of Debezium',
    fix: 'Unwrap it with ExtractNewRecordState, and set schemas.enable=false',
  },
  {
    members: ['op', 'after', 'source'],
    got: 'a change event of Debezium',
    fix: 'Unwrap it with ExtractNewRecordState',
  },
  {
    members: ['schema', 'payload'],
    got: 'JSON of Kafka Connect with its schema',
    fix: 'Set schemas.enable=false in the converter',
  },
  {
    members: ['metadata.record-type'],
    got: 'a record of the Database Migration Service',
    fix: 'Send what is in "data" alone, e.g. by an EventBridge Pipe, and no records of type control',
  },
  {
    members: ['dynamodb', 'eventName'],
    got: 'a change of a DynamoDB table',
    fix: 'Make an event of its NewImage, e.g. by an EventBridge Pipe with a function',
  },
  {
    members: ['detail-type', 'detail'],
    got: 'an event of EventBridge',
    fix: 'Set the InputPath of the target to $.detail',
  },
  { members: ['specversion', 'type'], got: 'a CloudEvents envelope', fix: 'Send what is in "data" alone' },
  {
    members: ['TopicArn', 'Message'],
    got: 'a notification of SNS',
    fix: 'Switch raw message delivery on for the subscription',
  },
  {
    members: ['receiptHandle', 'body'],
    got: 'a message of SQS',
    fix: 'Send what is in "body" alone, e.g. by an EventBridge Pipe',
  },
  {
    members: ['kinesisSchemaVersion', 'data'],
    got: 'a record of another Kinesis stream',
    fix: 'Send what is in "data", decoded from base64',
  },
  {
    members: ['kinesis.data'],
    got: 'a record of another Kinesis stream',
    fix: 'Send what is in "kinesis.data", decoded from base64',
  },
  {
    members: ['logGroup', 'logEvents'],
    got: 'a batch of CloudWatch Logs',
    fix: 'Send each message as a record of its own, by a function',
  },
  { members: ['resourceLogs'], got: 'a batch of OpenTelemetry', fix: FIX.one },
  {
    members: ['operationType', 'fullDocument'],
    got: 'a change event of MongoDB',
    fix: 'Send fullDocument alone (publish.full.document.only=true)',
  },
  {
    members: ['database', 'table', 'type', 'data'],
    got: 'a change event of Maxwell',
    fix: 'Send what is in "data" alone',
  },
  {
    members: ['message.data', 'subscription'],
    got: 'a push of Google Pub/Sub',
    fix: 'Send what is in "message.data", decoded from base64',
  },
  { members: ['Records'], got: 'a batch of records', fix: FIX.one },
  {
    members: ['log'],
    got: 'a line of a log in "log" (Fluent Bit, Docker)',
    fix: 'Parse it as JSON before it is sent, and keep its fields alone',
  },
  {
    members: ['@timestamp', 'message'],
    got: 'a line of a log (Logstash, Fluentd)',
    fix: 'Send what is in "message" alone',
  },
];

/**
 * Names what a JSON value is that is no event of its source; undefined for an object that is no envelope: its fields say more. An
 * object with all fields that the source requires is none, and what the source declares is never taken for an envelope's.
 */
export function whyWrapped({ fieldList }: Pick<EventSource, 'fieldList'>, value: unknown): string | undefined {
  if (value === null) {
    return sentence({
      got: 'null, which deletes in Kafka (a tombstone)',
      fix: 'Leave deletions out, e.g. by tombstones.on.delete=false',
    });
  }
  if (Array.isArray(value)) return sentence({ got: 'a JSON array', fix: FIX.one });
  if (typeof value === 'string') return sentence(quotedFrameOf(value.trim()));
  if (typeof value !== 'object') return sentence({ got: `a JSON ${typeof value}`, fix: FIX.encode });
  if (fieldList.every(({ wireName, whenMissing }) => whenMissing !== 'refused' || has(value, wireName)))
    return undefined;
  const declared = new Set(fieldList.map(({ wireName }) => wireName));
  const envelope = ENVELOPES.find(({ members }) =>
    members.every((path) => {
      const [name = '', inner] = path.split('.');
      return !declared.has(name) && has(value, name) && (inner === undefined || has(value[name], inner));
    }),
  );
  return envelope && sentence(envelope);
}

function quotedFrameOf(text: string): Frame {
  if (text.startsWith('{')) return { got: 'JSON within a JSON string', fix: 'Encode the event once' };
  if (isBase64OfEvent(text)) return { got: 'base64 within a JSON string', fix: 'Send what it encodes' };
  return { got: 'a JSON string', fix: FIX.encode };
}

function has<Name extends string>(value: unknown, name: Name): value is Readonly<Record<Name, unknown>> {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name);
}
