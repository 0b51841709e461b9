/** Edits of the module while `npm start` runs: each is live within seconds, or is told what is wrong with it. */
import { join } from 'node:path';
import { sentenceOf } from './client.ts';
import { decideOne, PREFIX } from './decisions.ts';
import {
  ADDED_FEATURE,
  DELETED_FEATURE_AND_RULE,
  type Edit,
  edit,
  MENDED_TYPO,
  RENAMED_FEATURE,
  TYPO,
} from './edits.ts';
import { LoginMaker } from './logins.ts';
import { untilModelDecides } from './model.ts';
import { MODEL } from './names.ts';
import { apiUrlOf } from './start.ts';
import { startOf, type World } from './world.ts';

const DECISIONS = 4;
/** Since it was added, it has not seen all. */
const ADDED = /^fastest_typing_/;

/** Saves an edit. @param events are sent while it is deployed. */
async function save(world: World, name: string, replacements: Edit, events?: LoginMaker): Promise<void> {
  startOf(world).mark();
  await edit(join(world.user.folder, 'features.ts'), replacements);
  const live = untilLive(world, name);
  if (events !== undefined) await sendUntil(world, live, events);
  await live;
}

async function sendUntil({ client }: World, live: Promise<void>, maker: LoginMaker): Promise<void> {
  let isLive = false;
  void live.then(
    () => {
      isLive = true;
    },
    () => {
      isLive = true;
    },
  );
  while (!isLive) await client.post('logins', [maker.login(Date.now()).event]);
}

/** Until an edit is deployed and tried, and what it was told. */
export async function untilLive(world: World, name: string): Promise<void> {
  const start = startOf(world);
  const [said] = await start.until(/\ncurl [^\n]*\n|What was deployed before goes on[^\n]*\n/);
  if (said.includes('What was deployed before goes on'))
    throw new Error(`the edit "${name}" was refused: ${start.recent}`);
  const [, seconds] = /live ([\d.]+) s after it was saved/.exec(start.recent) ?? [];
  world.checks.that(seconds !== undefined, `npm start says how long the edit "${name}" took`);
  world.saveToLiveSeconds[name] = Number(seconds);
  world.client.apiUrl = await apiUrlOf(world);
  await world.client.load();
}

export async function editWhileRunning(world: World): Promise<void> {
  await addFeature(world);
  await renameFeature(world);
  await deleteFeature(world);
  await makeTypo(world);
}

async function addFeature(world: World): Promise<void> {
  const { checks } = world;
  await save(world, 'add a feature', ADDED_FEATURE);
  const { recent } = startOf(world);
  checks.that(recent.includes('+ account_logins@1:fastest_typing_10min'), `the new feature is named: ${recent}`);
  await decideSome(world, 'added-', ['fastest_typing_10min', 'fastest_typing_24h']);
}

/** Under its new name it has what it had: stored items know no names. Meanwhile, events go on. */
async function renameFeature(world: World): Promise<void> {
  const { client, checks, random } = world;
  const meanwhile = new LoginMaker(random, `${PREFIX}meanwhile-`);
  await save(world, 'rename a feature', RENAMED_FEATURE, meanwhile);
  const { recent } = startOf(world);
  const renamed = '~ account_logins@1:slowest_typing_24h: is called account_logins@1:max_typing_24h now';
  checks.that(recent.includes(renamed), `npm start tells that a feature is called otherwise: ${recent}`);
  for (const entities of [new LoginMaker(random, PREFIX).entities(), meanwhile.entities()]) {
    const { compared, differences } = await client.read('login_check', entities, { except: ADDED });
    checks.none(differences.map(sentenceOf), compared, 'features after one was renamed');
  }
}

async function deleteFeature(world: World): Promise<void> {
  const { client, checks } = world;
  await save(world, 'delete a feature and a rule', DELETED_FEATURE_AND_RULE);
  const { recent } = startOf(world);
  for (const gone of ['- account_logins@1:success_before_24h', '- login_check@1 rule MANY_DEVICES'])
    checks.that(recent.includes(gone), `"${gone}" is told: ${recent}`);
  const document = JSON.stringify((await client.call('GET', '/openapi.json')).body);
  checks.that(!document.includes('success_before'), '/openapi.json no longer has the deleted feature');
  const { answer } = await decideSome(world, 'deleted-', []);
  checks.that(!Object.hasOwn(answer.features, 'success_before_24h'), 'decisions no longer have the deleted feature');
}

/** The fault is told with the fix; what was deployed before serves on, until the fault is mended. */
async function makeTypo(world: World): Promise<void> {
  const { checks, client, user } = world;
  const before = client.repository.registryVersion;
  const start = startOf(world);
  start.mark();
  await edit(join(user.folder, 'features.ts'), TYPO);
  await start.until(/What was deployed before goes on[^\n]*\n/);
  checks.that(/contry.*did you mean "country"/.test(start.recent), `the typo is told with the fix: ${start.recent}`);
  checks.that(!start.hasEnded, 'npm start survives a typo');
  const { answer } = await decideSome(world, 'typo-', []);
  checks.equal(answer.registry_version, before, 'the declarations before the typo serve on');
  await save(world, 'mend a typo', MENDED_TYPO);
  await decideSome(world, 'mended-', ['countries_10min', 'countries_24h']);
}

/** Logins of accounts that nobody knew: of them, a new feature has seen all. @returns the last one. */
async function decideSome(world: World, prefix: string, features: readonly string[]) {
  const { checks, random } = world;
  checks.that(await untilModelDecides(world), 'the model decides on after an edit of what it does not use');
  const maker = new LoginMaker(random, `${PREFIX}${prefix}`);
  let last = await decideOne(world, '/check_login', maker.login(Date.now()));
  for (let index = 1; index < DECISIONS; index++)
    last = await decideOne(world, '/check_login', maker.login(Date.now()));
  const { answer } = last;
  checks.equal(answer.model, MODEL, 'the model that decides');
  checks.that(answer.score !== null, 'the model scores');
  for (const feature of features) checks.that(Object.hasOwn(answer.features, feature), `decisions have ${feature}`);
  return last;
}
