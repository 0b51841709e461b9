/** Records of the stream, alone and aggregated, through the consumer and the landing. */
import { landEvents } from '../../../functions/land-events/land-events.ts';
import { updateWindows } from '../../../functions/update-windows/update-windows.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import type { WindowEvent } from '../../../shared/windows/event.ts';
import type { Item } from '../../../shared/windows/item.ts';
import { highWaterOf } from '../../../shared/windows/plan.ts';
import { readWindows } from '../../../shared/windows/read.ts';
import { aggregated, framed, KPL_MAGIC } from '../../support/kpl.ts';
import { MemoryQuarantine } from '../../unit/update-windows/fixtures.ts';
import { differenceOf, type Family, faultsOf, type Judgement } from './family.ts';
import { loose, repository, strict } from './features.ts';
import { anyEvent, CLOCK_MILLIS } from './mangle.ts';
import { type EventMeaning, eventOfBytes, type Values } from './reading.ts';

/** A record beside the one that is judged, which must be counted whatever that one is. */
const NEIGHBOUR = Buffer.from(
  JSON.stringify({ id: 'neighbour', card: 'neighbour', number: 77_777, at: CLOCK_MILLIS, choice: 'gold' }),
);

/** A record, the events in it, and what each means. */
interface Delivered {
  readonly data: Buffer;
  /** `undefined` where nobody knows what is in it. */
  readonly parts: readonly { readonly data: Buffer; readonly meaning: EventMeaning }[] | undefined;
}

const WRAPS = ['plain', 'plain', 'plain', 'plain', 'plain', 'kpl', 'kpl-flipped', 'kpl-cut', 'kpl-body'];

function delivered(bytes: Buffer, wrap: string, place: number, ignoresUnknown: boolean): Delivered {
  const part = (data: Buffer) => ({ data, meaning: eventOfBytes(data, CLOCK_MILLIS, ignoresUnknown) });
  if (wrap === 'plain') return { data: bytes, parts: [part(bytes)] };
  const other = Buffer.from(NEIGHBOUR.toString().replaceAll('neighbour', 'other').replace('77777', '88888'));
  const data = aggregated([
    { partitionKey: 'a', data: bytes },
    { partitionKey: 'b', data: other },
  ]);
  const at = Math.floor(place * data.length);
  const refused = (damaged: Buffer) => ({
    data: damaged,
    parts: [{ data: damaged, meaning: { refused: [''] } as const }],
  });
  switch (wrap) {
    case 'kpl':
      return { data, parts: [part(bytes), part(other)] };
    case 'kpl-flipped':
      return refused(Buffer.from(data.map((byte, index) => (index === at ? byte ^ 16 : byte))));
    case 'kpl-cut':
      return refused(data.subarray(0, at));
    default: {
      const body = data.subarray(KPL_MAGIC.length, -16);
      return {
        data: framed(body.map((byte, index) => (index === at % body.length ? byte ^ (1 << (at % 8)) : byte))),
        parts: undefined,
      };
    }
  }
}

/** What was counted: the events, and what their items say of them. */
class Counted {
  readonly events = new Map<string, WindowEvent>();
  readonly complaints: string[] = [];

  updated(view: (typeof repository.views)[number], event: WindowEvent, item: Item): void {
    this.events.set(event.id, event);
    const { values } = readWindows(view.layout, [item], highWaterOf(item) ?? 0);
    view.features.forEach(({ name }, index) => {
      const field = name.slice(view.name.length + 1).replace(/_2d$/, '');
      const expected = field === 'n' ? 1 : (event.values[field] ?? null);
      if (!Object.is(values[index] ?? null, expected))
        this.complaints.push(`${view.name} says ${values[index]} of ${field}`);
    });
  }
}

