/** Calls of the API: those that `npm start` prints, and those of a domain that goes its way. */
import * as z from 'zod';
import { type Answer, type Event, sentenceOf } from './client.ts';
import { type Login, LoginMaker } from './logins.ts';
import { printedCalls } from './start.ts';
import type { World } from './world.ts';

const EVENTS = 120;
const MINUTE = 60_000;
/** Begins the ids of everything that these steps send. */
export const PREFIX = 'own-';

const read = z.object({
  results: z.array(z.object({ status: z.string(), features: z.record(z.string(), z.unknown()) })).min(1),
});
const decided = z.object({
  decision: z.enum(['approve', 'review', 'block']),
  event_status: z.string(),
  degraded: z.array(z.unknown()),
  features: z.record(z.string(), z.unknown()),
});

/** Every printed line is run by `sh`, after the printed line that tells it where the API is. */
export async function tryPrintedCalls(world: World): Promise<void> {
  const { user, client, checks } = world;
  const { source, calls } = printedCalls(world);
  checks.equal(source, '. .local/env', 'npm start prints how a shell is told of it');
  const expectedCount = client.repository.services.reduce((sum, { decides }) => sum + (decides ? 2 : 1), 0);
  checks.equal(calls.length, expectedCount, 'npm start prints how each service is read, and decides');
  for (const call of calls) {
    const { code, stdout, stderr } = await user.shell(`${source}\n${call}`);
    checks.that(code === 0, `${call} can be run by sh: ${stderr}`);
    const [, name = ''] = /services\/(\w+)\/decide|"service":"(\w+)@1"/.exec(call)?.filter(Boolean) ?? [];
    const { features, derived } = client.service(name);
    const names = [...features, ...derived].map((feature) => feature.name);
    const body: unknown = JSON.parse(stdout);
    if (call.includes('/decide')) {
      const { success, data } = decided.safeParse(body);
      checks.equal(success && Object.keys(data.features), names, `${call} decides by all features`);
      checks.equal(data?.event_status, 'applied', `${call} counts its event`);
      checks.equal(data?.degraded, [], `${call} lacks nothing`);
    } else {
      const { success, data } = read.safeParse(body);
      checks.equal(success && Object.keys(data.results[0]?.features ?? {}), names, `${call} has all features`);
      checks.equal(data?.results[0]?.status, 'found', `${call} knows the entity`);
    }
  }
}

/** Half an hour of logins by the stream, then by the API that describes itself in words of the domain. */
export async function sendEvents(world: World): Promise<void> {
  const { client, checks, random } = world;
  const document = JSON.stringify((await client.call('GET', '/openapi.json')).body);
  for (const name of [
    '/events/logins',
    '/events/cases',
    '/services/login_check/decide',
    '/services/session_check/decide',
    '/check_login',
    'typingMs',
    'accounts_failed_1h',
    'typing_ratio',
  ]) {
    checks.that(document.includes(`"${name}"`), `/openapi.json has ${name}`);
  }
  checks.that(!document.includes('transaction'), '/openapi.json has no word of the example of card fraud');

  const maker = new LoginMaker(random, `${PREFIX}sent-`);
  const startMillis = Date.now() - 30 * MINUTE;
  const events = Array.from(
    { length: EVENTS },
    (_, index) => maker.login(startMillis + Math.floor((index * 29 * MINUTE) / EVENTS)).event,
  );
  await client.post('logins', events);
  // A producer that sends again what it was not sure of.
  await client.post('logins', events.slice(-10));
  const { compared, differences } = await client.read('login_check', maker.entities());
  checks.none(differences.map(sentenceOf), compared, 'features of what POST /events/logins took');
  const refused = await client.call('POST', '/events/logins', { ...events[0], country: 'Germany' });
  checks.equal(refused.status, 400, 'a country of seven letters is refused');
  checks.that(JSON.stringify(refused.body).includes('country'), 'the refusal names the field');
}

/** Two halves, so that the second one knows what became of the first. */
export async function decideLogins(world: World): Promise<void> {
  const { client, checks, random, decided, decisionCount } = world;
  const maker = new LoginMaker(random, PREFIX);
  const paths = ['/services/login_check/decide', '/check_login', '/services/login_check/decide?version=1'];
  const half = Math.ceil(decisionCount / 2);
  for (const count of [half, decisionCount - half]) {
    const begun = decided.length;
    for (let index = 0; index < count; index++) {
      const login = maker.login(Date.now());
      decided.push({ ...(await decideOne(world, paths[index % paths.length] ?? '', login)), login });
    }
    await closeCases(
      world,
      maker,
      decided.slice(begun).map(({ login }) => login),
    );
  }
  const rules = new Set(decided.flatMap(({ answer }) => answer.rules.map(({ name }) => name)));
  checks.equal([...rules].sort(), ['NEW_COUNTRY', 'STUFFING'], 'rules that fired');
  await decideSession(world, maker);
  const again = await client.call('POST', '/check_login', decided[0]?.event);
  checks.equal(duplicate.safeParse(again.body).data?.event_status, 'duplicate', 'a login that is asked for again');
}

const duplicate = z.object({ event_status: z.string() });

export async function decideOne(
  { client, checks }: World,
  path: string,
  { event }: Login,
  options: { readonly explain?: number } = {},
): Promise<{ readonly event: Event; readonly answer: Answer }> {
  const { answer, compared, differences } = await client.decide(path, 'login_check', event, options);
  checks.none(differences.map(sentenceOf), compared, 'features of a decision');
  checks.equal(answer.degraded, [], `what ${String(event.login_id)} was decided without`);
  checks.equal(answer.event_status, 'applied', `what became of ${String(event.login_id)}`);
  return { event, answer };
}

/** Waits until features know of them. */
export async function closeCases(world: World, maker: LoginMaker, logins: readonly Login[]): Promise<void> {
  const { client, checks } = world;
  await client.post(
    'cases',
    logins.map((login) => maker.caseOf(login, Date.now())),
  );
  const { compared, differences } = await client.read('login_check', maker.entities());
  checks.none(differences.map(sentenceOf), compared, 'features after cases were closed');
}

/** Another service decides over the same source; what it does not count itself, the copy on the stream brings. */
async function decideSession({ client, checks }: World, maker: LoginMaker): Promise<void> {
  const { event } = maker.login(Date.now());
  const failed = { ...event, device_id: `${PREFIX}bad-1`, is_success: false };
  const { differences, compared } = await client.decide('/services/session_check/decide', 'session_check', failed);
  checks.none(differences.map(sentenceOf), compared, 'features of a decision by another service');
  await client.post('logins', [failed]);
  const found = await client.read('login_check', maker.entities());
  checks.none(found.differences.map(sentenceOf), found.compared, 'features of what another service decided');
}
