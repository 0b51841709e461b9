/** Requests to the serving function and to that of training sets. */
import { problem as problemSchema } from '../../../functions/serve/schemas.ts';
import { createHandler } from '../../../functions/training-sets/app.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { columnsOf, openParquet } from '../../../shared/offline/athena/columns.ts';
import { checkedSpine } from '../../../shared/offline/athena/spine.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import type { OnlineStore } from '../../../shared/online/store.ts';
import type { Random } from '../../simulation/random.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { type Answered, httpRequest, serve } from '../../unit/serve/harness.ts';
import { differenceOf, type Family, faultOf, faultsOf, type Input, type Judgement, shown } from './family.ts';
import { cards, repository } from './features.ts';
import { anyValue, CLOCK_MILLIS, jsonOf, type Members, mangledBytes, mangledMembers, SECRET } from './mangle.ts';
import {
  type EventMeaning,
  eventOfNode,
  MODEL_FIELDS,
  meaningOf,
  type Node,
  readJson,
  readUtf8,
  twice,
} from './reading.ts';
import { judgeRecord } from './stream.ts';

let current: OnlineStore = new MemoryOnlineStore();
const store: OnlineStore = {
  update: (key, update, options) => current.update(key, update, options),
  get: (keys) => current.get(keys),
};
const serving = serve({
  repository,
  store,
  metrics: { answered: () => {}, decided: () => {}, nulls: () => {}, age: () => {} } as never,
});
serving.clock.nowMillis = CLOCK_MILLIS;

const kept = new MemoryObjectStore();
const logged: unknown[] = [];
const trainingSets = createHandler({
  repository,
  store: kept,
  bucketName: 'history',
  start: async () => {},
  presign: async (key) => key,
  newId: () => '0190a5f0-1111-4222-8333-444455556666',
  clock: () => CLOCK_MILLIS,
  logger: { error: (_message, details) => logged.push(details) },
});

// --- Requests ----------------------------------------------------------------------------------------------------

const EVENT_PATHS = ['/events/strict', '/events/loose'];
const DECIDE_PATHS = ['/services/cards/decide', '/services/loosely/decide', '/predict_fraud'];

const listed = (items: readonly string[]) => `[${items.join(',')}]`;

function keyRow(random: Random): string {
  const members: Members = [
    ['card', `"${SECRET}${random.integer(0, 9)}"`],
    ['number', String(random.integer(-5, 5))],
  ];
  if (random.chance(0.2)) members.splice(random.integer(0, 1), 1);
  if (random.chance(0.2)) members.push([random.pick(['card', 'number', 'id', '__proto__', 'note']), anyValue(random)]);
  if (random.chance(0.1)) members[0] = ['card', anyValue(random)];
  return jsonOf(members);
}

function spineRow(random: Random): string {
  const members = mangledMembers(random);
  members.push(['timestamp', random.chance(0.9) ? '"2026-01-01T12:00:00Z"' : anyValue(random)]);
  if (random.chance(0.2)) members.push(['known_at', random.chance(0.8) ? '1767268800000' : anyValue(random)]);
  return jsonOf(members);
}

const times = (random: Random, make: (random: Random) => string) =>
  Array.from({ length: random.integer(random.chance(0.1) ? 0 : 1, random.chance(0.02) ? 120 : 3) }, () => make(random));

