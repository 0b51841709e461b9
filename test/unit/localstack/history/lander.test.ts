import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { LocalEnvironmentError } from '../../../../localstack/child-process.ts';
import { DiskLander, type DiskLanderOptions, unconverted } from '../../../../localstack/history/lander.ts';
import { landStreamed } from '../../../../localstack/history/local-history.ts';
import { MARK } from '../../../../localstack/history/own-folder.ts';
import { fraudDetection, transactions } from '../../../../shared/features/fraud.ts';
import {
  decidedDelivery,
  functionDeliveries,
  rowLogDelivery,
  streamDelivery,
} from '../../../../shared/offline/deliveries.ts';
import { historySchema } from '../../../../shared/offline/history-schema.ts';
import { deliveredServedRow, ROW_LOGS, servedRow } from '../../../../shared/offline/row-logs.ts';
import {
  columnsInFiles,
  delivery,
  errorLines,
  everything,
  keysBelow,
  landedRows,
  PARTITION,
  row,
  withFolder,
} from './fixtures.ts';

/** A timer that goes off when a test says so. */
class Alarm {
  readonly set: number[] = [];
  #work: (() => void) | undefined;

  readonly after = (millis: number, work: () => void) => {
    this.set.push(millis);
    this.#work = work;
    return () => {
      if (this.#work === work) this.#work = undefined;
    };
  };

  goOff(): void {
    const work = this.#work;
    this.#work = undefined;
    work?.();
  }
}

async function withLander(
  use: (lander: DiskLander, folder: string, alarm: Alarm) => Promise<void>,
  options: Partial<DiskLanderOptions> = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const alarm = new Alarm();
    const onError = (error: unknown) => {
      throw error;
    };
    const lander = await DiskLander.open({ folder, onError, after: alarm.after, ...options });
    try {
      await use(lander, folder, alarm);
    } finally {
      await lander.close();
    }
  });
}

/** Each in an hour of its own. */
function rowsOfHours(count: number) {
  return Array.from({ length: count }, (_, hour) => {
    const [event_date, time = ''] = new Date(Date.UTC(2000, 0, 1, hour)).toISOString().split('T');
    return row(`row-${hour}`, { event_date, event_hour: time.slice(0, 2) });
  });
}

const KEY = /^raw\/everything\/event_date=2026-05-28\/event_hour=20\/landed-[0-9a-f-]{36}\.parquet$/;

