/** Compares every online feature of every simulated user, and of merchants, with the oracle's. */
import { merchantRisk, userTransactions } from '../../shared/features/fraud.ts';
import { type FeaturesResult, readFeatures, type UserAtMerchant } from '../api-client.ts';
import type { Deployment } from '../deploy.ts';
import { type Difference, differences, oracleFeatures, oracleRisk } from '../oracle.ts';
import { count, step } from '../report.ts';
import { ProofFailedError, requireEqual } from './proof.ts';
import { lastOfUsers, type Scene } from './scene.ts';

/** @throws ProofFailedError with examples. */
export async function verify({ apiUrl }: Deployment, scene: Scene): Promise<FeaturesResult[]> {
  const { results } = await step({
    label: 'Verify',
    work: async () => {
      const asked = pairsOf(scene);
      const results = await readFeatures(apiUrl, asked);
      if (results.length !== asked.length)
        throw new ProofFailedError(`${results.length} users were answered instead of ${asked.length}`);
      const found: Difference[] = [];
      let comparedCount = 0;
      for (const { entity, features, views } of results) {
        const { user_id, merchant_id } = entity;
        const asOf = (view: { readonly key: string }) => views[view.key]?.as_of ?? Number.NaN;
        const ofUser = scene.transactions.filter((transaction) => transaction.user_id === user_id);
        const ofMerchant = scene.labels.filter((label) => label.merchant_id === merchant_id);
        const expected = {
          ...oracleFeatures(ofUser, asOf(userTransactions)),
          ...oracleRisk(ofMerchant, asOf(merchantRisk)),
        };
        comparedCount += Object.keys(expected).length;
        found.push(...differences(`${user_id} at ${merchant_id}`, expected, features));
      }
      requireEqual(found, comparedCount);
      return { results, comparedCount };
    },
    summary: ({ results, comparedCount }) =>
      `${count(comparedCount)} features of ${results.length} users equal the oracle's`,
  });
  return results;
}

/** Every user once, at merchants of which it is known what became of some transactions. */
function pairsOf(scene: Scene): UserAtMerchant[] {
  const labelled = [...new Set(scene.labels.map(({ merchant_id }) => merchant_id))];
  return lastOfUsers(scene).map(({ user_id, merchant_id }, index) => ({
    user_id,
    merchant_id: labelled[index % labelled.length] ?? merchant_id,
  }));
}
