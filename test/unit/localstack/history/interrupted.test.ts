import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
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
