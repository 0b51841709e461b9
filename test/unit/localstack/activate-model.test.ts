import { expect, test } from 'vitest';
import { repository as handbook } from '../../../examples/handbook/features.ts';
import { activateModel, SHIPPED_MODEL } from '../../../localstack/activate-model.ts';
import { ModelPackageError } from '../../../shared/scoring/package.ts';

test('a model that does not fit what is deployed is refused before anything is written', async () => {
  // Nobody listens there: a request would fail in another way.
  const deployment = { endpoint: 'http://localhost:1', decisionsBucketName: 'decisions' };

  const activating = activateModel({ deployment, repository: handbook, file: SHIPPED_MODEL });

  await expect(activating).rejects.toThrow(ModelPackageError);
  await expect(activating).rejects.toThrow('it is for service fraud_detection@1');
});
