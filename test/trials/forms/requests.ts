/** Ways in that carry JSON: records of the stream, and requests. */
import { landEvents } from '../../../functions/land-events/land-events.ts';
import { createHandler } from '../../../functions/training-sets/app.ts';
import { updateWindows } from '../../../functions/update-windows/update-windows.ts';
import { decodeEventBytes } from '../../../shared/definitions/decode-event.ts';
import { columnsOf, openParquet } from '../../../shared/offline/athena/columns.ts';
import { checkedSpine } from '../../../shared/offline/athena/spine.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { type Answered, httpRequest, serve } from '../../unit/serve/harness.ts';
import { MemoryQuarantine } from '../../unit/update-windows/fixtures.ts';
import { byCard, cards, events, numbers, repository } from './features.ts';
import {
  CLOCK_MILLIS,
  eventMembers,
  type Form,
  isOfTheDay,
  jsonObject,
  MIDNIGHT,
  messageOf,
  type Outcome,
  only,
  ownField,
  plain,
  sentence,
  type Way,
} from './way.ts';

const bodyOf = ({ written }: Form, field: string, index: number) =>
  jsonObject({ ...eventMembers(index), [field]: written.json ?? '' });

/** What the decoder, the landing and the consumer make of a record, which must be the same. */
async function recorded(text: string, field: string): Promise<Outcome> {
  const data = Buffer.from(text);
  const record = { data, arrivedAtMillis: CLOCK_MILLIS, sequenceNumber: '1', partitionKey: 'card' };
  const decoded = decodeEventBytes(events, data, CLOCK_MILLIS);
  const [landing] = landEvents(events, [record]);
  const quarantine = new MemoryQuarantine();
  const store = new MemoryOnlineStore();
  await updateWindows([record], { source: events, views: [byCard], store, quarantine });
  const isCounted = quarantine.records.length === 0;
  if (landing?.ok !== decoded.ok || isCounted !== decoded.ok) {
    return { broken: `decoded ${decoded.ok}, landed ${landing?.ok}, counted ${isCounted}` };
  }
  if (!decoded.ok) return { refusal: sentence(decoded.problems) };
  const value = plain(decoded.event.values[field]);
  const landed = landing?.ok ? plain(landing.row[field]) : null;
  // Decimals are landed as text.
  const isSame = landed === value || (typeof landed === 'string' && Number(landed) === value);
  return isSame ? { value } : { broken: `decoded ${value}, landed ${landed}` };
}

function api() {
  const served = serve({ repository });
  served.clock.nowMillis = CLOCK_MILLIS;
  return served;
}

async function answered(
  answer: Promise<Answered>,
  read: (body: Answered['body']) => Outcome | Promise<Outcome>,
): Promise<Outcome> {
  const { status, body } = await answer;
  if (status < 300) return read(body);
  if (status !== 400 && status !== 422) return { broken: `status ${status}: ${JSON.stringify(body)}` };
  return { refusal: sentence(body.errors ?? []) || String(body.detail) };
}

const each = (forms: readonly Form[], run: (form: Form, index: number) => Promise<Outcome>) =>
  Promise.all(
    forms.map((form, index) => run(form, index).catch((error: unknown): Outcome => ({ broken: messageOf(error) }))),
  );

function publish(name: string, fieldOf: Way['fieldOf'], more: Partial<Way> = {}): Way {
  return {
    name,
    carrier: 'json',
    fieldOf,
    run: (forms, field) =>
      each(forms, async (form, index) => {
        const { events: post, stream } = api();
        return answered(post(bodyOf(form, field, index), 'events'), () =>
          recorded(stream.records[0]?.text ?? '', field),
        );
      }),
    ...more,
  };
}

function stream(name: string, fieldOf: Way['fieldOf'], more: Partial<Way> = {}): Way {
  return {
    name,
    carrier: 'json',
    fieldOf,
    run: (forms, field) => each(forms, (form, index) => recorded(bodyOf(form, field, index), field)),
    ...more,
  };
}

