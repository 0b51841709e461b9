import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { delivery, landedRows, withFolder } from './fixtures.ts';

it.each(['SIGINT', 'SIGTERM'] as const)('%s ends a run only after what waits has landed', async (signal) => {
  await withFolder(async (folder) => {
    const script = join(import.meta.dirname, 'lands-until-interrupted.ts');
    const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await ended).toEqual([signal === 'SIGINT' ? 130 : 143, null]);
    expect((await landedRows(folder, delivery.prefix, 'event_id')).map(({ event_id }) => event_id)).toEqual(['waits']);
  });
});

it('a signal that ends a run whose rows cannot land is told how many of which table and why, and the exit code is 1', async () => {
  await withFolder(async (folder) => {
    const script = join(import.meta.dirname, 'lands-until-interrupted.ts');
    const child = spawn(process.execPath, [script, folder, 'success'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'exit');
    const said = text(child.stderr);
    await once(child.stdout, 'data');
    await writeFile(join(folder, 'raw'), 'where a folder should be');
    child.kill('SIGINT');
    expect(await ended).toEqual([1, null]);
    expect(await said).toMatch(/^\nRows of the history are lost, 1 of raw_everything: Error: E\w+: .*\n$/);
  });
});
