/**
 * A model decides on after a deployment that adds what it does not use.
 *
 * 1. Deploy a repository with a model, and decide payments of some accounts.
 * 2. Deploy again, with a feature, a window and a field more; the model stays the same package.
 * 3. Decide the same payments of other accounts: equal inputs must have equal scores, to the bit, and nothing is degraded.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { activateModel } from '../../localstack/activate-model.ts';
import { freePort } from '../../localstack/child-process.ts';
import { type Deployment, deployLocally } from '../../localstack/deploy.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { definitionVersions } from '../../shared/registry/manifest.ts';
import {
  definitionsOfInputs,
  type ModelDocument,
  ModelPackageError,
  readModelPackage,
  writeModelPackage,
} from '../../shared/scoring/package.ts';
import { Random } from '../simulation/random.ts';
import { repository as after } from './model-binding/after.ts';
import { repository as before, service } from './model-binding/before.ts';

const ACCOUNTS = 12;
const PAYMENTS_PER_ACCOUNT = 5;
const MODEL = 'payments_baseline@1';
const READY_WITHIN_MILLIS = 60_000;

const INPUTS: ModelDocument['inputs'] = [
  { feature: 'amount', type: 'number', imputation: 0 },
  { feature: 'payments_1h', type: 'number', imputation: 0 },
  { feature: 'avg_amount_1h', type: 'number', imputation: 0 },
  { feature: 'p90_amount_1h', type: 'number', imputation: 0 },
  { feature: 'is_burst', type: 'boolean', imputation: 0 },
  { feature: 'is_abroad', type: 'boolean', imputation: 0 },
];

const Answer = z.object({
  score: z.number().nullable(),
  model: z.string().nullable(),
  degraded: z.array(z.unknown()),
  event_status: z.string(),
  features: z.record(z.string(), z.unknown()),
  registry_version: z.string(),
});
type Answer = z.infer<typeof Answer>;

interface Payment {
  readonly account: number;
  readonly card_id: string;
  readonly amount: number;
  readonly is_abroad: boolean;
}

function modelPackage(form: Pick<ModelDocument, 'packageVersion' | 'definitions'>): Uint8Array {
  const names = INPUTS.map(({ feature }) => feature);
  const statistics = { mean: null, stddev: null, minimum: null, maximum: null, nulls: 0, quantiles: [] };
  return writeModelPackage(
    {
      ...form,
      name: 'payments_baseline',
      version: 1,
      service: service.key,
      registryVersion: before.registryVersion,
      inputs: INPUTS,
      format: 'logistic-regression',
      thresholds: {},
      trainingSet: { absentBecause: 'written by hand for a trial' },
      reference: { rows: 0, features: Object.fromEntries(names.map((name) => [name, statistics])) },
      createdAt: '2026-01-01T00:00:00Z',
    },
    JSON.stringify({
      format: 'logistic-regression',
      formatVersion: 1,
      estimator: 'by hand',
      inputNames: names,
      coefficients: [0.0137, 0.31, -0.0093, 0.0041, 0.7, 0.9],
      intercept: -2.3,
      standardisation: null,
    }),
  );
}

function simulatePayments(): Payment[] {
  const random = new Random(1);
  return Array.from({ length: ACCOUNTS * PAYMENTS_PER_ACCOUNT }, (_, index) => ({
    account: index % ACCOUNTS,
    card_id: `card-${random.integer(0, 2)}`,
    amount: random.integer(1, 50_000) / 100,
    is_abroad: random.integer(0, 3) === 0,
  }));
}

async function decide(apiUrl: string, payment: object): Promise<Answer> {
  const response = await fetch(`${apiUrl}/services/${service.name}/decide`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...payment, paid_at: Date.now() }),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`POST ${apiUrl}/services/${service.name}/decide answered ${response.status}: ${text}`);
  return Answer.parse(JSON.parse(text));
}

/** The first answers of a deployment may come from the one before, or be without a model. */
async function untilModelDecides({ apiUrl, registryVersion }: Deployment): Promise<void> {
  const nobody = { payment_id: 'nobody-1', account_id: 'nobody', card_id: 'none', amount: 1, mode: 'read-only' };
  const untilMillis = Date.now() + READY_WITHIN_MILLIS;
  while (Date.now() < untilMillis) {
    const answer = await decide(apiUrl, nobody);
    if (answer.registry_version === registryVersion && answer.model === MODEL && answer.score !== null) return;
    await delay(500);
  }
  throw new Error(`${apiUrl} does not decide by ${MODEL} with the declarations ${registryVersion}`);
}