function anyBody(path: string, random: Random): string {
  const event = () => jsonOf(mangledMembers(random), random);
  if (EVENT_PATHS.includes(path)) {
    if (random.chance(0.6)) return event();
    const events: Members = [['events', random.chance(0.9) ? listed(times(random, event)) : anyValue(random)]];
    if (random.chance(0.1)) events.push(['extra', '1']);
    return jsonOf(events);
  }
  if (DECIDE_PATHS.includes(path)) {
    const members = mangledMembers(random);
    const likely = (json: string[]) => (random.chance(0.7) ? random.pick(json) : anyValue(random));
    if (random.chance(0.3)) members.push(['mode', likely(['"apply"', '"read-only"'])]);
    if (random.chance(0.3)) members.push(['explain', likely(['0', '3', '3.0', '20', '21', '-1', '"3"'])]);
    if (random.chance(0.02)) members.push(['service', '"cards"']);
    return jsonOf(members, random);
  }
  const service: [string, string] = [
    'service',
    random.chance(0.9) ? random.pick(['"cards"', '"cards@1"']) : anyValue(random),
  ];
  if (path === '/training-sets') {
    const members: Members = [
      service,
      ['spine', random.chance(0.9) ? listed(times(random, spineRow)) : anyValue(random)],
    ];
    if (random.chance(0.2)) members.push(['mode', random.pick(['"event-time"', '"bitemporal"', '"now"', '1'])]);
    return jsonOf(members);
  }
  const named: [string, string] = [
    'features',
    random.pick(['["by_card:by_card_n_2d"]', '["by_card:x"]', '[]', '[1]', '"x"', '[":"]']),
  ];
  const members: Members = [random.chance(0.8) ? service : named];
  members.push(['entities', random.chance(0.95) ? listed(times(random, keyRow)) : anyValue(random)]);
  if (random.chance(0.3)) members.push(['at', random.chance(0.6) ? '"2026-01-01T12:00:00Z"' : anyValue(random)]);
  if (random.chance(0.05)) members.push(['extra', anyValue(random)]);
  return jsonOf(members);
}

const PATHS = [...EVENT_PATHS, ...EVENT_PATHS, ...DECIDE_PATHS, '/features', '/training-sets'];
const ELSEWHERE = [
  '/',
  '/events/nothing',
  '/services/__proto__/decide',
  '/events/constructor',
  '/predict_fraud/x',
  '/%00',
];

function anyRequest(random: Random): Input {
  const path = random.chance(0.01) ? random.pick(ELSEWHERE) : random.pick(PATHS);
  const bytes = mangledBytes(Buffer.from(anyBody(path, random)), random);
  const isBase64Encoded = random.chance(0.3);
  return {
    way: `POST ${path}`,
    bytes,
    setting: {
      isBase64Encoded,
      // Said to be base64 without being it.
      isLie: isBase64Encoded && random.chance(0.1),
      query: random.chance(0.02) ? random.pick(['version=1', 'version=0', 'version=x', 'other=1']) : '',
    },
  };
}

// --- Answers -----------------------------------------------------------------------------------------------------

/** What is wrong with a refusal as an answer of HTTP. */
function* faultsOfRefusal({ status, headers, body }: Answered, meaning?: EventMeaning): Generator<string> {
  if (status < 400 || status > 499)
    yield `answered ${status}: ${JSON.stringify(body)} ${JSON.stringify([serving.logged, logged])}`;
  if (headers['content-type'] !== 'application/problem+json') yield `a refusal is ${String(headers['content-type'])}`;
  const parsed = problemSchema.strict().safeParse(body);
  if (!parsed.success) {
    yield 'a refusal is not as the API describes it';
    return;
  }
  const { errors = [], detail } = parsed.data;
  if (errors.length > 0) yield* faultsOf(errors, status === 400 ? meaning : undefined);
  else {
    const fault = faultOf(detail);
    if (fault !== undefined) yield fault;
  }
}

const memberOf = (node: Node | undefined, name: string) =>
  node?.kind === 'object' ? node.members.find(([other]) => other === name)?.[1] : undefined;

/** Whether any object in it has a key twice. */
function repeats(node: Node | undefined): boolean {
  if (node?.kind === 'list') return node.items.some(repeats);
  return (
    node?.kind === 'object' && (twice(node.members) !== undefined || node.members.some(([, member]) => repeats(member)))
  );
}

const without = (node: Node | undefined, names: readonly string[]): Node | undefined =>
  node?.kind === 'object' ? { ...node, members: node.members.filter(([name]) => !names.includes(name)) } : node;

/** What a body of `POST /events` means: its events. */
function eventsOfBody(node: Node | undefined, ignoresUnknown: boolean): readonly EventMeaning[] {
  const events = memberOf(node, 'events');
  if (events === undefined) return [eventOfNode(node, CLOCK_MILLIS, { ignoresUnknown })];
  const isAlone = node?.kind === 'object' && node.members.length === 1;
  if (events.kind !== 'list' || !isAlone || events.items.length === 0 || events.items.length > 500)
    return [{ refused: [''] }];
  return events.items.map((item) => eventOfNode(item, CLOCK_MILLIS, { ignoresUnknown }));
}