describe('rows that landed', () => {
  it('are what was handed over, in the column types of the table', async () => {
    const rows = [
      row('1-null'),
      row('2-text', { note: 'é \u{1f600} "quoted" \\ \n\u0000 end', flag: true }),
      row('3-integers', { whole: Number.MAX_SAFE_INTEGER, at: 0 }),
      row('4-integers', { whole: Number.MIN_SAFE_INTEGER, flag: false }),
      row('5-doubles', { ratio: 0.1 }),
      row('6-doubles', { ratio: 5e-324 }),
      row('7-doubles', { ratio: -1.7976931348623157e308 }),
      row('8-decimals', { money: '9999999999999.99', fine: '-0.123456789012345' }),
      row('9-decimals', { money: '-0.07', fine: '123.100000000000000' }),
    ];
    await withLander(async (lander, folder) => {
      lander.land(delivery, rows);
      await lander.flush();
      const empty = { note: null, flag: null, whole: null, ratio: null, money: null, fine: null };
      const [found, keys] = [await landedRows(folder, delivery.prefix, 'event_id'), await keysBelow(folder)];
      expect(found).toEqual(
        rows.map((wanted) => ({
          ...empty,
          ...Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, asText(name, value)])),
        })),
      );
      expect(keys).toEqual([expect.stringMatching(KEY)]);
      expect(await columnsInFiles(folder, delivery.prefix)).toEqual([
        ['event_id', 'VARCHAR'],
        ['at', 'BIGINT'],
        ['note', 'VARCHAR'],
        ['flag', 'BOOLEAN'],
        ['whole', 'BIGINT'],
        ['ratio', 'DOUBLE'],
        ['money', 'DECIMAL(18,2)'],
        ['fine', 'DECIMAL(18,15)'],
        ['arrived_at', 'BIGINT'],
      ]);
    });
  });

  /** As DuckDB writes values. */
  function asText(name: string, value: unknown): string {
    return name === 'ratio' && value === -1.7976931348623157e308 ? '-1.7976931348623157e+308' : String(value);
  }

  it('have the columns of every table that there is', async () => {
    const deliveries = [
      ...functionDeliveries({ sources: [transactions], services: [fraudDetection] }),
      streamDelivery(transactions),
    ];
    for (const { schema } of [...deliveries, delivery]) {
      expect(historySchema(everything).partitionColumns).toEqual(schema.partitionColumns);
    }
    await withLander(async (lander, folder) => {
      for (const target of deliveries) lander.land(target, [PARTITION]);
      await lander.flush();
      expect(await errorLines(folder)).toEqual([]);
      for (const { prefix, schema } of deliveries) {
        const names = (await columnsInFiles(folder, prefix)).map(([name]) => name);
        expect(names).toEqual(schema.columns.map(({ name }) => name));
      }
    });
  });

  it('lie in the partition of their instant, one file for each, beside those that were decided', async () => {
    const hours = ['00', '09', '23'];
    await withLander(async (lander, folder) => {
      const rows = hours.flatMap((event_hour, hour) => [
        row(`a${hour}`, { event_hour }),
        row(`b${hour}`, { event_hour }),
      ]);
      lander.land(delivery, rows);
      lander.land(decidedDelivery(everything), [row('c', { event_hour: '09' })]);
      await lander.flush();
      const places = (await keysBelow(folder)).map((key) => key.replace(/[0-9a-f-]{36}\.parquet$/, ''));
      expect(places).toEqual([
        'raw/everything/event_date=2026-05-28/event_hour=00/landed-',
        'raw/everything/event_date=2026-05-28/event_hour=09/decided-',
        'raw/everything/event_date=2026-05-28/event_hour=09/landed-',
        'raw/everything/event_date=2026-05-28/event_hour=23/landed-',
      ]);
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(rows.length + 1);
    });
  });

  it('are answers with all that was said, as the function that serves hands them over', async () => {
    const said = servedRow({
      served_at: Date.UTC(2026, 4, 28, 20, 15),
      route: 'predict_fraud',
      request_id: 'r',
      caller: null,
      registry_version: 'v',
      service: 'fraud_detection@1',
      entity: { user_id: 'ü"' },
      event_id: 'tx',
      event: { amount: 0.1 },
      event_status: 'applied',
      decision: 'approve',
      model: null,
      scores: null,
      configuration_version: 7,
      views: {},
      definitions: '{}',
      features: { tx_count_1h: 1, avg: null },
    });
    await withLander(async (lander, folder) => {
      lander.land(rowLogDelivery(ROW_LOGS.served), [deliveredServedRow(said)]);
      await lander.flush();
      const [found] = await landedRows(folder, 'served_rows/', 'served_at');
      const texts = Object.entries(said).map(([name, value]) => [name, value === null ? null : String(value)]);
      expect(found).toEqual({ ...Object.fromEntries(texts), ...PARTITION });
    });
  });
});