async function decideAll({ apiUrl }: Deployment, prefix: string, payments: readonly Payment[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const [index, { account, ...payment }] of payments.entries()) {
    const ids = { payment_id: `${prefix}-${index}`, account_id: `${prefix}-account-${account}` };
    answers.push(await decide(apiUrl, { ...ids, ...payment }));
  }
  return answers;
}

/** A package of the first form knows whole views: the same addition must turn it off, or this trial would show nothing. */
function refusesFirstForm(): boolean {
  try {
    readModelPackage(modelPackage({ packageVersion: 1, definitions: { ...definitionVersions(before) } }), after);
    return false;
  } catch (error) {
    if (error instanceof ModelPackageError) return true;
    throw error;
  }
}

function progress(text: string): void {
  process.stderr.write(`model-binding: ${text}\n`);
}

interface Answers {
  readonly first: readonly Answer[];
  readonly second: readonly Answer[];
}

async function decideAroundDeployment(directory: string): Promise<Answers> {
  const server = await startMiniStack({ port: await freePort(), directory });
  const deploy = (features: string) =>
    deployLocally({
      endpoint: server.endpoint,
      directory,
      landsHistory: false,
      features: join(import.meta.dirname, 'model-binding', features),
      onProgress: () => {},
    });
  const payments = simulatePayments();
  try {
    progress('deploying');
    const firstDeployment = await deploy('before.ts');
    const file = join(directory, 'model.package');
    const definitions = definitionsOfInputs(service, INPUTS);
    await writeFile(file, modelPackage({ packageVersion: 2, definitions }));
    await activateModel({ deployment: firstDeployment, repository: before, file });
    await untilModelDecides(firstDeployment);
    progress(`deciding ${payments.length} payments`);
    const first = await decideAll(firstDeployment, 'first', payments);
    progress('deploying what the model does not use');
    const secondDeployment = await deploy('after.ts');
    await untilModelDecides(secondDeployment);
    progress(`deciding ${payments.length} payments of other accounts`);
    return { first, second: await decideAll(secondDeployment, 'second', payments) };
  } finally {
    await server.stop();
  }
}

function compare({ first, second }: Answers): { readonly ok: boolean; readonly json: Record<string, unknown> } {
  const all = [...first, ...second];
  // The fields among the inputs are the same by construction, and are not answered.
  const computed = INPUTS.map(({ feature }) => feature).filter((name) => Object.hasOwn(first[0]?.features ?? {}, name));
  const hasEqualInputs = (left: Answer, right: Answer | undefined) =>
    computed.every((name) => left.features[name] === right?.features[name]);
  const added = Object.keys(second[0]?.features ?? {}).filter((name) => !Object.hasOwn(first[0]?.features ?? {}, name));
  const json = {
    payments: first.length,
    computedInputs: computed,
    distinctScores: new Set(first.map(({ score }) => score)).size,
    equalInputs: first.filter((answer, index) => hasEqualInputs(answer, second[index])).length,
    equalScores: first.filter(({ score }, index) => score !== null && Object.is(score, second[index]?.score)).length,
    degraded: all.filter(({ degraded }) => degraded.length > 0).length,
    notApplied: all.filter(({ event_status }) => event_status !== 'applied').length,
    otherModel: all.filter(({ model }) => model !== MODEL).length,
    registryVersions: [...new Set(all.map(({ registry_version }) => registry_version))],
    addedFeatures: added,
    firstFormRefused: refusesFirstForm(),
  };
  const ok =
    json.payments === ACCOUNTS * PAYMENTS_PER_ACCOUNT &&
    json.distinctScores > ACCOUNTS &&
    computed.length > 0 &&
    json.equalInputs === json.payments &&
    json.equalScores === json.payments &&
    json.degraded + json.notApplied + json.otherModel === 0 &&
    json.registryVersions.length === 2 &&
    added.length > 0 &&
    json.firstFormRefused;
  return { ok, json };
}

export const modelBinding = {
  name: 'model-binding',
  proves:
    'A deployed model scores the same to the bit, with nothing degraded, after a deployment of features that it does not use.',
  async run(): Promise<{ ok: boolean; json: Record<string, unknown> }> {
    const directory = await mkdtemp(join(tmpdir(), 'model-binding-'));
    try {
      return compare(await decideAroundDeployment(directory));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};
