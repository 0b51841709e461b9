import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTest } from '../../../cli/test-create.ts';
import { updateWindows } from '../../../functions/update-windows/update-windows.ts';
import { PROJECT_ROOT } from '../../../localstack/child-process.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { historyRow, historySchema } from '../../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../../shared/offline/row-logs.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { Random } from '../../simulation/random.ts';
import { CollectingSink } from '../../support/rows.ts';
import { writeRows } from '../../support/served-day.ts';
import { SCENES, stepsOf } from '../../support/store-play.ts';
import { serve } from '../serve/harness.ts';

const START_MILLIS = Date.UTC(2026, 0, 5, 12);
const DECISIONS = 60;

it('makes tests of decisions with several sources, views, lanes, filters and a memory', async () => {
  const scene = SCENES.find(({ name }) => name === 'several');
  if (scene?.features === undefined) throw new Error('there is no such scene');
  const { repository } = scene;
  const store = new MemoryOnlineStore();
  const sink = new CollectingSink();
  const api = serve({ repository, store, rows: { sink, waits: true } });
  for (const step of stepsOf(scene, new Random(3), 500, START_MILLIS)) {
    api.clock.nowMillis = step.clockMillis;
    if (step.kind === 'decide') await api.post(`/services/${step.service}/decide`, step.event);
    if (step.kind !== 'send') continue;
    const source = repository.sources.find(({ name }) => name === step.source);
    if (source === undefined) throw new Error(`no source ${step.source}`);
    const records = step.events.map((event, index) => ({
      sequenceNumber: String(index),
      partitionKey: 'any',
      data: Buffer.from(JSON.stringify(event)),
      arrivedAtMillis: step.clockMillis,
    }));
    const views = repository.views.filter((view) => view.source === source);
    await updateWindows(records, { source, views, store, quarantine: { put: async () => undefined } });
    for (const event of step.events) {
      const decoded = decodeEvent(source, event, step.clockMillis);
      if (decoded.ok) sink.add(historySchema(source).tableName, { ...historyRow(source, decoded.event) } as never);
    }
  }
  const directory = await mkdtemp(join(tmpdir(), 'test-create-'));
  const path = (name: string) => join(directory, name);
  const { schema } = ROW_LOGS.served;
  const served = sink.of(schema.tableName);
  await writeRows(path('served.parquet'), schema.columns, served);
  for (const source of repository.sources) {
    const { tableName, columns } = historySchema(source);
    await writeRows(path(`${source.name}.parquet`), columns, sink.of(tableName));
  }
  const random = new Random(1);
  let sent = 0;
  const refused: string[] = [];
  for (let index = 0; index < DECISIONS; index++) {
    const decision = String(random.pick(served).event_id);
    const output = path(`${index}.test.ts`);
    try {
      const { events, unexpected } = await createTest({
        decision,
        served: path('served.parquet'),
        history: repository.sources.map(({ name }) => `${name}=${path(`${name}.parquet`)}`),
        features: join(PROJECT_ROOT, scene.features),
        output,
      });
      sent += events;
      expect(unexpected).toBeUndefined();
      expect(await readFile(output, 'utf8')).toContain(`"${decision}"`);
    } catch (error) {
      refused.push(String(error));
    }
  }
  await rm(directory, { recursive: true });
  expect(refused).toEqual([]);
  expect(sent).toBeGreaterThan(DECISIONS);
});
