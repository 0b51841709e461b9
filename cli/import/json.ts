/** JSON: an object on each line, or one array of objects. */
import { decodeJson } from '../../shared/definitions/forms.ts';
import { parseJson, repeatedKeyOf } from '../../shared/definitions/json.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import { UserError } from '../user-error.ts';
import { AT_EVENT_TIME, type FileOptions, type ForeignFile, type ForeignRow } from './foreign-file.ts';
import { INVALID_TEXT, type LineBlock, openText } from './lines.ts';

/** The text of what should be an object, and the line where it begins. */
interface Item {
  readonly number: number;
  readonly text: string;
  readonly problem?: string;
}

const NO_OBJECT = 'must be a JSON object; got something else. Write each event on a line of its own';

/** So many lines without an object before the first are not lines of objects. */
const LINES_WITHOUT_OBJECT_MAX = 10;

export function openJson(options: FileOptions): ForeignFile {
  const text = openText(options);
  return {
    numbered: 'line',
    batches: rowsOf(itemsOf(text.blocks, options), options),
    decode: (type, value) => decodeJson(type, value, options.reading),
    done: text.done,
    notes: [],
  };
}

async function* rowsOf(batches: AsyncIterable<Item[]>, options: FileOptions): AsyncGenerator<ForeignRow[]> {
  const { name, source, columns, arrival = ARRIVED_AT } = options;
  const missed = new Set(Object.values(columns));
  let objects = 0;
  let others = 0;
  let first: ForeignRow[] = [];
  for await (const items of batches) {
    const rows: ForeignRow[] = [];
    for (const item of items) {
      const read = objectOf(item);
      if ('problem' in read) {
        rows.push({ number: item.number, original: item.text, problem: read.problem });
        if (read.problem === NO_OBJECT) others++;
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
      for (const { name: field, wireName } of source.fieldList) {
        const column = columns[field] ?? (Object.hasOwn(object, field) ? field : wireName);
        if (!Object.hasOwn(object, column)) continue;
        values[wireName] = object[column];
        missed.delete(column);
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
  const [column] = missed;
  if (objects > 0 && column !== undefined)
    throw new UserError(`${name} has no "${column}" in any object; look at --map`);
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
    return { problem: NO_OBJECT };
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
  for await (const { text, isValid } of blocks) {
    if (!isValid) throw new UserError(`${name} ${INVALID_TEXT}`);
    texts.push(text);
  }
  try {
    return texts.join('');
  } catch (error) {
    throw new UserError(`${name} is too large for one array; write a line for each object: jq -c '.[]'`, {
      cause: error,
    });
  }
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},\n]/gs;
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
