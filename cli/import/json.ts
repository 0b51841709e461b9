/** JSON: an object on each line, or one array of objects. */
import { constants } from 'node:buffer';
import { decodeJson } from '../../shared/definitions/forms.ts';
import { parseJson, repeatedKeyOf } from '../../shared/definitions/json.ts';
import { whyUnreadable } from '../../shared/definitions/unreadable.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import { UserError } from '../user-error.ts';
import {
  AT_EVENT_TIME,
  columnOf,
  type FileOptions,
  type ForeignFile,
  type ForeignRow,
  notesOf,
} from './foreign-file.ts';
import { INVALID_TEXT, type LineBlock, openText } from './lines.ts';
import type { FileNote } from './summary.ts';

/** The text of what should be an object, and the line where it begins. */
interface Item {
  readonly number: number;
  readonly text: string;
  readonly problem?: string;
}

const NO_OBJECT = 'must be a JSON object; got something else. Write each event on a line of its own';

const LOOKS_LIKE_OBJECT = /^\s*\{.*\}\s*$/s;

/** So many lines without an object before the first are not lines of objects. */
const LINES_WITHOUT_OBJECT_MAX = 10;

export function openJson(options: FileOptions): ForeignFile {
  const text = openText(options);
  const notes: FileNote[] = [];
  return {
    numbered: 'line',
    batches: rowsOf(itemsOf(text.blocks, options), options, notes),
    decode: (type, value) => decodeJson(type, value, options.reading),
    done: text.done,
    notes,
  };
}

/** @param notes are there once all is read. */
async function* rowsOf(
  batches: AsyncIterable<Item[]>,
  options: FileOptions,
  notes: FileNote[],
): AsyncGenerator<ForeignRow[]> {
  const { name, columns, arrival = ARRIVED_AT } = options;
  const keys = new KeysOfFields(options);
  let objects = 0;
  let others = 0;
  let first: ForeignRow[] = [];
  for await (const items of batches) {
    const rows: ForeignRow[] = [];
    for (const item of items) {
      const read = objectOf(item);
      if ('problem' in read) {
        rows.push({ number: item.number, original: item.text, problem: read.problem });
        if (item.problem === undefined && !LOOKS_LIKE_OBJECT.test(item.text)) others++;
        if (objects === 0 && others > LINES_WITHOUT_OBJECT_MAX) throw noObjects(name);
        continue;
      }
      const { object } = read;
      if (objects === 0 && arrival !== AT_EVENT_TIME && !Object.hasOwn(object, arrival)) {
        throw new UserError(
          `${name}: its first object has no "${arrival}" that says when events arrived; ` +
            `name it with --arrival NAME, or say --arrival ${AT_EVENT_TIME} if they were known at once`,
        );
      }
      objects++;
      const values: Record<string, unknown> = {};
      for (const [wireName, key] of keys.of(object)) {
        if (Object.hasOwn(object, key)) values[wireName] = object[key];
      }
      rows.push({ number: item.number, values, arrival: object[arrival] });
    }
    first.push(...rows);
    if (objects === 0) continue;
    yield first;
    first = [];
  }
  if (objects === 0 && others > 0) throw noObjects(name);
  yield first;
  const missed = Object.values(columns).find((key) => !keys.seen.has(key));
  if (objects > 0 && missed !== undefined)
    throw new UserError(`${name} has no "${missed}" in any object; look at --map`);
  if (objects > 0) notes.push(...keys.notes());
}

const KEYS_NOTED_MAX = 21;

/** The keys that fields are read from: the same in all objects of a file, whichever of them each object has. */
class KeysOfFields {
  readonly #options: FileOptions;
  /** What fields may be called. */
  readonly #names: ReadonlySet<string>;
  /** Those of them that some object had. */
  readonly seen = new Set<string>();
  #keys: (readonly [wireName: string, key: string])[] = [];
  readonly #others = new Set<string>();

