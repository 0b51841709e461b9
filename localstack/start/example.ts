/** What `npm start` plays for the example of this repository: card traffic with frauds, and decisions that rules must catch. */
import { fraudDetection, labels, transactions, userTransactions } from '../../shared/features/fraud.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { ModelPackageError } from '../../shared/scoring/package.ts';
import { activateModel, SHIPPED_MODEL, untilModelDecides } from '../activate-model.ts';
import type { FeaturesResult } from '../api-client.ts';
import type { Deployment } from '../deploy.ts';
import { labelOf } from '../labels.ts';
import { count, decisionsTable, featuresTable, step } from '../report.ts';
import { type Decided, decideLive, MERCHANT_ID, normalTransaction } from './decide.ts';
import type { Play, Shown } from './play.ts';
import { playOf } from './scene.ts';

const USERS = 40;

/** Whether declarations still have what is played: they are edited in this repository, too. */
export function isExample({ services, sources }: FeatureRepository): boolean {
  return (
    services.some(({ key }) => key === fraudDetection.key) &&
    [transactions, labels].every(({ name }) => sources.some((source) => source.name === name))
  );
}

export function examplePlay(repository: FeatureRepository): Play {
  let decided: Decided | undefined;
  return {
    begin: (deployment) => letModelDecide(deployment, repository),
    deliveries: ({ events, seed, prefix }) => {
      const scene = playOf({ events, users: USERS, seed, prefix, nowMillis: Date.now() });
      return [
        [transactions, scene.deliveries.map(({ transaction }) => ({ ...transaction }))],
        [labels, scene.labels.map((label) => ({ ...label }))],
      ];
    },
    decide: async (session, { seed, prefix }) => {
      decided = await decideLive(session, seed, prefix);
      await session.send(labels, labelsOf(decided));
    },
    show: (results) => (decided ? show(decided, results.get(fraudDetection.key) ?? []) : []),
  };
}

/**
 * The model that ships, unless a feature has changed since it was trained: then rules alone decide, and it is said.
 * @returns how many answers it was asked for.
 */
async function letModelDecide(deployment: Deployment, repository: FeatureRepository): Promise<number> {
  const { answers } = await step({
    label: 'Model',
    work: async () => {
      try {
        const model = await activateModel({ deployment, repository, file: SHIPPED_MODEL });
        const answers = await untilModelDecides(deployment.apiUrl, model.key);
        const text = `${model.key} decides, trained on ${count(model.document.reference.rows)} transactions`;
        return { answers, text };
      } catch (error) {
        if (!(error instanceof ModelPackageError)) throw error;
        const text = `none, rules alone decide: ${error.message}. To train one: npm run train -- --ship`;
        return { answers: 0, text };
      }
    },
    summary: ({ text }) => text,
  });
  return answers;
}

/** Somebody looks into the live decisions: what a rule blocks or an amount gives away is fraud, the others are honest. */
function labelsOf({ live }: Decided) {
  const honest: readonly string[] = ['normal', 'large first transaction'];
  return live.map(({ title, transaction }) => ({
    ...labelOf(transaction, { isFraud: !honest.includes(title), knownAtMillis: Date.now() }),
  }));
}

/** @returns a call of each kind, for the user whose features are shown. */
function show({ live }: Decided, results: readonly FeaturesResult[]): readonly Shown[] {
  console.log(`\nLive decisions: POST /predict_fraud\n${decisionsTable(live)}`);
  // The first user lived through a burst a moment ago, so that every window has something to show.
  const nameOf = ({ entity }: FeaturesResult) => String(entity.user_id);
  const [example] = results.toSorted((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
  if (example === undefined) return [];
  const layout = {
    features: [...new Set(userTransactions.features.map(({ name, window }) => name.slice(0, -window.length - 1)))],
    windows: userTransactions.layout.windows.map(({ name }) => name),
  };
  const user_id = nameOf(example);
  console.log(`\nFeatures of ${user_id}, who just had a burst: POST /features\n${featuresTable(example, layout)}`);
  const event = { ...normalTransaction(user_id), transaction_id: 'tx-from-curl', amount: 1_999 };
  return [{ service: fraudDetection, path: '/predict_fraud', event, entity: { user_id, merchant_id: MERCHANT_ID } }];
}