/** Events that are taken, all or none, and are understood in the stream as they were here. */
async function judgeEvents(answer: Answered, node: Node | undefined, path: string, size: number): Promise<string[]> {
  const ignoresUnknown = path.endsWith('loose');
  const meanings = eventsOfBody(node, ignoresUnknown);
  const refusal = repeats(node)
    ? { refused: [''] }
    : meanings.find((meaning) => meaning !== 'unknown' && 'refused' in meaning);
  const isUnknown = meanings.includes('unknown') || size > 60_000;
  const records = serving.stream.records.splice(0);
  if (answer.status !== 202) {
    if (records.length > 0) return ['what was refused is in the stream'];
    const isOne = memberOf(node, 'events') === undefined && !repeats(node);
    const faults = [...faultsOfRefusal(answer, isOne ? meanings[0] : undefined)];
    if (refusal === undefined && !isUnknown) faults.push(`a valid event was refused: ${JSON.stringify(answer.body)}`);
    return faults;
  }
  if (refusal !== undefined) return ['what must be refused was taken'];
  if (records.length !== meanings.length || answer.body.accepted !== meanings.length) return ['events are lost'];
  const complaints: string[] = [];
  for (const [index, { text }] of records.entries()) {
    const judgement = await judgeRecord(Buffer.from(text), { ignoresUnknown });
    complaints.push(...judgement.complaints);
    if (!judgement.isAccepted) complaints.push('what the API took was put aside by the consumer');
    const again = eventOfNode(readJson(text), CLOCK_MILLIS, { ignoresUnknown });
    if (JSON.stringify(again) !== JSON.stringify(meanings[index]))
      complaints.push('the stream has another event than was sent');
  }
  return complaints;
}

function judgeDecision(answer: Answered, node: Node | undefined, path: string, size: number): string[] {
  const ignoresUnknown = path.includes('loosely');
  const event = without(node, ['mode', 'explain']);
  const isUsable = size <= LIMITS.eventBytes && !repeats(node);
  const meaning = isUsable ? eventOfNode(event, CLOCK_MILLIS, { ignoresUnknown }) : { refused: [''] };
  const mode = memberOf(node, 'mode');
  const explain = memberOf(node, 'explain');
  const isGood =
    (mode === undefined || (mode.kind === 'text' && /^(apply|read-only)$/.test(mode.text))) &&
    (explain === undefined ||
      (explain.kind === 'number' &&
        Number.isInteger(Number(explain.text)) &&
        Number(explain.text) >= 0 &&
        Number(explain.text) <= 20)) &&
    memberOf(node, 'service') === undefined;
  if (answer.status !== 200) {
    const faults = [...faultsOfRefusal(answer, isGood && isUsable ? meaning : undefined)];
    if (isGood && meaning !== 'unknown' && 'values' in meaning)
      faults.push(`a valid event was refused: ${JSON.stringify(answer.body)}`);
    return faults;
  }
  if (!isGood) return ['options that must be refused were taken'];
  if (meaning === 'unknown') return [];
  if ('refused' in meaning) return [`what must be refused for ${meaning.refused.join()} was decided`];
  if (answer.body.id !== meaning.values.id) return ['another event was decided'];
  if (answer.body.event_status !== 'applied') return [];
  const prefix = path.includes('loosely') ? 'loose_by_card' : 'by_card';
  const seen = Object.fromEntries(
    Object.keys(meaning.values).flatMap((name): [string, unknown][] => {
      const feature = `${prefix}_${name}_2d`;
      return Object.hasOwn(answer.body.features, feature) ? [[name, answer.body.features[feature]]] : [];
    }),
  );
  const difference = differenceOf(meaning.values, { ...meaning.values, ...seen });
  return difference === undefined ? [] : [`decided: ${difference}`];
}

const fieldNamed = (name: string) => MODEL_FIELDS.find((field) => field.name === name);

function meaningOfKey(name: string, row: Node | undefined) {
  const field = fieldNamed(name);
  return field === undefined ? 'unknown' : meaningOf(field, memberOf(row, name));
}