  constructor(options: FileOptions) {
    this.#options = options;
    const { source, columns } = options;
    this.#names = new Set([
      ...source.fieldList.flatMap(({ name, wireName }) => [name, wireName]),
      ...Object.values(columns),
    ]);
  }

  /** @throws UserError where objects have two keys for one field. */
  of(object: object): readonly (readonly [wireName: string, key: string])[] {
    const { size } = this.seen;
    for (const key of Object.keys(object)) {
      if (this.#names.has(key)) this.seen.add(key);
      // A file may have as many keys as objects; a note has some.
      else if (this.#others.size <= KEYS_NOTED_MAX) this.#others.add(key);
    }
    if (this.seen.size === size) return this.#keys;
    this.#keys = this.#options.source.fieldList.flatMap((field) => {
      const key = columnOf(this.#options, field, (one) => this.seen.has(one));
      return key === undefined ? [] : [[field.wireName, key]];
    });
    return this.#keys;
  }

  notes(): FileNote[] {
    const { source, arrival = ARRIVED_AT } = this.#options;
    const read = new Set([...this.#keys.map(([, key]) => key), arrival]);
    const unread = [...this.seen, ...this.#others].filter((key) => !read.has(key));
    return notesOf(source, { fields: this.#keys.map(([wireName]) => ({ wireName })), unread });
  }
}

const noObjects = (name: string) =>
  new UserError(
    `${name} must have a JSON object on each line, or be one array of them; got something else. Write it with jq -c .`,
  );

function objectOf({
  text,
  problem,
}: Item): { readonly object: Readonly<Record<string, unknown>> } | { readonly problem: string } {
  if (problem !== undefined) return { problem };
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    // Its subject is said by whoever shows it.
    return { problem: whyUnreadable(Buffer.from(text)).replace(/^the event |\.$/g, '') };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || JSON.isRawJSON(value))
    return { problem: NO_OBJECT };
  const repeated = repeatedKeyOf(text);
  return repeated === undefined
    ? { object: { ...value } }
    : { problem: `has "${repeated}" twice; say which value is meant` };
}

async function* itemsOf(blocks: AsyncIterable<LineBlock>, { name }: FileOptions): AsyncGenerator<Item[]> {
  for await (const { text, firstLine, isValid } of blocks) {
    if (firstLine === 1 && /^\s*\[/.test(text)) {
      yield* elementsOf(await wholeText(text, blocks, name), name);
      return;
    }
    if (isValid) yield linesOf(text, firstLine);
    else yield [{ number: firstLine, text: text.trimEnd(), problem: INVALID_TEXT }];
  }
}

function linesOf(text: string, firstLine: number): Item[] {
  const items: Item[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '') items.push({ number: firstLine + index, text: line });
  }
  return items;
}

async function wholeText(first: string, blocks: AsyncIterable<LineBlock>, name: string): Promise<string> {
  const texts = [first];
  let length = first.length;
  for await (const { text, isValid } of blocks) {
    if (!isValid) throw new UserError(`${name} ${INVALID_TEXT}`);
    texts.push(text);
    length += text.length;
    if (length > constants.MAX_STRING_LENGTH) {
      throw new UserError(`${name} is too large for one array; write a line for each object: jq -c '.[]'`);
    }
  }
  return texts.join('');
}

/** Strings may break off, so that no part of one is looked at twice. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|[[\]{},\n]/gs;
const ELEMENTS_PER_BATCH = 5_000;

/** The elements of the array that a text is, each as it is written. */
function* elementsOf(text: string, name: string): Generator<Item[]> {
  let items: Item[] = [];
  let [depth, line, start] = [0, 1, 0];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '\n') line++;
    else if (token === '[' || token === '{') {
      depth++;
      if (depth === 1) start = index + 1;
    } else if (token === ']' || token === '}') depth--;
    const isEnd = depth === 0;
    if (!isEnd && !(token === ',' && depth === 1)) continue;
    const element = text.slice(start, index).trim();
    // An array may be empty.
    if (element !== '' || !isEnd) items.push({ number: line - element.split('\n').length + 1, text: element });
    start = index + 1;
    if (isEnd) {
      if (token !== ']' || text.slice(start).trim() !== '') throw brokenArray(name);
      yield items;
      return;
    }
    if (items.length === ELEMENTS_PER_BATCH) {
      yield items;
      items = [];
    }
  }
  throw brokenArray(name);
}

const brokenArray = (name: string) =>
  new UserError(`${name} must be one whole JSON array, or a JSON object on each line; got an array that breaks off`);
