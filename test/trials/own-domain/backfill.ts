/** A month that the store did not see, out of somebody's file, into a view that runs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readFeatures } from '../../../localstack/api-client.ts';
import { differences, Referee } from '../../../localstack/referee.ts';
import { loadRepository } from '../../../shared/registry/load-repository.ts';
import { type Event, sentenceOf } from './client.ts';
import { edit, MONTH_SERVICE, MONTH_VIEW, monthView } from './edits.ts';
import { untilLive } from './live-edits.ts';
import { LoginMaker } from './logins.ts';
import { untilLanded } from './offline.ts';
import { startOf, type World } from './world.ts';

const DAY = 86_400_000;
const MONTH_EVENTS = 1_200;
const LIVE_EVENTS = 60;
const PREFIX = 'month-';
const HEAD = 'id,account,device,country,ok,typing,when';
const MAP = ['login_id=id', 'account_id=account', 'device_id=device', 'is_success=ok', 'typing_ms=typing', 'at=when'];
/** In the way of a file that another system exports: no zone, and one line that is no event. */
const BROKEN = `${PREFIX}broken,${PREFIX}account-1,,DE,true,-5,2026-01-01 00:00:00`;

/** Imports the file beside what lands, and declares a view that begins to count soon. */
export async function importMonth(world: World): Promise<void> {
  const { user, checks } = world;
  world.month = monthOf(world);
  const text = [HEAD, ...world.month.map(lineOf), BROKEN].join('\n');
  await writeFile(join(user.folder, 'month.csv'), `${text}\n`);
  const said = await user.run(
    `feature-store import --source logins --from month.csv --to "$HISTORY/raw/logins/month" ${MAP.map((one) => `--map ${one}`).join(' ')} ` +
      '--arrival event-time --time-zone UTC',
  );
  checks.that(said.includes('1,200 events imported'), `import says: ${said}`);
  checks.that(
    /1 row put aside/.test(said) && said.includes('typingMs must be at least 0'),
    `import says what it refused: ${said}`,
  );

  const [, seconds = '60'] = /Deploy .* ([\d.]+) s/.exec(startOf(world).recent) ?? [];
  // After the deployment, which takes no longer than the first one, and its traffic.
  world.liveFromMillis = Date.now() + (20 + 2 * Number(seconds)) * 1_000;
  startOf(world).mark();
  await edit(join(user.folder, 'features.ts'), monthView(new Date(world.liveFromMillis).toISOString()));
  await untilLive(world, 'view of a month');
  checks.that(startOf(world).recent.includes(`+ ${MONTH_VIEW}:month_logins_30d`), 'npm start names the new features');
}

function monthOf({ random }: World): readonly Event[] {
  const maker = new LoginMaker(random, PREFIX);
  const startMillis = Math.floor(Date.now() / 1_000) * 1_000 - 29 * DAY;
  const secondsApart = Math.floor((27 * DAY) / MONTH_EVENTS / 1_000);
  return Array.from(
    { length: MONTH_EVENTS },
    (_, index) => maker.login(startMillis + index * secondsApart * 1_000).event,
  );
}

function lineOf({ login_id, account_id, device_id = '', country, is_success, typingMs, at }: Event): string {
  const when = new Date(Number(at)).toISOString().slice(0, 19).replace('T', ' ');
  return [login_id, account_id, device_id, country, is_success, typingMs, when].join(',');
}

/** The stream counts from `liveFrom` on, the command adds what came before; then every value is that of all events. */
export async function backfillMonth(world: World): Promise<void> {
  const { user, client, checks, random } = world;
  await delay(Math.max(0, (world.liveFromMillis ?? 0) + 1_000 - Date.now()));
  const maker = new LoginMaker(random, `${PREFIX}live-`);
  const known = new LoginMaker(random, PREFIX).entities();
  const live = Array.from(
    { length: LIVE_EVENTS },
    (_, index): Event => ({
      ...maker.login(Date.now() - (LIVE_EVENTS - index)).event,
      account_id: known[index % known.length]?.account_id ?? '',
    }),
  );
  await client.post('logins', live);
  await untilLanded(
    world,
    'raw/logins',
    'login_id',
    live.map(({ login_id }) => String(login_id)),
  );
  const command = `feature-store backfill --view ${MONTH_VIEW} --history logins="$HISTORY/raw/logins" --table "$TABLE" --endpoint "$AWS_ENDPOINT_URL" --landing-delay 1s`;
  const said = await user.run(command);
  checks.that(/^[1-9][\d,]* items written, with [\d,]+ events/.test(said), `backfill says: ${said}`);
  const again = await user.run(command);
  checks.that(again.startsWith('0 items written'), `backfill says when it is run again: ${again}`);
  await compareWithOracle(world, [...world.month, ...live], known);
  world.backfilledAtMillis = Date.now();
}

async function compareWithOracle(
  { user, client, checks }: World,
  events: readonly Event[],
  entities: readonly { readonly account_id: string }[],
): Promise<void> {
  // The oracle knows no seam: to it, every event counts.
  const text = await readFile(join(user.folder, 'features.ts'), 'utf8');
  const module = join(user.folder, '.local', 'seamless.ts');
  await writeFile(module, text.replace(/^ *liveFrom: .*\n/m, ''));
  const repository = await loadRepository(module);
  const referee = new Referee(repository);
  const service = repository.services.find(({ name }) => name === MONTH_SERVICE);
  const source = repository.sources.find(({ name }) => name === 'logins');
  if (service === undefined || source === undefined) throw new Error('the view of a month is not declared');
  for (const event of events) referee.take(source, event, Math.max(Number(event.at), 0));
  const rows = entities.map(({ account_id }) => ({ account_id }));
  const results = await readFeatures(client.apiUrl, { service: service.key }, rows);
  const expected = results.map(({ views }, index) =>
    referee.expected(service, rows[index] ?? {}, ({ key }) => views[key]?.as_of ?? Number.NaN),
  );
  const found = results.flatMap(({ features }, index) =>
    differences(`${service.key} of ${JSON.stringify(rows[index])}`, expected[index] ?? {}, features),
  );
  const compared = expected.reduce((sum, features) => sum + Object.keys(features).length, 0);
  checks.none(found.map(sentenceOf), compared, 'features after a backfill');
  const counted = results.reduce((sum, { features }) => sum + Number(features.month_logins_30d), 0);
  checks.equal(counted, events.length, 'logins of the month and since, in all accounts');
}