/** What becomes of one record: counted, landed or put aside, by both in the same way. */
export async function judgeRecord(
  bytes: Buffer,
  options: { readonly wrap?: string; readonly place?: number; readonly ignoresUnknown: boolean },
): Promise<Judgement> {
  const { wrap = 'plain', place = 0, ignoresUnknown } = options;
  const source = ignoresUnknown ? loose : strict;
  const { data, parts } = delivered(bytes, wrap, place, ignoresUnknown);
  const record = (sequenceNumber: string, content: Buffer) => ({
    sequenceNumber,
    partitionKey: 'p',
    data: content,
    arrivedAtMillis: CLOCK_MILLIS,
  });
  const quarantine = new MemoryQuarantine();
  const counted = new Counted();
  const { counts, views, failedSequenceNumbers, errors } = await updateWindows(
    [record('1', data), record('2', NEIGHBOUR)],
    {
      source,
      views: repository.views.filter((view) => view.source === source),
      store: new MemoryOnlineStore(),
      quarantine,
      featureLog: counted,
    },
  );
  const landings = landEvents(source, [record('1', data)]);
  const complaints = [...counted.complaints];
  if (failedSequenceNumbers.length > 0 || errors.length > 0) complaints.push(`a record failed: ${String(errors[0])}`);
  if (counts.received !== landings.length + 1 || (parts && parts.length !== landings.length))
    complaints.push(`${counts.received - 1} events were received, ${landings.length} landed, ${parts?.length} sent`);
  for (const { view, applied, duplicate, late, excluded } of views) {
    if (applied + duplicate + late + excluded + counts.quarantined + counts.failed !== counts.received)
      complaints.push(`events are lost in ${view.name}`);
    if (late + excluded + duplicate > 0 && parts) complaints.push(`an event was not counted in ${view.name}`);
  }
  if (!counted.events.has('neighbour')) complaints.push('the neighbour was not counted');
  const refusals = landings.flatMap((landing) => (landing.ok ? [] : [landing]));
  if (quarantine.records.length !== refusals.length) complaints.push('consumer and landing disagree');
  quarantine.records.forEach(({ data: kept, problems }, index) => {
    if (!Buffer.from(kept).equals(refusals[index]?.data ?? Buffer.alloc(0)))
      complaints.push('other bytes were put aside than came');
    if (JSON.stringify(problems) !== JSON.stringify(refusals[index]?.problems))
      complaints.push('consumer and landing give different reasons');
    if (parts === undefined) complaints.push(...faultsOf(problems, undefined));
  });
  parts?.forEach(({ data: content, meaning }, index) => {
    const landing = landings[index];
    if (landing === undefined || meaning === 'unknown') return;
    if (!landing.ok) {
      if ('values' in meaning) complaints.push(`a valid event was refused: ${JSON.stringify(landing.problems)}`);
      if (!Buffer.from(landing.data).equals(content)) complaints.push('a refusal has other bytes than came');
      complaints.push(...faultsOf(landing.problems, meaning));
      return;
    }
    if (!('values' in meaning)) {
      complaints.push(`what must be refused for ${meaning.refused.join()} was landed`);
      return;
    }
    complaints.push(...faultsOfCounted(meaning.values, counted.events, landing));
  });
  return { isAccepted: refusals.length === 0, complaints };
}

function* faultsOfCounted(
  expected: Values,
  counted: ReadonlyMap<string, WindowEvent>,
  { row, partition }: Extract<ReturnType<typeof landEvents>[number], { readonly ok: true }>,
): Generator<string> {
  const event = counted.get(String(expected.id));
  const time = new Date(Number(expected.at)).toISOString();
  if (event === undefined) yield 'what was landed was not counted';
  else {
    const difference = differenceOf(expected, event.values);
    if (difference !== undefined) yield `counted: ${difference}`;
    if (event.timeMillis !== expected.at) yield 'counted at another time';
  }
  // Decimals are landed as text.
  const landed = Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      (name === 'money' || name === 'rounded') && value !== null ? Number(value) + 0 : value,
    ]),
  );
  const difference = differenceOf(expected, landed);
  if (difference !== undefined) yield `landed: ${difference}`;
  if (`${partition.event_date}T${partition.event_hour}` !== time.slice(0, 13)) yield 'landed in another partition';
}

export const stream: Family = {
  name: 'stream',
  make: (random) => ({
    way: 'stream',
    bytes: anyEvent(random),
    setting: { wrap: random.pick(WRAPS), place: random.next(), ignoresUnknown: random.chance(0.3) },
  }),
  judge: ({ bytes, setting }) =>
    judgeRecord(bytes, {
      wrap: String(setting.wrap),
      place: Number(setting.place),
      ignoresUnknown: setting.ignoresUnknown === true,
    }),
};