describe('what does not fit', () => {
  it.each([
    ['text that is a number', { note: 5 }, 'string in "note"'],
    ['half a character', { note: 'a\ud800' }, 'string in "note"'],
    ['a whole number with a fraction, which would be rounded', { whole: 1.5 }, 'bigint in "whole"'],
    ['a whole number as text', { whole: '7' }, 'bigint in "whole"'],
    ['a decimal with more digits than its column', { money: '1.234' }, 'decimal(18,2) in "money"'],
    ['a decimal too large for its column', { money: '12345678901234567.00' }, 'decimal(18,2) in "money"'],
    ['a decimal as a number', { money: 1.5 }, 'decimal(18,2) in "money"'],
    ['a truth as text', { flag: 'true' }, 'boolean in "flag"'],
    ['a folder in place of a day', { event_date: '../../2026' }, 'the partition of an instant in "event_date"'],
    ['an hour that no day has', { event_hour: '24' }, 'the partition of an instant in "event_hour"'],
  ])('%s is refused with its original and without quoting it, and its neighbours land', async (_, values, message) => {
    const poison = row('poison', values);
    await withLander(
      async (lander, folder) => {
        lander.land(delivery, [row('before'), poison, row('after')]);
        await lander.flush();
        const landed = await landedRows(folder, delivery.prefix, 'event_id');
        expect(landed.map(({ event_id }) => event_id)).toEqual(['after', 'before']);
        expect(await errorLines(folder)).toEqual([
          expect.objectContaining({
            key: expect.stringMatching(
              /^errors\/raw\/everything\/format-conversion-failed\/2026\/05\/28\/refused-[0-9a-f-]{36}$/,
            ),
            errorMessage: `A row of raw_everything must have ${message}.`,
            rawData: JSON.stringify(poison),
            arrivalTimestamp: 1_780_000_000_000,
          }),
        ]);
      },
      { now: () => 1_780_000_000_000 },
    );
  });

  it.each([null, 7, [], 'text'])('%j in place of a row is refused', async (poison) => {
    await withLander(async (lander, folder) => {
      lander.land(delivery, [poison, row('good')]);
      await lander.flush();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(1);
      expect(await errorLines(folder)).toEqual([expect.objectContaining({ rawData: JSON.stringify(poison) })]);
    });
  });

  const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

  it.each<[string, string, readonly Uint8Array[] | undefined, string]>([
    ['row nested too deeply is refused with its original bytes', DEEP, [Buffer.from(DEEP)], DEEP],
    ['row nested too deeply whose bytes are not known is refused without them', DEEP, undefined, ''],
    ['cell nested too deeply is refused', `{"note":${DEEP}}`, undefined, ''],
    [
      'row with the spaces that it was sent with is refused with them',
      '{ "note": 5 }',
      [Buffer.from('{ "note": 5 }')],
      '{ "note": 5 }',
    ],
  ])('a %s, and its neighbours land', async (_, text, originals, kept) => {
    await withLander(async (lander, folder) => {
      lander.land(delivery, [row('before')]);
      lander.land(delivery, [JSON.parse(text)], originals);
      lander.land(delivery, [row('after')]);
      await lander.flush();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(2);
      expect((await errorLines(folder)).map(({ rawData }) => rawData)).toEqual([kept]);
    });
  });

  it('because it is nested too deeply does not keep its stream from landing', async () => {
    const good = { event_id: 'good', at: 1_780_000_000_000 };
    const texts = [DEEP, `{"event_id":"x","at":1,"note":${DEEP}}`, JSON.stringify(good)];
    const records = texts.map((text, index) => ({
      sequenceNumber: String(index),
      partitionKey: 'p',
      data: Buffer.from(text),
      arrivedAtMillis: 1_780_000_000_001,
    }));
    await withLander(async (lander, folder) => {
      landStreamed(lander, { source: everything, delivery, records });
      await lander.flush();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(1);
      expect((await errorLines(folder)).map(({ rawData }) => rawData)).toEqual(texts.slice(0, 2));
    });
  });

  it('of a stream is kept with its original bytes where Firehose keeps it, and its neighbours land', async () => {
    const good = { event_id: 'good', at: 1_780_000_000_000, money: '12.5' };
    const poisons = ['{', JSON.stringify({ ...good, money: '0.001' }), '{"event_id":"x"}'];
    const records = [JSON.stringify(good), ...poisons].map((text, index) => ({
      sequenceNumber: String(index),
      partitionKey: 'p',
      data: Buffer.from(text),
      arrivedAtMillis: 1_780_000_000_001,
    }));
    await withLander(async (lander, folder) => {
      landStreamed(lander, { source: everything, delivery, records });
      await lander.flush();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toEqual([
        expect.objectContaining({ event_id: 'good', money: '12.50', arrived_at: '1780000000001', ...PARTITION }),
      ]);
      const errors = await errorLines(folder);
      expect(errors.map(({ rawData }) => rawData)).toEqual(poisons);
      for (const { key } of errors) {
        expect(key).toMatch(/^errors\/raw\/everything\/processing-failed\/\d{4}\/\d\d\/\d\d\/refused-[0-9a-f-]{36}$/);
      }
    });
  });
});

