import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Start } from './user.ts';
import { startOf, type World } from './world.ts';

const CONFIG = `import type { StoreConfig } from 'fraud-feature-store';

export default {
  name: 'login-takeover',
  features: './features.ts',
  stages: { prod: { production: true } },
} satisfies StoreConfig;
`;

export const INVITATION = /Deployment and data end with this run[^\n]*\nRunning until you press Ctrl-C[^\n]*\n/;

/** Writes the two files of a store, starts it, and reads what it proved. */
export async function startInEmptyFolder(world: World): Promise<void> {
  const { user } = world;
  await mkdir(user.folder, { recursive: true });
  await copyFile(join(import.meta.dirname, 'features.ts'), join(user.folder, 'features.ts'));
  await writeFile(join(user.folder, 'feature-store.config.ts'), CONFIG);
  await start(world);
}

/** Until it invites to be used. */
export async function start(world: World): Promise<void> {
  const { user, client, checks, port } = world;
  world.start = user.start(port);
  await client.load();
  const [invitation] = await world.start.until(INVITATION);
  await requireProof(world, world.start);
  checks.that(
    invitation.includes('the next one begins empty') && invitation.includes(join('.local', 'history')),
    `npm start says what stays when it ends: ${invitation}`,
  );
  client.apiUrl = await apiUrlOf(world);
}

export async function apiUrlOf({ user }: World): Promise<string> {
  const [, url] = /^export API='([^']+)'$/m.exec(await readFile(join(user.folder, '.local', 'env'), 'utf8')) ?? [];
  if (url === undefined) throw new Error('.local/env has no API');
  return url;
}

/** Every service was compared with the oracle: read, decided, and as a training set. */
async function requireProof({ client, checks }: World, { recent }: Start): Promise<void> {
  const compared = (pattern: RegExp) => Number(pattern.exec(recent)?.[1]?.replaceAll(',', '') ?? 0);
  const [, , entities] = /Verify +([\d,]+) features of ([\d,]+) entities equal the oracle's/.exec(recent) ?? [];
  const { services } = client.repository;
  const perEntity = services.reduce((sum, { features }) => sum + features.length, 0) / services.length;
  checks.equal(
    compared(/Verify +([\d,]+) features/),
    Number(entities?.replaceAll(',', '')) * perEntity,
    'npm start compares every feature of every entity with the oracle',
  );
  for (const { key, decides } of services) {
    if (decides === undefined) continue;
    const found = compared(new RegExp(`events of ${decides.name} by ${key}: ([\\d,]+) features equal the oracle's`));
    checks.that(found > 0, `npm start compares what ${key} decides with the oracle`);
  }
  checks.that(compared(/([\d,]+) events and [\d,]+ answers landed/) > 0, 'npm start lands history');
  checks.that(compared(/rows with ([\d,]+) features by POST/) > 0, 'npm start compares training sets with the oracle');
}

/** Lines that can be copied into a shell. */
export function printedCalls(world: World): { readonly source: string; readonly calls: readonly string[] } {
  const lines = startOf(world).recent.split('\n');
  const source = lines.find((line) => line.startsWith('. ')) ?? '';
  return { source, calls: lines.filter((line) => line.startsWith('curl ')) };
}