const decide: Way = {
  name: 'POST /services/{name}/decide',
  carrier: 'json',
  fieldOf: ownField,
  run: (forms, field) =>
    each(forms, (form, index) => {
      const members = { ...eventMembers(index), at: String(CLOCK_MILLIS), [field]: form.written.json ?? '' };
      return answered(api().post('/services/cards/decide', jsonObject(members)), ({ features }) => ({
        value: plain(features[`seen_${form.kind}_2d`]),
      }));
    }),
};

/** Join keys are handed back as they were understood. */
function joinKey(field: string, service: string, kind: Form['kind']): Way {
  return {
    name: `POST /features, ${field}`,
    carrier: 'json',
    fieldOf: only(kind, field),
    isRequired: true,
    run: (forms) =>
      each(forms, ({ written }) =>
        answered(
          api().post('/features', `{"service":"${service}","entities":[{"${field}":${written.json}}]}`),
          ({ results }) => ({ value: plain(results[0].entity[field]) }),
        ),
      ),
  };
}

const featuresAt: Way = {
  name: 'POST /features, at',
  carrier: 'json',
  fieldOf: only('timestamp', 'at'),
  carries: isOfTheDay,
  run: (forms) =>
    each(forms, ({ written }) =>
      answered(
        api().post('/features', `{"service":"cards","entities":[{"card":"c"}],"at":${written.json}}`),
        ({ results }) => ({ value: Date.parse(results[0].views['by_card@1'].as_of) }),
      ),
    ),
};

/** What a query would be given of the spine in a Parquet file. */
export async function neededOf(parquet: Uint8Array, field: string): Promise<Outcome> {
  const columns = await columnsOf(await openParquet(new Uint8Array(parquet).buffer));
  const service = field === 'number' ? numbers : cards;
  const { needed } = checkedSpine(columns, { service, mode: 'bitemporal', nowMillis: CLOCK_MILLIS });
  return { value: plain(needed.find(({ name }) => name === field)?.cells[0]) };
}

function trainingSetRows(field: string, fieldOf: Way['fieldOf'], more: Partial<Way> = {}): Way {
  return {
    name: `POST /training-sets, rows, ${field}`,
    carrier: 'json',
    fieldOf,
    run: (forms, column) =>
      each(forms, (form) => {
        const store = new MemoryObjectStore();
        const handler = createHandler({
          repository,
          store,
          bucketName: 'history',
          start: async () => {},
          presign: async (key) => key,
          newId: () => '0190a5f0-1111-4222-8333-444455556666',
          clock: () => CLOCK_MILLIS,
          logger: { error: () => {} },
        });
        const { at: _at, ...members } = eventMembers(0);
        const row = jsonObject({ ...members, timestamp: String(MIDNIGHT), [column]: form.written.json ?? '' });
        const service = column === 'number' ? 'numbers' : 'cards';
        const request = httpRequest('POST', '/training-sets', { body: `{"service":"${service}","spine":[${row}]}` });
        const answer = handler(request).then(({ statusCode = 0, body = '' }) => ({
          status: statusCode,
          headers: {},
          body: JSON.parse(body),
        }));
        return answered(answer, async () => {
          const spine = [...store.objects].find(([name]) => name.endsWith('.parquet'))?.[1];
          return neededOf(spine ?? new Uint8Array(), column);
        });
      }),
    ...more,
  };
}

export const REQUEST_WAYS: readonly Way[] = [
  stream('stream', ownField),
  stream('stream, event time', only('timestamp', 'at'), { carries: isOfTheDay, isRequired: true }),
  publish('POST /events', ownField),
  publish('POST /events, event time', only('timestamp', 'at'), { carries: isOfTheDay, isRequired: true }),
  decide,
  joinKey('card', 'cards', 'text'),
  joinKey('number', 'numbers', 'integer'),
  featuresAt,
  trainingSetRows('inputs', ownField),
  trainingSetRows('card', only('text', 'card'), { isRequired: true }),
  trainingSetRows('number', only('integer', 'number'), { isRequired: true }),
  trainingSetRows('id', only('text', 'id')),
  trainingSetRows('timestamp', only('timestamp', 'timestamp'), { carries: isOfTheDay, isRequired: true }),
  trainingSetRows('known_at', only('timestamp', 'known_at'), { carries: ({ expected }) => expected !== null }),
];