describe('a flush', () => {
  it('comes some seconds after the first row that waits, or at once when there are many', async () => {
    await withLander(
      async (lander, folder, alarm) => {
        lander.land(delivery, [row('a')]);
        lander.land(delivery, [row('b')]);
        expect(alarm.set).toEqual([5_000]);
        lander.land(delivery, [row('c')]);
        expect(alarm.set).toEqual([5_000, 0]);
        alarm.goOff();
        await vi.waitUntil(async () => (await landedRows(folder, delivery.prefix, 'event_id')).length === 3);
        lander.land(delivery, [row('d')]);
        expect(alarm.set).toEqual([5_000, 0, 5_000]);
      },
      { flushRows: 3 },
    );
  });

  it('covers what was handed over before it, also while another one is under way, and nothing lands twice', async () => {
    await withLander(async (lander, folder) => {
      const ids = Array.from({ length: 6 }, (_, index) => `row-${index}`);
      const found = await Promise.all(
        ids.map(async (id) => {
          lander.land(delivery, [row(id)]);
          await lander.flush();
          return (await landedRows(folder, delivery.prefix, 'event_id')).some(({ event_id }) => event_id === id);
        }),
      );
      expect(found).toEqual(ids.map(() => true));
      expect((await landedRows(folder, delivery.prefix, 'event_id')).map(({ event_id }) => event_id)).toEqual(ids);
    });
  });

  it('never shows a reader half a file, and leaves nothing beside the history', async () => {
    const hours = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'));
    await withLander(async (lander, folder) => {
      const rows = Array.from({ length: 9_600 }, (_, index) =>
        row(`row-${index}`, { note: 'x'.repeat(50), event_hour: hours[index % hours.length] }),
      );
      lander.land(delivery, rows);
      let isDone = false;
      const flushed = lander.flush().finally(() => {
        isDone = true;
      });
      const counts: number[] = [];
      while (!isDone) counts.push((await landedRows(folder, delivery.prefix, 'event_id')).length);
      await flushed;
      counts.push((await landedRows(folder, delivery.prefix, 'event_id')).length);
      // Whole files of 400 rows, and each time what was there before.
      expect(counts.filter((count) => count % (rows.length / hours.length) !== 0)).toEqual([]);
      expect(counts).toEqual(counts.toSorted((left, right) => left - right));
      expect(counts.at(-1)).toBe(rows.length);
      expect(await keysBelow(`${folder}.staging`)).toEqual([]);
    });
  });

  it('puts the very bytes into the bucket, again where the bucket did not take them, and the disk does not wait', async () => {
    const bucket = new Map<string, Uint8Array>();
    let isDown = true;
    await withLander(async (lander, folder) => {
      lander.land(delivery, [row('before it is known')]);
      await lander.flush();
      lander.publishTo(async (key, content) => {
        if (isDown) throw new Error('the bucket is down');
        bucket.set(key, content);
      });
      lander.land(delivery, [row('good'), row('poison', { flag: 1 })]);
      await expect(lander.flush()).rejects.toThrow('the bucket is down');
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(2);
      isDown = false;
      await lander.flush();
      const keys = await keysBelow(folder);
      expect(keys).toHaveLength(3);
      expect([...bucket.keys()].sort()).toEqual(keys);
      for (const key of keys) {
        expect(Buffer.from(bucket.get(key) ?? []).equals(await readFile(join(folder, key)))).toBe(true);
      }
    });
  });

  it('that cannot write loses nothing: its rows land once, by the next one', async () => {
    await withLander(async (lander, folder) => {
      const staging = `${folder}.staging`;
      await rename(staging, `${staging}.away`);
      lander.land(delivery, [row('a'), row('poison', { flag: 1 })]);
      await expect(lander.flush()).rejects.toThrow('ENOENT');
      lander.land(delivery, [row('b')]);
      await rename(`${staging}.away`, staging);
      await lander.flush();
      const landed = await landedRows(folder, delivery.prefix, 'event_id');
      expect(landed.map(({ event_id }) => event_id)).toEqual(['a', 'b']);
      expect(await errorLines(folder)).toHaveLength(1);
    });
  });

  it('that cannot place one of its files places none, and leaves nothing beside the history', async () => {
    const hours = ['09', '10', '11', '12'];
    await withLander(async (lander, folder) => {
      const published: string[] = [];
      lander.publishTo(async (key) => void published.push(key));
      // A file where the folder of an hour should be, after others that can be made.
      const obstacle = join(folder, delivery.prefix, 'event_date=2026-05-28', 'event_hour=11');
      await mkdir(dirname(obstacle), { recursive: true });
      await writeFile(obstacle, '');
      lander.land(
        delivery,
        hours.map((event_hour) => row(event_hour, { event_hour })),
      );
      for (let attempt = 0; attempt < 3; attempt++) {
        await expect(lander.flush()).rejects.toThrow('EEXIST');
        expect(await landedRows(folder, delivery.prefix, 'event_id')).toEqual([]);
        expect(await readdir(`${folder}.staging`)).toEqual([MARK]);
      }
      await rm(obstacle);
      await lander.flush();
      const landed = await landedRows(folder, delivery.prefix, 'event_id');
      expect(landed.map(({ event_id }) => event_id)).toEqual(hours);
      expect(published.toSorted()).toEqual(await keysBelow(folder));
    });
  });

  it('lands every delivery that it can, and tells of each that it cannot', async () => {
    const others = functionDeliveries({ sources: [transactions], services: [fraudDetection] });
    await withLander(async (lander, folder) => {
      const bucket: string[] = [];
      lander.publishTo(async (key) => void bucket.push(key));
      const obstacles = [join(folder, delivery.prefix), join(folder, 'errors')];
      for (const obstacle of obstacles) {
        await mkdir(dirname(obstacle), { recursive: true });
        await writeFile(obstacle.replace(/\/$/, ''), '');
      }
      lander.land(delivery, [row('blocked')]);
      for (const other of others) lander.land(other, [PARTITION]);
      lander.refuse(streamDelivery(transactions), [unconverted(Buffer.from('blocked'), 'no')]);
      await expect(lander.flush()).rejects.toThrow(/raw\/everything.*errors/s);
      const keys = await keysBelow(folder);
      expect(bucket).toHaveLength(others.length);
      for (const { prefix, fileNameBeginning } of others) {
        const found = (key: string) => key.startsWith(prefix) && key.includes(fileNameBeginning);
        expect([keys.filter(found).length, bucket.filter(found).length]).toEqual([1, 1]);
      }
      for (const obstacle of obstacles) await rm(obstacle.replace(/\/$/, ''));
      await lander.flush();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(1);
      expect(await errorLines(folder)).toEqual([expect.objectContaining({ rawData: 'blocked' })]);
    });
  });

  it('of more hours than can be written at once lands all of them', async () => {
    await withLander(async (lander, folder) => {
      lander.land(delivery, rowsOfHours(450));
      await lander.flush();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(450);
      expect(await keysBelow(folder)).toHaveLength(450);
    });
  });

  it('writes a bounded number of hours at a time, and again only what could not be written', async () => {
    const writes: string[][] = [];
    let failing: number | undefined = 2;
    const writer: DiskLanderOptions['writer'] = {
      write: async ({ rows }) => {
        const written = z
          .array(z.object({ event_id: z.string(), event_date: z.string(), event_hour: z.string() }))
          .parse(rows);
        expect(new Set(written.map((one) => `${one.event_date} ${one.event_hour}`)).size).toBeLessThanOrEqual(200);
        writes.push(written.map(({ event_id }) => event_id));
        if (writes.length === failing) throw new Error('out of memory');
      },
      close: async () => {},
    };
    await withLander(
      async (lander) => {
        const rows = rowsOfHours(12_000).flatMap((one) => [one, { ...one, event_id: `${one.event_id}-again` }]);
        lander.land(delivery, rows);
        await expect(lander.flush()).rejects.toThrow('out of memory');
        const tried = new Set(writes.flat());
        expect([tried.size, writes.flat().length]).toEqual([rows.length, rows.length]);
        const failed = writes[1];
        writes.length = 0;
        failing = undefined;
        await lander.flush();
        await lander.flush();
        expect(writes).toEqual([failed]);
      },
      { writer },
    );
  });

  it('in the background that fails is told, and tried again', async () => {
    const errors: unknown[] = [];
    await withLander(
      async (lander, folder, alarm) => {
        await rm(`${folder}.staging`, { recursive: true });
        lander.land(delivery, [row('a')]);
        alarm.goOff();
        await vi.waitUntil(() => alarm.set.length === 2);
        expect(errors).toEqual([expect.objectContaining({ code: 'ENOENT' })]);
        await mkdir(`${folder}.staging`);
        alarm.goOff();
        await vi.waitUntil(async () => (await landedRows(folder, delivery.prefix, 'event_id')).length === 1);
      },
      { onError: (error) => errors.push(error) },
    );
  });
});

