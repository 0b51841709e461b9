import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openText } from '../../../cli/import/lines.ts';
import { repository } from '../../../shared/features/index.ts';

it('a small file that breaks off before anybody reads it is refused when it is read', async () => {
  const [source] = repository.sources;
  if (source === undefined) throw new Error('there is no source');
  const folder = await mkdtemp(join(tmpdir(), 'lines-test-'));
  const path = join(folder, 'x.jsonl.gz');
  await writeFile(path, gzipSync('{}\n').subarray(0, -9));
  const csv = { header: undefined, delimiter: ',', quote: '"', escape: '"' };
  const unheard: unknown[] = [];
  const onError = (error: unknown) => unheard.push(error);
  process.on('uncaughtException', onError);
  try {
    const options = { name: path, path, source, columns: {}, arrival: undefined, reading: {}, csv, encoding: 'utf-8' };
    for (let turns = 0; turns < 600; turns++) {
      const { blocks } = openText(options);
      // Somewhere on the way the file has ended, and nobody has been told yet.
      for (let turn = 0; turn < turns % 60; turn++) await setImmediate();
      await expect(Array.fromAsync(blocks)).rejects.toThrow('x.jsonl.gz cannot be read: unexpected end of file');
    }
  } finally {
    process.off('uncaughtException', onError);
    await rm(folder, { recursive: true });
  }
  expect(unheard).toEqual([]);
});