function judgeFeatures(answer: Answered, node: Node | undefined): string[] {
  if (answer.status !== 200) return [...faultsOfRefusal(answer)];
  const entities = memberOf(node, 'entities');
  const rows = entities?.kind === 'list' ? entities.items : [];
  if (repeats(node)) return ['a key occurs twice, and one of its values was taken'];
  if (answer.body.results.length !== rows.length) return ['entities are lost'];
  return rows.flatMap((row, index) =>
    Object.entries(answer.body.results[index].entity).flatMap(([name, value]) => {
      const meaning = meaningOfKey(name, row);
      const isSame = meaning === 'unknown' || (meaning !== 'refused' && Object.is(meaning.value, value));
      return isSame ? [] : [`the key ${name} must be ${shown(meaning)}; got ${shown(value)}`];
    }),
  );
}

async function judgeTrainingSet(answer: Answered, node: Node | undefined): Promise<string[]> {
  const [parquet] = [...kept.objects].filter(([name]) => name.endsWith('.parquet')).map(([, bytes]) => bytes);
  kept.objects.clear();
  if (answer.status !== 202)
    return [...faultsOfRefusal(answer), ...(parquet ? ['rows of a refused set were kept'] : [])];
  const spine = memberOf(node, 'spine');
  const rows = spine?.kind === 'list' ? spine.items : [];
  if (repeats(node)) return ['a key occurs twice, and one of its values was taken'];
  if (parquet === undefined || rows.length === 0) return [];
  const columns = await columnsOf(await openParquet(new Uint8Array(parquet).buffer));
  const asked = memberOf(node, 'mode');
  const mode = asked?.kind === 'text' && asked.text === 'event-time' ? 'event-time' : 'bitemporal';
  const { needed, rowCount } = checkedSpine(columns, { service: cards, mode, nowMillis: CLOCK_MILLIS });
  if (rowCount !== rows.length) return [`${rows.length} rows became ${rowCount}`];
  return rows.flatMap((row, index) =>
    ['card', 'number', 'timestamp'].flatMap((name) => {
      const field = fieldNamed(name === 'timestamp' ? 'at' : name);
      const meaning = field ? meaningOf(field, memberOf(row, name)) : 'unknown';
      const cell = needed.find((column) => column.name === name)?.cells[index];
      const value = typeof cell === 'bigint' ? Number(cell) : cell;
      // Keys of a spine have their kind alone, and not what their schema demands beside it.
      const isSame =
        typeof meaning === 'string' ? name === 'card' || meaning === 'unknown' : Object.is(meaning.value, value);
      return isSame ? [] : [`${name} of the spine must be ${shown(meaning)}; got ${shown(value)}`];
    }),
  );
}

async function judge({ way, bytes, setting }: Input): Promise<Judgement> {
  const path = way.slice('POST '.length);
  const query = String(setting.query ?? '');
  const body = setting.isBase64Encoded === true && setting.isLie !== true ? bytes.toString('base64') : bytes.toString();
  const isBase64Encoded = setting.isBase64Encoded === true;
  const request = httpRequest('POST', path, {
    body,
    isBase64Encoded,
    ...(query !== '' && { query: Object.fromEntries(new URLSearchParams(query)) }),
  });
  current = new MemoryOnlineStore();
  serving.logged.length = 0;
  serving.stream.sources.length = 0;
  logged.length = 0;
  const {
    statusCode: status = 0,
    headers = {},
    body: text = '',
  } = path === '/training-sets' ? await trainingSets(request) : await serving.handler(request);
  const answer: Answered = { status, headers, body: JSON.parse(text) };
  const said = isBase64Encoded ? readUtf8(Buffer.from(body, 'base64')) : bytes.toString();
  const node = said === undefined ? undefined : readJson(said);
  const judgement = (complaints: string[]): Judgement => ({ isAccepted: status < 300, complaints });
  // What is not JSON, or not base64, or goes elsewhere, is a refusal whatever else it is.
  if (node === undefined || setting.isLie === true || query !== '' || ELSEWHERE.includes(path)) {
    const isTaken = status < 300 && node === undefined;
    serving.stream.records.length = 0;
    kept.objects.clear();
    return judgement(status < 300 ? (isTaken ? ['what is not JSON was taken'] : []) : [...faultsOfRefusal(answer)]);
  }
  if (EVENT_PATHS.includes(path)) return judgement(await judgeEvents(answer, node, path, body.length));
  if (DECIDE_PATHS.includes(path)) return judgement(judgeDecision(answer, node, path, bytes.length));
  return judgement(path === '/features' ? judgeFeatures(answer, node) : await judgeTrainingSet(answer, node));
}

export const http: Family = { name: 'http', make: anyRequest, judge };