describe('a lander', () => {
  it('lands what waits when it is closed', async () => {
    await withFolder(async (folder) => {
      const lander = await DiskLander.open({ folder, onError: () => {}, after: new Alarm().after });
      lander.land(delivery, [row('last')]);
      await lander.close();
      expect(await landedRows(folder, delivery.prefix, 'event_id')).toHaveLength(1);
    });
  });

  it('says when it is closed how many rows of which table are lost, and why', async () => {
    const writer: DiskLanderOptions['writer'] = {
      write: () => Promise.reject(new Error('the disk is full')),
      close: () => Promise.reject(new Error('never opened')),
    };
    await withFolder(async (folder) => {
      const lander = await DiskLander.open({ folder, onError: () => {}, after: new Alarm().after, writer });
      lander.land(delivery, [row('a'), row('b')]);
      lander.land(decidedDelivery(everything), [row('c')]);
      lander.land(streamDelivery(transactions), [PARTITION]);
      lander.refuse(streamDelivery(transactions), [unconverted(Buffer.from('kept'), 'no')]);
      expect(lander.unlanded()).toBe('Rows of the history are lost, 3 of raw_everything, 2 of raw_transactions');
      const closing = lander.close();
      await expect(closing).rejects.toThrow(LocalEnvironmentError);
      await expect(closing).rejects.toThrow(
        'Rows of the history are lost, 3 of raw_everything, 1 of raw_transactions: Error: the disk is full',
      );
      expect(await errorLines(folder)).toHaveLength(1);
      expect(await readdir(dirname(folder))).toEqual(['history']);
    });
  });

  it('counts the rows of a write under way among those that would be lost', async () => {
    const written = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const writer: DiskLanderOptions['writer'] = {
      write: () => {
        begun.resolve();
        return written.promise;
      },
      close: async () => {},
    };
    await withLander(
      async (lander) => {
        lander.land(delivery, [row('a')]);
        const flushed = lander.flush();
        await begun.promise;
        lander.land(delivery, [row('b')]);
        expect(lander.unlanded()).toBe('Rows of the history are lost, 2 of raw_everything');
        written.resolve();
        await flushed;
        expect(lander.unlanded()).toBe('Rows of the history are lost, 1 of raw_everything');
        await lander.flush();
        expect(lander.unlanded()).toBeUndefined();
      },
      { writer },
    );
  });

  it('says which part of the history the bucket lacks; a file that it never takes does not keep others from it', async () => {
    await withFolder(async (folder) => {
      const lander = await DiskLander.open({ folder, onError: () => {}, after: new Alarm().after });
      const bucket = new Set<string>();
      let poison: string | undefined;
      lander.publishTo(async (key) => {
        poison ??= key;
        if (key === poison) throw new Error('refused');
        bucket.add(key);
      });
      lander.land(delivery, rowsOfHours(20));
      for (let attempt = 0; attempt < 20; attempt++) await lander.flush().catch(() => {});
      expect(bucket.size).toBe(19);
      await expect(lander.close()).rejects.toThrow(
        'Files of the history are on disk and not in the bucket, 1 of them: Error: refused',
      );
    });
  });
});
