/** A model that Python trains, from a training set to decisions. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { shellQuoted } from '../../../localstack/env-file.ts';
import type { Answer, Event } from './client.ts';
import { closeCases, decideOne } from './decisions.ts';
import { LoginMaker } from './logins.ts';
import { API_MANIFEST, MODEL, PACKAGE, TRAINING_SET } from './names.ts';
import { untilHolds } from './user.ts';
import type { World } from './world.ts';

const SCRIPT = join(import.meta.dirname, 'model.py');
const DECISIONS = 60;
const EXPLAINED = 3;
const TOLERANCE = 1e-6;
/** The library's contributions are floats of 32 bits. */
const CONTRIBUTION_TOLERANCE = 1e-5;
const INPUTS = [
  'typing_ms',
  'is_success',
  'logins_10min',
  'mean_typing_24h',
  'failures_before_1h',
  'accounts_failed_1h',
  'takeovers_30d',
  'is_new_country',
  'typing_ratio',
];

const Registered = z.object({ registryVersion: z.string() });
const Said = z.object({ scores: z.array(z.number()), contributions: z.array(z.record(z.string(), z.number())) });

export async function trainModel(world: World): Promise<void> {
  const { user, checks, client } = world;
  await python(world, `train ${TRAINING_SET} model.json ${INPUTS.join(',')}`);
  const manifest = Registered.parse(JSON.parse(await readFile(join(user.folder, API_MANIFEST), 'utf8')));
  checks.that(
    manifest.registryVersion !== client.repository.registryVersion,
    'other declarations have changed since the training set was made',
  );
  const options = `--model model.json --training-set ${TRAINING_SET} --name takeover_trees --version 1 --review 0.6 --block 0.9`;
  const said = await user.run(`feature-store model package ${options} --output ${PACKAGE}`);
  checks.that(said.includes(`model ${MODEL} of login_check@1: ${INPUTS.length} inputs`), `model package says: ${said}`);
  await user.run(`feature-store model package ${options} --manifest ${API_MANIFEST} --output of-api.json.gz`);
}

export async function decideByModel(world: World): Promise<void> {
  const { user, checks, random, scored } = world;
  const bucket = '--bucket "$DECISIONS" --endpoint "$AWS_ENDPOINT_URL"';
  await user.run(`feature-store model push ${bucket} --file ${PACKAGE}`);
  await writeFile(join(user.folder, 'configuration.json'), JSON.stringify({ model: MODEL, note: 'the first one' }));
  await user.run(`feature-store config set ${bucket} --service login_check --file configuration.json`);
  checks.that(await untilModelDecides(world), `${MODEL} decides after config set`);
  const maker = new LoginMaker(random, 'own-scored-');
  for (let index = 0; index < DECISIONS; index++) {
    const login = maker.login(Date.now());
    scored.push({ ...(await decideOne(world, '/check_login', login, { explain: EXPLAINED })), login });
  }
  await closeCases(
    world,
    maker,
    scored.map(({ login }) => login),
  );
  await compareWithPython(world);
}

const Asked = z.object({ model: z.string().nullable(), score: z.number().nullable() });

/** A configuration is looked for now and then. */
export function untilModelDecides({ client }: World): Promise<boolean> {
  const event = { login_id: 'nobody', account_id: 'nobody', country: 'DE', is_success: true, typingMs: 100 };
  return untilHolds(async () => {
    const body = { ...event, at: Date.now(), mode: 'read-only' };
    const { model, score } = Asked.parse((await client.call('POST', '/check_login', body)).body);
    return model === MODEL && score !== null;
  });
}

async function compareWithPython(world: World): Promise<void> {
  const { user, checks, scored } = world;
  const rows = scored.map(({ event, answer }) => inputsOf(event, answer));
  await writeFile(join(user.folder, 'rows.json'), JSON.stringify(rows));
  const { scores, contributions } = Said.parse(JSON.parse(await python(world, 'score model.json rows.json')));
  for (const [index, { answer, event }] of scored.entries()) {
    const id = String(event.login_id);
    const apart = Math.abs((answer.score ?? Number.NaN) - (scores[index] ?? Number.NaN));
    checks.that(apart <= TOLERANCE, `${id} has the score ${answer.score}, and of Python ${scores[index]}`);
    const all = contributions[index] ?? {};
    const largest = Object.values(all)
      .map(Math.abs)
      .sort((left, right) => right - left);
    checks.equal(answer.contributions?.length, EXPLAINED, `contributions of ${id}`);
    for (const [rank, { feature, contribution }] of (answer.contributions ?? []).entries()) {
      const isSame = Math.abs(contribution - (all[feature] ?? Number.NaN)) <= CONTRIBUTION_TOLERANCE;
      checks.that(isSame, `${id}: ${feature} moves the score by ${contribution}, and in Python by ${all[feature]}`);
      const isRanked = Math.abs(Math.abs(contribution) - (largest[rank] ?? Number.NaN)) <= CONTRIBUTION_TOLERANCE;
      checks.that(isRanked, `${id}: ${feature} is number ${rank + 1} of what moves the score`);
    }
  }
  checks.that(new Set(scores).size > 5, 'scores tell logins apart');
}

function inputsOf({ typingMs, ...event }: Event, { features }: Answer): Readonly<Record<string, unknown>> {
  const row = { ...event, typing_ms: typingMs, ...features };
  return Object.fromEntries(Object.entries(row).filter(([name]) => INPUTS.includes(name)));
}

async function python({ user, python: interpreter }: World, commandLine: string): Promise<string> {
  return user.run(`${shellQuoted(interpreter)} ${shellQuoted(SCRIPT)} ${commandLine}`);
}
