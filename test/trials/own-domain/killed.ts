import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readFeatures } from '../../../localstack/api-client.ts';
import { isPortInUse, run } from '../../../localstack/child-process.ts';
import { decideOne, PREFIX, tryPrintedCalls } from './decisions.ts';
import { edit, LAST_EDIT } from './edits.ts';
import { LoginMaker } from './logins.ts';
import { start } from './start.ts';
import { untilHolds } from './user.ts';
import { startOf, type World } from './world.ts';

const GONE_WITHIN_MILLIS = 60_000;
/** Into the deployment of the edit. */
const DEPLOYING_MILLIS = 2_000;

/** `kill -9` while an edit is deployed: what the run had started ends by itself, and the folder starts again. */
export async function killAndStartAgain(world: World): Promise<void> {
  const { user, client, checks, port, random } = world;
  const killed = startOf(world);
  killed.mark();
  await edit(join(user.folder, 'features.ts'), LAST_EDIT);
  await killed.until(/\+ account_logins@1:first_country_24h/);
  await delay(DEPLOYING_MILLIS);
  await killed.end('SIGKILL');
  const killedAtMillis = Date.now();
  const isFree = await untilHolds(async () => !(await isPortInUse(port)), GONE_WITHIN_MILLIS);
  checks.that(isFree, 'nothing is left on the port of a killed run');
  const isGone = await untilHolds(async () => (await processesOf(user.folder)).length === 0, GONE_WITHIN_MILLIS);
  world.seconds['nothing is left of the killed run after'] = (Date.now() - killedAtMillis) / 1_000;
  checks.that(isGone, `nothing of a killed run goes on: ${(await processesOf(user.folder)).join('; ')}`);

  await start(world);
  const [known] = await readFeatures(client.apiUrl, { service: 'login_check' }, [{ account_id: `${PREFIX}account-1` }]);
  checks.equal(known?.status, 'unknown', 'the next one begins empty');
  await tryPrintedCalls(world);
  const { answer } = await decideOne(
    world,
    '/check_login',
    new LoginMaker(random, `${PREFIX}again-`).login(Date.now()),
  );
  checks.that(
    Object.hasOwn(answer.features, 'first_country_24h'),
    'the edit that was being deployed is in the new start',
  );
}

/** Ctrl-C is how everybody ends it: a success, after which the history stays. */
export async function endBySignal(world: World): Promise<void> {
  const { user, checks, port } = world;
  const running = startOf(world);
  checks.equal(await running.end('SIGINT'), 0, 'npm start ends with the exit code');
  const isFree = await untilHolds(async () => !(await isPortInUse(port)), GONE_WITHIN_MILLIS);
  checks.that(isFree, 'nothing is left on the port after Ctrl-C');
  checks.that(existsSync(join(user.folder, '.local', 'history', 'raw', 'logins')), 'the history stays after Ctrl-C');
}

/** Command lines that name the folder. */
async function processesOf(folder: string): Promise<string[]> {
  const lines = (await run('ps', ['-eo', 'args'])).split('\n');
  return lines.filter((line) => line.includes(folder));
}
